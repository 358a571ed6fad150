//! Whole runs: exact resume, stages, guards, recipes, and learning what is known in closed form.

mod bad_images;
mod described;
mod devices;
mod going_on;
mod guidance;
mod losses;
mod ranks;
mod recipes;
mod resume;
mod runs;
mod short;
mod stages;
mod starts;
mod suggestions;
mod teachers;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Tensor, TensorData};
use onestep::data::{DataError, Dataset, ImageShape, Sample, open};
use onestep::model::{Condition, Preconditioned, Preconditioning, Weights};
use onestep::noise::{Purpose, Stream};
use onestep::objective::Batch;
use onestep::train::{Recipe, RunBuilder, Trainer, builtin_recipe};

use crate::devices::device;
use crate::golden::Array;

/// A small convolutional run on 8x8 emoji with dropout, flips, classes, (but for PD) an average and (CT) an adaptive target;
/// easy tuning and progressive distillation go through several stages.
pub(crate) fn tiny(method: &str, settings: &[&str]) -> Recipe {
    let mut all: Vec<String> = [
        "data.image_size=8",
        "data.limit=100",
        "network.image_size=8",
        "network.model_channels=16",
        "network.channel_mult=[1,1]",
        "network.num_blocks=1",
        "network.attention_resolutions=[4]",
        "network.dropout=0.2",
        "train.steps=6",
        "train.batch=7",
        "train.checkpoint_every=3",
        "train.preview_every=0",
    ]
    .iter()
    .chain(settings)
    .map(ToString::to_string)
    .collect();
    let own: &[&str] = match method {
        "ct" => &["objective.target={ kind = \"adaptive\", initial_rate = 0.9 }"],
        "ect" => &["objective.images_per_stage=14"],
        "pd" => &["objective.start_intervals=4", "objective.steps_per_stage=2"],
        _ => &[],
    };
    // What the test asks for wins.
    all.splice(0..0, own.iter().map(ToString::to_string));
    Recipe::parse(builtin_recipe(&format!("emoji-{method}")).unwrap(), &all).unwrap()
}

fn teacher(recipe: &Recipe) -> Option<Preconditioned> {
    recipe.needs_teacher().then(|| {
        let network = recipe.network.build().unwrap();
        let weights = Weights::initialize(network.parameters(), 99, &device());
        Preconditioned::new(network, weights, Preconditioning::Edm, recipe.noise.range())
    })
}

fn trainer(recipe: &Recipe) -> Trainer {
    Trainer::new(recipe.clone(), open(&recipe.data).unwrap(), teacher(recipe), &device()).unwrap()
}

/// A run of the recipe with its teacher, not yet in a folder.
fn builder(recipe: &Recipe) -> RunBuilder {
    let builder = RunBuilder::new(recipe.clone()).device(device());
    match teacher(recipe) {
        Some(teacher) => builder.teacher(teacher),
        None => builder,
    }
}

/// Every file of a step's folder with its bytes.
fn files(run: &Path, step: u64) -> Vec<(String, Vec<u8>)> {
    let folder = run.join("ckpt").join(format!("step-{step:08}"));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn batch_of(recipe: &Recipe, n: usize) -> Batch {
    let data = open(&recipe.data).unwrap();
    let shape = data.shape();
    let values: Vec<f32> = (0..n).flat_map(|i| data.sample(i).unwrap().values).collect();
    let noise = Stream::new(1, Purpose::Test, 0, 0).standard_normal(values.len());
    let extents = [n, shape.height, shape.width, shape.channels];
    Batch {
        clean: Tensor::from_data(TensorData::new(values, extents), &device()),
        noise: Tensor::from_data(TensorData::new(noise, extents), &device()),
        condition: Condition::classes(vec![0; n]),
    }
}

fn random_model(recipe: &Recipe) -> Preconditioned {
    let network = recipe.network.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 5, &device());
    Preconditioned::new(network, weights, Preconditioning::Boundary, recipe.noise.range())
}

/// All weights in a row.
fn flat(weights: &Weights) -> Vec<f64> {
    weights.values().iter().flat_map(|value| Array::from_tensor(value.clone()).values).collect()
}

/// Data whose samples are seen on their way, and may be changed.
struct Seen<F> {
    inner: Box<dyn Dataset>,
    see: F,
    /// How often all of them were looked at, to be told from others.
    n_fingerprints: Arc<AtomicUsize>,
}

impl<F> Seen<F> {
    fn new(inner: Box<dyn Dataset>, see: F) -> Self {
        Self { inner, see, n_fingerprints: Arc::default() }
    }
}

impl<F: Fn(usize, &mut Sample) + Send + Sync> Dataset for Seen<F> {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn shape(&self) -> ImageShape {
        self.inner.shape()
    }
    fn class_names(&self) -> &[String] {
        self.inner.class_names()
    }
    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        let mut sample = self.inner.sample(index)?;
        (self.see)(index, &mut sample);
        Ok(sample)
    }
    fn probe(&self, index: usize) -> Result<Option<usize>, DataError> {
        self.inner.probe(index)
    }
    fn source(&self, index: usize) -> String {
        self.inner.source(index)
    }
    fn fingerprint(&self) -> String {
        self.n_fingerprints.fetch_add(1, Ordering::Relaxed);
        self.inner.fingerprint()
    }
}
