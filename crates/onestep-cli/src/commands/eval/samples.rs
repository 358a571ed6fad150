//! What is judged: images from files, images that a model draws, or what was collected of either.

use std::path::Path;

use burn::tensor::Device;
use onestep::eval::{
    AskedClasses, Collection, Images, Judge, Protocol, SampleKind, Selection, Stored, check_images,
    number_ranges, sample_kind,
};
use onestep::sample::SamplerSettings;
use onestep::{DefiniteDraw, Model, data};

use super::spec;
use crate::args::EvalArgs;
use crate::failure::{Failure, Outcome, code};
use crate::progress::counted;
use crate::{model, sampling};

/// Images of a model where nobody said how many, and the protocol does not either.
const DRAWN: usize = 10_000;

/// The samples.
pub enum Samples<'a> {
    /// Seen already.
    Collected {
        /// What is known of them.
        collection: Box<Collection>,
        /// The file.
        file: &'a str,
    },
    /// In files.
    Stored {
        /// The images.
        images: Stored,
        /// As they were named.
        name: &'a str,
    },
    /// To be drawn.
    Drawn(Box<DefiniteDraw<'a>>),
}

/// Opens the model that the samples are to be drawn from, if one was named.
pub fn open_model(args: &EvalArgs, device: &Device, quiet: bool) -> Outcome<Option<Model>> {
    let path = Path::new(args.samples.as_deref().unwrap_or_default());
    if sample_kind(path) != SampleKind::Model {
        return Ok(None);
    }
    let steps = args.sampler.steps.map(|steps| steps as usize);
    let otherwise = protocol_of(args.network.protocol.as_deref())?.precision();
    let options = model::options(&args.sampler.with, otherwise, device, quiet).steps(steps);
    let opened = model::open(path, &options)?;
    check_images("this model", opened.shape().channels)?;
    Ok(Some(opened))
}

impl<'a> Samples<'a> {
    /// Finds out what was named.
    pub fn open(args: &'a EvalArgs, model: Option<&'a Model>) -> Outcome<Self> {
        let name = args.samples.as_deref().unwrap_or_default();
        match (sample_kind(Path::new(name)), model) {
            (SampleKind::Collection, _) => {
                if args.seeds.is_some()
                    || args.images.is_some()
                    || args.num_samples.is_some()
                    || args.shard.is_some()
                {
                    let message =
                        format!("{name} holds what was seen of its images; no others can be chosen");
                    return Err(Failure::usage(message)
                        .hint("leave --num-samples, --seeds, --images and --shard out"));
                }
                let collection = Box::new(Collection::load(Path::new(name))?);
                Ok(Self::Collected { collection, file: name })
            }
            (_, Some(model)) => Ok(Self::Drawn(Box::new(draw(args, model)?))),
            (_, None) => {
                if args.seeds.is_some() {
                    let failure = Failure::usage(format!("--seeds are of a model, and {name} is none"));
                    return Err(failure.hint("choose images of a data set by number: --images 0-1999"));
                }
                let selection = match (&args.images, args.num_samples) {
                    (Some(numbers), _) => Selection::Numbers(numbers.0.clone()),
                    (None, Some(n)) => Selection::Spread(n as usize),
                    (None, None) => Selection::All,
                };
                let set = data::open(&args.size.of(spec(name)))?;
                Ok(Self::Stored { images: Stored::new(set, name, selection)?, name })
            }
        }
    }

    /// The same samples, drawn as those of an evaluation that is kept in a file and goes on were, unless their arithmetic was named.
    pub fn going_on(self, args: &EvalArgs, judge: &Judge) -> Outcome<Self> {
        Ok(match (self, args.stats_out.as_deref()) {
            (Self::Drawn(draw), Some(file)) if !model::names_precision(&args.sampler.with) => {
                Self::Drawn(Box::new(draw.going_on_with(judge, file)?))
            }
            (samples, _) => samples,
        })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        match self {
            Self::Collected { collection, .. } => collection.subject().n,
            Self::Stored { images, .. } => images.n_images(),
            Self::Drawn(draw) => draw.n_images(),
        }
    }

    /// The protocol that was named, or by which the images were collected, or the plain one.
    pub fn protocol(&self, named: Option<&str>) -> Outcome<Protocol> {
        let Self::Collected { collection, file } = self else { return protocol_of(named) };
        let own = &collection.subject().protocol;
        match named {
            Some(named) if named != own => {
                Err(Failure::usage(format!("{file} was collected by the protocol {own}"))
                    .hint("leave --protocol out, or collect the images again"))
            }
            _ => protocol_of(Some(own)),
        }
    }

    /// The images, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Collected { file, .. } => (*file).to_owned(),
            Self::Stored { images, name } => match images.selection() {
                Selection::Numbers(numbers) => format!("{name}, images {}", number_ranges(numbers)),
                Selection::Spread(n) if *n < images.set().len() => format!("{name}, {n} spread over it"),
                Selection::Spread(_) | Selection::All => (*name).to_owned(),
            },
            Self::Drawn(draw) => describe(draw),
        }
    }

    /// The classes that were asked for, of a model that draws.
    pub fn classes(&self) -> Option<AskedClasses> {
        match self {
            Self::Drawn(draw) => Images::classes(&**draw),
            Self::Collected { .. } | Self::Stored { .. } => None,
        }
    }

    /// The images.
    pub fn images(&self) -> &dyn Images {
        match self {
            Self::Collected { .. } => unreachable!("what was collected is not collected again"),
            Self::Stored { images, .. } => images,
            Self::Drawn(draw) => &**draw,
        }
    }
}

/// The drawing as it was asked for.
fn draw<'a>(args: &EvalArgs, model: &'a Model) -> Outcome<DefiniteDraw<'a>> {
    if args.images.is_some() {
        return Err(
            Failure::usage("--images are of a data set").hint("choose what a model draws with --seeds")
        );
    }
    let published = protocol_of(args.network.protocol.as_deref())?.n_images;
    let n = args.num_samples.map_or(published.unwrap_or(DRAWN), |n| n as usize);
    let seeds = args.seeds.as_ref().map_or_else(|| (0..n as u64).collect(), |seeds| seeds.0.clone());
    Ok(sampling::draw(&args.sampler, model, seeds)?.definite()?)
}

fn describe(draw: &DefiniteDraw<'_>) -> String {
    let SamplerSettings { sampler, levels, .. } = draw.settings();
    let steps = match levels.as_slice() {
        few @ ([_] | [_, _] | [_, _, _] | [_, _, _, _]) => few
            .iter()
            .map(|level| format!("{level:.4}").trim_end_matches('0').trim_end_matches('.').into())
            .collect::<Vec<String>>()
            .join(", "),
        many => format!("{} levels", many.len()),
    };
    let (sampler, seeds) = (sampler.name(), number_ranges(draw.seeds()));
    let evaluations = counted(draw.nfe(), "network evaluation");
    let file = draw.model().origin().map(|origin| origin.file.display().to_string()).unwrap_or_default();
    format!("{file} · {sampler} at {steps} · {evaluations} · seeds {seeds}")
}

/// The protocol of a name, or the plain one.
pub fn protocol_of(name: Option<&str>) -> Outcome<Protocol> {
    Ok(name.map(Protocol::named).transpose()?.unwrap_or_default())
}

/// Refuses what cannot be a model, before something heavier does.
pub fn require_model(name: &str) -> Outcome<&Path> {
    let path = Path::new(name);
    if sample_kind(path) == SampleKind::Model || !path.exists() {
        return Ok(path);
    }
    Err(Failure::new(code::DATA, format!("there is no model here: {name}"))
        .hint("models come first, and the reference is the last path"))
}
