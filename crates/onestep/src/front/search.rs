//! The search for the noise levels that a model draws or edits best with.

use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::Model;
use crate::Result;
use crate::checkpoint::{load_model, save_model};
use crate::data::{Dataset, spread};
use crate::edit::{Constraint, EditError, Editing, Start, Task};
use crate::noise::{LevelsError, SamplingLevels};
use crate::sample::{Drawing, Found, Plan, Samples, classes_of_seeds, generate, search_levels};

/// A search for levels that is being put together: [`Model::search_levels`] begins it, [`LevelSearch::run`] tries lists of levels.
///
/// # Examples
///
/// A model whose images are the brighter the lower the level they are drawn at: the last level at which they come out nearest to
/// 0.5 is about 1.
///
/// ```
/// use onestep::Model;
/// use onestep::data::ImageShape;
/// use onestep::sample::SamplingProfile;
///
/// let shape = ImageShape { height: 4, width: 4, channels: 3 };
/// let profile = SamplingProfile::consistency(Default::default());
/// let model = Model::from_fn(shape, profile, |noisy, sigma| noisy.zeros_like() + 1.0 / (1.0 + sigma[0]));
/// let found = model.search_levels().steps(2).grid(9).images(4).run(&mut |trial| -> onestep::Result<f64> {
///     let samples = trial.samples(0..trial.n())?;
///     Ok(f64::from(samples.values[0] - 0.5).abs())
/// })?;
/// assert_eq!(found.indices[0], 0);
/// assert!((0.3..3.0).contains(&found.levels.as_slice()[1]));
/// # Ok::<(), onestep::Error>(())
/// ```
pub struct LevelSearch<'a> {
    model: &'a Model,
    steps: usize,
    grid: usize,
    batch: usize,
    seeds: Vec<u64>,
    labels: Option<Vec<usize>>,
    start: Option<Start>,
}

impl<'a> LevelSearch<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let search =
            Self { model, steps: 2, grid: 40, batch: 64, seeds: Vec::new(), labels: None, start: None };
        search.images(500)
    }

    /// Seeks so many levels.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Chooses them from the Karras grid of so many.
    #[must_use]
    pub fn grid(mut self, n_levels: usize) -> Self {
        self.grid = n_levels;
        self
    }

    /// Makes so many images together, which does not change them.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Draws so many images for each trial, from seed 0 on.
    #[must_use]
    pub fn images(mut self, n: usize) -> Self {
        self.seeds = (0..n as u64).collect();
        self.labels = classes_of_seeds(&self.seeds, self.model.n_classes());
        self.start = None;
        self
    }

    /// Seeks levels for editing: in place of drawing, images of a set are edited under a constraint, at most so many as would be
    /// drawn, spread over the set ([`spread`]).
    ///
    /// # Errors
    ///
    /// - [`EditError`] if the constraint or the model does not fit the images, or the model wants classes that they do not
    ///   have.
    /// - Whatever reading them meets.
    pub fn editing(mut self, constraint: impl Constraint + 'static, set: &dyn Dataset) -> Result<Self> {
        let (shape, takes_class) = (self.model.shape(), self.model.n_classes().is_some());
        if set.shape() != shape {
            return Err(EditError::ImageShape { images: set.shape(), model: shape }.into());
        }
        if takes_class && set.class_names().is_empty() {
            return Err(EditError::Unlabelled.into());
        }
        let n = set.len().min(self.seeds.len());
        let (mut values, mut labels) = (Vec::with_capacity(n * shape.n_values()), Vec::with_capacity(n));
        for index in spread(set.len(), n) {
            let sample = set.sample(index)?;
            values.extend(sample.values);
            labels.extend(sample.label);
        }
        let data = TensorData::new(values, [n, shape.height, shape.width, shape.channels]);
        self.start = Some(Start::of(constraint, Tensor::from_data(data, self.model.device()))?);
        self.seeds.truncate(n);
        self.labels = takes_class.then_some(labels);
        Ok(self)
    }

    /// How many images are made for each trial.
    pub fn n_images(&self) -> usize {
        self.seeds.len()
    }

    /// Seeks levels whose images have a small distance to what they should be, by [`search_levels`].
    ///
    /// Drawing starts from nothing, so its first level is σ_max; an edit may start anywhere, so its first level is sought too.
    ///
    /// # Errors
    ///
    /// What `distance` returns, which may be used to stop; [`LevelsError`] where the grid has too few levels.
    pub fn run<E: From<LevelsError>>(
        &self,
        distance: &mut dyn FnMut(&Trial<'_>) -> Result<f64, E>,
    ) -> Result<Found, E> {
        let (range, rho) = (self.model.range(), self.model.profile().rho);
        let grid = SamplingLevels::karras(self.grid, range.sigma_min, range.sigma_max, rho)?;
        let given: &[usize] = if self.start.is_some() { &[] } else { &[0] };
        search_levels(&grid, given, self.steps, &mut |levels| distance(&Trial { search: self, levels }))
    }
}

/// Images made at levels that are being tried.
pub struct Trial<'a> {
    search: &'a LevelSearch<'a>,
    levels: &'a SamplingLevels,
}

impl Trial<'_> {
    /// The levels.
    pub fn levels(&self) -> &SamplingLevels {
        self.levels
    }

    /// How many images there are.
    pub fn n(&self) -> usize {
        self.search.n_images()
    }

    /// Makes some of the images.
    ///
    /// # Errors
    ///
    /// Whatever the model returns.
    pub fn samples(&self, range: Range<usize>) -> Result<Samples> {
        let LevelSearch { model, batch, seeds, labels, start, .. } = self.search;
        let (shape, labels, batch) = (model.shape(), labels.as_deref(), *batch);
        let (device, levels, model) = (model.device(), self.levels, model.denoiser());
        match start {
            Some(start) => {
                Editing { model, shape, start, levels, seeds, labels, batch, device }.run(range, &mut ())
            }
            None => {
                let plan = &Plan::Multistep(levels.clone());
                generate(&Drawing { model, shape, plan, seeds, labels, batch, device }.part(range), &mut ())
            }
        }
    }
}

impl Model {
    /// Seeks the noise levels that the model draws or edits best with.
    pub fn search_levels(&self) -> LevelSearch<'_> {
        LevelSearch::new(self)
    }

    /// Writes a copy of the model's file that carries levels: for a task of editing, or for drawing. It may be written over the
    /// model itself.
    ///
    /// # Errors
    ///
    /// [`EditError::InMemory`] for a model of no file; [`CheckpointError`](crate::checkpoint::CheckpointError) if its file
    /// cannot be read again, or the copy not be written.
    pub fn save_with_levels(
        &self,
        file: impl AsRef<Path>,
        task: Option<Task>,
        levels: &SamplingLevels,
    ) -> Result<()> {
        let origin = self.origin().ok_or_else(|| EditError::InMemory { what: "the model".into() })?;
        // Read again: a precision chosen for the search is no part of the copy.
        let loaded = load_model(&origin.file, &origin.options.which)?;
        let mut header = loaded.header.clone();
        let levels = levels.as_slice().to_vec();
        match task {
            Some(task) => {
                header.task_levels.insert(task.name().to_owned(), levels);
            }
            None => header.sampling_levels = Some(levels),
        }
        let network = header.architecture.build()?;
        let weights = loaded.weights(network.parameters(), &Device::flex())?;
        Ok(save_model(file.as_ref(), &header, &weights)?)
    }
}
