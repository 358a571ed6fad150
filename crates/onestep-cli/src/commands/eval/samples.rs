//! What is judged: images from files, images that a model draws, or what was collected of either.

use std::path::Path;

use burn::tensor::Device;
use onestep::data::{self, DataSpec, Dataset};
use onestep::digest;
use onestep::eval::{Collection, Generated, Images, Protocol, Stored};
use onestep::sample::Plan;
use serde_json::json;

use super::refuse_points;
use crate::args::{EvalArgs, PrecisionName};
use crate::failure::{Failure, Outcome, code};
use crate::lists::Seeds;
use crate::old_model::{self as model, Opened};
use crate::old_sampling::{self as sampling, Sampling};

/// Images of a model where nobody said how many, and the protocol does not either.
const DRAWN: usize = 10_000;

/// The samples.
pub enum Samples {
    /// Seen already.
    Collected {
        /// What is known of them.
        collection: Box<Collection>,
        /// The file.
        file: String,
    },
    /// In files.
    Stored(StoredSamples),
    /// To be drawn.
    Drawn(Box<DrawnSamples>),
}

/// Images of a data set.
pub struct StoredSamples {
    set: Box<dyn Dataset>,
    numbers: Option<Seeds>,
    source: String,
    n: usize,
}

/// Images that a model draws.
pub struct DrawnSamples {
    opened: Opened,
    sampling: Sampling,
    plan: Plan,
    seeds: Seeds,
    classes: Option<Vec<usize>>,
    drawn_classes: Option<Vec<usize>>,
    precision: PrecisionName,
    batch: usize,
}

impl Samples {
    /// Finds out what was named.
    pub fn open(args: &EvalArgs, device: &Device) -> Outcome<Self> {
        let name = args.samples.as_deref().unwrap_or_default();
        let path = Path::new(name);
        if path.is_file() && Collection::is_in(path) {
            if args.seeds.is_some()
                || args.images.is_some()
                || args.num_samples.is_some()
                || args.shard.is_some()
            {
                let message = format!("{name} holds what was seen of its images; no others can be chosen");
                return Err(
                    Failure::usage(message).hint("leave --num-samples, --seeds, --images and --shard out")
                );
            }
            let collection = Box::new(Collection::load(path)?);
            return Ok(Self::Collected { collection, file: name.into() });
        }
        if is_model(path) {
            let opened = model::open_for(path, &args.sampler.with, args.sampler.steps, device)?;
            return Ok(Self::Drawn(Box::new(DrawnSamples::new(args, opened)?)));
        }
        if args.seeds.is_some() {
            let failure = Failure::usage(format!("--seeds are of a model, and {name} is none"));
            return Err(failure.hint("choose images of a data set by number: --images 0-1999"));
        }
        let numbers = args.images.as_ref();
        let limit = args.num_samples.map(|n| n as usize);
        Ok(Self::Stored(StoredSamples::open(name, args.image_size, numbers, limit)?))
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        match self {
            Self::Collected { collection, .. } => collection.subject().n,
            Self::Stored(stored) => stored.n,
            Self::Drawn(drawn) => drawn.seeds.0.len(),
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

    /// Everything that decides what the images are.
    pub fn identity(&self, protocol: &Protocol) -> String {
        match self {
            Self::Collected { collection, .. } => collection.subject().images.clone(),
            Self::Stored(stored) => stored.identity(),
            Self::Drawn(drawn) => {
                let classes =
                    drawn.classes.as_ref().map(|classes| digest::hex(format!("{classes:?}").as_bytes()));
                json!({
                    "model_sha256": drawn.opened.sha256,
                    "sampling": drawn.sampling,
                    "precision": drawn.precision,
                    "seeds": drawn.seeds.to_string(),
                    "classes": classes,
                    "rounding": format!("{:?}", protocol.rounding),
                })
                .to_string()
            }
        }
    }

    /// The same for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Collected { file, .. } => file.clone(),
            Self::Stored(stored) => stored.describe(),
            Self::Drawn(drawn) => {
                let nfe = drawn.plan.nfe();
                let Sampling { sampler, levels, .. } = &drawn.sampling;
                let steps = match levels.as_slice() {
                    few @ ([_] | [_, _] | [_, _, _] | [_, _, _, _]) => few
                        .iter()
                        .map(|level| format!("{level:.4}").trim_end_matches('0').trim_end_matches('.').into())
                        .collect::<Vec<String>>()
                        .join(", "),
                    many => format!("{} levels", many.len()),
                };
                let evaluations = if nfe == 1 { "evaluation" } else { "evaluations" };
                format!(
                    "{} · {sampler} at {steps} · {nfe} network {evaluations} · seeds {}",
                    drawn.opened.file.display(),
                    drawn.seeds,
                )
            }
        }
    }

    /// The images.
    pub fn images<'a>(&'a self, protocol: &Protocol, device: &'a Device) -> Box<dyn Images + 'a> {
        match self {
            Self::Collected { .. } => unreachable!("what was collected is not collected again"),
            Self::Stored(stored) => Box::new(stored.images()),
            Self::Drawn(drawn) => {
                let [height, width, channels] = drawn.opened.model.network().image();
                Box::new(Generated {
                    drawing: onestep::sample::Drawing {
                        model: &drawn.opened.model,
                        shape: onestep::data::ImageShape { height, width, channels },
                        plan: &drawn.plan,
                        seeds: &drawn.seeds.0,
                        labels: drawn.drawn_classes.as_deref(),
                        batch: drawn.batch,
                        device,
                    },
                    rounding: protocol.rounding,
                })
            }
        }
    }
}

impl StoredSamples {
    /// Images by number, or the first so many, or all.
    pub fn open(
        name: &str,
        image_size: Option<usize>,
        numbers: Option<&Seeds>,
        limit: Option<usize>,
    ) -> Outcome<Self> {
        Self::from_set(data::open(&spec(name, image_size))?, name, numbers, limit)
    }

    /// The same of a set that is open.
    pub fn from_set(
        set: Box<dyn Dataset>,
        name: &str,
        numbers: Option<&Seeds>,
        limit: Option<usize>,
    ) -> Outcome<Self> {
        refuse_points(name, set.shape().channels)?;
        if let Some(beyond) = numbers.and_then(|numbers| numbers.0.iter().find(|&&n| n >= set.len() as u64)) {
            return Err(Failure::usage(format!(
                "{name} has no image {beyond}: it has {}, numbered from 0",
                set.len()
            )));
        }
        if let Some(limit) = limit.filter(|&limit| limit > set.len()) {
            return Err(Failure::usage(format!("{name} has {} images, not {limit}", set.len())));
        }
        let n = numbers.map_or(limit.unwrap_or(set.len()), |numbers| numbers.0.len());
        Ok(Self { set, numbers: numbers.cloned(), source: name.into(), n })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Everything that decides what the images are.
    pub fn identity(&self) -> String {
        let numbers = self.numbers.as_ref().map_or_else(|| "first".into(), Seeds::to_string);
        json!({ "fingerprint": self.set.fingerprint(), "images": numbers }).to_string()
    }

    /// The same for people.
    pub fn describe(&self) -> String {
        match &self.numbers {
            Some(numbers) => format!("{}, images {numbers}", self.source),
            None if self.n < self.set.len() => format!("{}, the first {}", self.source, self.n),
            None => self.source.clone(),
        }
    }

    /// The images.
    pub fn images(&self) -> Stored<'_> {
        Stored { set: &*self.set, numbers: self.numbers.as_ref().map(|numbers| numbers.0.as_slice()) }
    }
}

impl DrawnSamples {
    fn new(args: &EvalArgs, opened: Opened) -> Outcome<Self> {
        let [.., channels] = opened.model.network().image();
        refuse_points("this model", channels)?;
        if args.images.is_some() {
            return Err(
                Failure::usage("--images are of a data set").hint("choose what a model draws with --seeds")
            );
        }
        let published = protocol_of(args.network.protocol.as_deref())?.n_images;
        let n = args.num_samples.map_or(published.unwrap_or(DRAWN), |n| n as usize);
        let seeds = args.seeds.clone().unwrap_or_else(|| Seeds((0..n as u64).collect()));
        let sampling = Sampling::choose(&args.sampler, &opened)?;
        let classes = sampling::classes(&args.sampler, &opened, seeds.0.len())?;
        let (plan, precision) = (sampling.plan()?, args.sampler.with.precision);
        let drawn_classes = classes
            .clone()
            .or_else(|| onestep::sample::classes_of_seeds(&seeds.0, opened.model.network().n_classes()));
        Ok(Self {
            opened,
            sampling,
            plan,
            seeds,
            classes,
            drawn_classes,
            precision,
            batch: args.sampler.batch as usize,
        })
    }
}

/// The protocol of a name, or the plain one.
pub fn protocol_of(name: Option<&str>) -> Outcome<Protocol> {
    Ok(Protocol::named(name.unwrap_or(Protocol::ALL[0].name))?)
}

/// How to look at images of a source: as they are, or brought to a size.
pub fn spec(name: &str, image_size: Option<usize>) -> DataSpec {
    DataSpec { image_size, labels: false, ..DataSpec::named(name) }
}

/// Whether a path is a model file, a step folder or a run folder.
pub fn is_model(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("ckpt").is_dir()
            || path.join("latest").is_file()
            || path.join("model.safetensors").is_file();
    }
    path.extension().is_some_and(|extension| extension == "safetensors")
}

/// Refuses what cannot be a model, before something heavier does.
pub fn require_model(name: &str) -> Outcome<&Path> {
    let path = Path::new(name);
    if is_model(path) || !path.exists() {
        return Ok(path);
    }
    Err(Failure::new(code::DATA, format!("there is no model here: {name}"))
        .hint("models come first, and the reference is the last path"))
}
