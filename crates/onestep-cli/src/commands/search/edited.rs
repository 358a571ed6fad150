//! Real images that a model edits while levels are sought for it.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding};
use onestep::edit::{Colorize, Constraint, Edit, Inpaint, SuperResolve, Task, sample_edit};
use onestep::eval::Images;
use onestep::model::Condition;
use onestep::noise::{SamplingLevels, SeedNoise};
use onestep::sample::Request;

use crate::args::SearchArgs;
use crate::commands::eval::spec;
use crate::failure::{Failure, Outcome};
use crate::old_model::Opened;

/// Share of a side that is to be filled in, in the middle.
const MISSING: f64 = 0.5;

/// How many times larger images are made.
const FACTOR: usize = 4;

/// The first images of a data set, and what is kept of them.
pub struct Originals {
    constraint: Box<dyn Constraint>,
    /// `[n, side, side, channels]`, flat.
    values: Vec<f32>,
    /// Where the model wants classes.
    labels: Option<Vec<usize>>,
    shape: ImageShape,
    n: usize,
}

impl Originals {
    /// Reads them; the images are brought to the model's size.
    pub fn open(task: Task, args: &SearchArgs, opened: &Opened, device: &Device) -> Outcome<Self> {
        let network = opened.model.network();
        let [side, _, channels] = network.image();
        let takes_class = network.n_classes().is_some();
        let set =
            onestep::data::open(&DataSpec { labels: takes_class, ..spec(&args.reference, Some(side)) })?;
        if takes_class && set.class_names().is_empty() {
            let message =
                format!("the model wants the class of every image, and {} has none", args.reference);
            return Err(Failure::usage(message).hint("name a reference with labels"));
        }
        let n = set.len().min(args.num_samples as usize);
        let constraint: Box<dyn Constraint> = match task {
            Task::Inpaint => {
                let hole = (side as f64 * MISSING / 2.0).round() as usize;
                let hole = side / 2 - hole..side / 2 + hole;
                let known = (0..side * side).map(|i| {
                    if hole.contains(&(i / side)) && hole.contains(&(i % side)) { 0.0 } else { 1.0 }
                });
                Box::new(Inpaint::new(&known.collect::<Vec<f32>>(), [side, side], device)?)
            }
            Task::Colorize => Box::new(Colorize::default()),
            _ => Box::new(SuperResolve::new(FACTOR)),
        };
        constraint.check([n, side, side, channels])?;
        let mut values = Vec::with_capacity(n * side * side * channels);
        let mut labels = Vec::with_capacity(n);
        for index in 0..n {
            let sample = set.sample(index)?;
            values.extend(sample.values);
            labels.extend(sample.label);
        }
        let shape = ImageShape { height: side, width: side, channels };
        Ok(Self { constraint, values, labels: takes_class.then_some(labels), shape, n })
    }

    /// How many there are.
    pub fn n(&self) -> usize {
        self.n
    }
}

/// The same, edited at some levels.
pub struct Edited<'a> {
    /// What is edited.
    pub originals: &'a Originals,
    /// By what.
    pub opened: &'a Opened,
    /// At which levels.
    pub levels: &'a SamplingLevels,
    /// How many together.
    pub batch: usize,
    /// Where.
    pub device: &'a Device,
}

impl Images for Edited<'_> {
    fn n_images(&self) -> usize {
        self.originals.n()
    }

    fn pixels(&self, range: Range<usize>, _rounding: Rounding) -> onestep::Result<Vec<Pixels>> {
        let Originals { constraint, values, labels, shape, .. } = self.originals;
        let (ImageShape { height, width, channels }, n_values) = (*shape, shape.n_values());
        let mut pictures = Vec::with_capacity(range.len());
        for start in range.clone().step_by(self.batch) {
            let part = start..range.end.min(start + self.batch);
            let values = values[part.start * n_values..part.end * n_values].to_vec();
            let dims = [part.len(), height, width, channels];
            let images = Tensor::from_data(TensorData::new(values, dims), self.device);
            let edit = Edit::of(&**constraint, images)?;
            let labels = labels.as_ref().map(|labels| labels[part.clone()].to_vec());
            let condition = Condition { labels, ..Condition::default() };
            let request = Request {
                shape: dims,
                condition: &condition,
                clamp: true,
                device: self.device,
                on_estimate: &mut |_| true,
            };
            let seeds: Vec<u64> = part.map(|index| index as u64).collect();
            let noise = &mut SeedNoise::new(&seeds);
            let edited = sample_edit(&self.opened.model, self.levels, &edit, noise, request)?;
            for values in edited.into_data().iter::<f32>().collect::<Vec<_>>().chunks_exact(n_values) {
                pictures.push(Pixels::from_values(values, *shape, Rounding::Truncate)?.into_rgb());
            }
        }
        Ok(pictures)
    }
}
