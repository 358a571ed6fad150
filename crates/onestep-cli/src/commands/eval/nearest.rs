//! `onestep eval nearest`: whether a model repeats what it learned from.

use std::process::ExitCode;

use onestep::Model;
use onestep::data::picture::{Grid, write_png};
use onestep::data::{self, DataSpec, ImageShape, Pixels, Rounding, Split};
use onestep::eval::{
    Images, Nearer, Nearest, SampleKind, Selection, Stored, check_images, nearest, sample_kind,
};
use onestep::model::PrecisionChoice;
use serde_json::{Value, json};

use super::collecting::{Collecting, create_parent, outputs};
use super::spec;
use crate::args::NearestArgs;
use crate::failure::{Outcome, code};
use crate::print::{answer, say};
use crate::progress::{bar, counted};
use crate::{device, model, sampling};

/// Images that are drawn together where the observer is asked between.
const TOGETHER: usize = 64;

/// Within so many levels of 255 an image repeats another one: what rounding and compression leave.
const REPEAT: f64 = 2.0;

/// Runs the command.
pub fn run(args: &NearestArgs, quiet: bool) -> Outcome<ExitCode> {
    let work = Collecting::listen(quiet)?;
    let samples_name = args.samples.display().to_string();
    let read = [Some(&samples_name), Some(&args.training), args.held_out.as_ref()];
    outputs(args.overwrite, read.into_iter().flatten()).check(&args.out)?;
    let n = args.num_samples as usize;
    let opened = open_model(args, quiet)?;
    let (name, samples): (_, Box<dyn Images + '_>) = match &opened {
        Some(model) => {
            let draw = sampling::draw(&args.sampler, model, (0..n as u64).collect())?.definite()?;
            (format!("{samples_name} · {}", counted(draw.nfe(), "network evaluation")), Box::new(draw))
        }
        None => {
            let stored = stored(spec(&samples_name), Some(n))?;
            (samples_name, Box::new(stored))
        }
    };
    // Everything that can be wrong is found out before images are drawn.
    let image_size = samples.size();
    let part = |split| DataSpec { image_size, split, ..spec(&args.training) };
    // What is held back is no part of what was learned from.
    let training = stored(part(args.test.then_some(Split::Train)), None)?;
    let held_out = match (&args.held_out, args.test) {
        (Some(name), _) => Some((name.clone(), stored(DataSpec { image_size, ..spec(name) }, Some(n))?)),
        (None, true) => {
            Some((format!("the part test of {}", args.training), stored(part(Some(Split::Test)), Some(n))?))
        }
        (None, false) => None,
    };
    let Some(pictures) = collect(&*samples, "samples", &work)? else { return Ok(stopped()) };
    let held_out = match held_out {
        None => None,
        Some((name, images)) => match collect(&images, "held-out images", &work)? {
            Some(pictures) => Some((name, pictures)),
            None => return Ok(stopped()),
        },
    };
    let k = args.neighbors as usize;
    let find = |pictures: &[Pixels], what: &str| -> Outcome<Option<Nearest>> {
        work.heed(None);
        let mut bar = work.bar(what).without_speed();
        let found = nearest(pictures, &training, k, &mut bar)?;
        bar.finish();
        Ok(found)
    };
    let Some(own) = find(&pictures, "images of training beside the samples")? else { return Ok(stopped()) };
    let unseen = match &held_out {
        None => None,
        Some((name, pictures)) => match find(pictures, "images of training beside the held-out ones")? {
            Some(found) => Some((name.as_str(), found)),
            None => return Ok(stopped()),
        },
    };
    let report = report(args, &name, &own, unseen.as_ref(), training.n_images());
    let n_rows = (args.rows as usize).min(pictures.len());
    let left = own.examples(&pictures, &training, n_rows)?;
    let right = match (&unseen, &held_out) {
        (Some((_, found)), Some((_, pictures))) => found.examples(pictures, &training, n_rows)?,
        _ => Vec::new(),
    };
    create_parent(Some(&args.out))?;
    write_png(&args.out, &beside(left, right, k + 1)?, Some(&report.to_string()))?;
    if args.json {
        answer!("{report:#}");
    } else {
        print(&name, &own, unseen.as_ref(), args, training.n_images());
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens what the samples are drawn from, if it is a model.
fn open_model(args: &NearestArgs, quiet: bool) -> Outcome<Option<Model>> {
    if sample_kind(&args.samples) != SampleKind::Model {
        return Ok(None);
    }
    let device = device::open(args.sampler.with.device)?;
    let steps = args.sampler.steps.map(|steps| steps as usize);
    let options = model::options(&args.sampler.with, PrecisionChoice::Auto, &device, quiet).steps(steps);
    let opened = model::open(&args.samples, &options)?;
    check_images("this model", opened.shape().channels)?;
    Ok(Some(opened))
}

/// Images of a set: all, or at most so many, spread over it.
fn stored(spec: DataSpec, most: Option<usize>) -> Outcome<Stored> {
    let set = data::open(&spec)?;
    let selection = most.map_or(Selection::All, |n| Selection::Spread(n.min(set.len())));
    Ok(Stored::new(set, &spec.source, selection)?)
}

/// All of some images; none if somebody asked to stop.
fn collect(images: &dyn Images, what: &str, work: &Collecting) -> Outcome<Option<Vec<Pixels>>> {
    work.heed(None);
    let n = images.n_images();
    let bar = bar(n as u64, what, work.quiet);
    let mut pictures = Vec::with_capacity(n);
    for first in (0..n).step_by(TOGETHER) {
        pictures.extend(images.pixels(first..(first + TOGETHER).min(n), Rounding::Edm)?);
        bar.set_position(pictures.len() as u64);
        if work.stop.is_set() {
            return Ok(None);
        }
    }
    bar.finish_and_clear();
    Ok(Some(pictures))
}

/// Rows of both sides with a white column between them.
fn beside(left: Vec<Pixels>, right: Vec<Pixels>, columns: usize) -> Outcome<Pixels> {
    let Some(shape) = left.first().map(Pixels::shape) else {
        return Ok(Grid { columns, scale: 1 }.arrange(&left)?);
    };
    let white = |shape: ImageShape| Pixels::new(shape, vec![u8::MAX; shape.n_values()]);
    // Small pictures are enlarged until they can be seen.
    let scale = (64 / shape.width.max(1)).clamp(1, 8);
    if right.is_empty() {
        return Ok(Grid { columns, scale }.arrange(&left)?);
    }
    let mut all = Vec::new();
    let mut right = right.chunks(columns);
    for row in left.chunks(columns) {
        all.extend_from_slice(row);
        all.push(white(shape)?);
        let other = right.next().unwrap_or_default();
        all.extend_from_slice(other);
        for _ in row.len() + other.len()..2 * columns {
            all.push(white(shape)?);
        }
    }
    Ok(Grid { columns: 2 * columns + 1, scale }.arrange(&all)?)
}

fn report(
    args: &NearestArgs,
    name: &str,
    own: &Nearest,
    unseen: Option<&(&str, Nearest)>,
    n_training: usize,
) -> Value {
    let side = |name: &str, nearest: &Nearest| {
        json!({
            "images": name, "n": nearest.neighbors.len(), "least": nearest.quantile(0.0),
            "five_percent": nearest.quantile(0.05), "median": nearest.quantile(0.5),
            "repeats": nearest.n_within(REPEAT), "copies": nearest.n_copies(),
        })
    };
    let nearer = unseen.map(|(_, unseen)| own.nearer_than(unseen));
    json!({
        "tool": onestep::TOOL, "samples": side(name, own), "training": args.training, "n_training": n_training,
        "held_out": unseen.map(|(name, nearest)| side(name, nearest)),
        "nearer": nearer.map(|Nearer { share, z }| json!({ "share": share, "z": z })),
        "distance": "root mean square in levels of 255",
    })
}

fn print(name: &str, own: &Nearest, unseen: Option<&(&str, Nearest)>, args: &NearestArgs, n_training: usize) {
    answer!("samples    {} of {name}", own.neighbors.len());
    answer!("training   {n_training} images of {}", args.training);
    let line = |of: &Nearest| {
        let [least, low, half] = [0.0, 0.05, 0.5].map(|share| of.quantile(share));
        format!("{least:.1} the nearest, {low:.1} at 5 %, {half:.1} in the middle")
    };
    let n_held_out = unseen.map_or(0, |(_, unseen)| unseen.neighbors.len());
    let counts = |count: &dyn Fn(&Nearest) -> usize| {
        let other = unseen.map_or_else(String::new, |(_, unseen)| {
            format!("; of the held-out ones {} of {n_held_out}", count(unseen))
        });
        format!("{} of {}{other}", count(own), own.neighbors.len())
    };
    answer!("distance   {}: root mean square in levels of 255", line(own));
    if let Some((name, unseen)) = unseen {
        answer!("held out   {}: {n_held_out} of {name}", line(unseen));
    }
    answer!(
        "repeats    {}: within {REPEAT} levels of an image of training",
        counts(&|of| of.n_within(REPEAT))
    );
    answer!("copies     {}: three times nearer to one than to any other", counts(&|of| of.n_copies()));
    if let Some((_, unseen)) = unseen {
        let Nearer { share, z } = own.nearer_than(unseen);
        answer!(
            "nearer     in {:.0} % of pairs the sample is nearer than the held-out image (z {z:.1})",
            100.0 * share
        );
        if unseen.n_within(0.0) > 0 {
            say!("warning: {} of the held-out images are among those of training", unseen.n_within(0.0));
        } else if share > 0.6 {
            say!("hint: copies and blurred images both lie near; the picture tells which");
        }
    }
    answer!("{}", args.out.display());
}

fn stopped() -> ExitCode {
    say!("stopped; nothing was written, the same command begins anew");
    ExitCode::from(code::STOPPED)
}
