//! Drawing from an open model: seeds in, samples out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{DrawRecord, Model, ModelFile};
use crate::Result;
use crate::model::{NoiseRange, PrecisionChoice};
use crate::observer::Observer;
use crate::sample::{
    Drawing, Plan, SampleError, SampleSink, Sampler, SamplerSettings, Samples, classes_of_seeds, generate,
    generate_into,
};

/// Images drawn together where nobody says.
const BATCH: usize = 64;

/// A drawing that is being put together: [`Model::draw`] begins it, [`Draw::run`] draws.
///
/// # Examples
///
/// ```no_run
/// let model = onestep::open("runs/emoji-cd")?;
/// let samples = model.draw().seeds([7, 12]).steps(2).run()?;
/// samples.grid(2).scale(4).save("two.png")?;
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Draw<'a> {
    model: &'a Model,
    seeds: Vec<u64>,
    classes: Option<Vec<usize>>,
    sampler: Option<Sampler>,
    steps: Option<usize>,
    levels: Option<Vec<f64>>,
    churn: f64,
    guidance: Option<f64>,
    batch: usize,
}

impl<'a> Draw<'a> {
    /// The model that is drawn from.
    pub(crate) fn model(&self) -> &'a Model {
        self.model
    }

    pub(super) fn new(model: &'a Model) -> Self {
        Self {
            model,
            seeds: vec![0],
            classes: None,
            sampler: None,
            steps: None,
            levels: None,
            churn: 0.0,
            guidance: None,
            batch: BATCH,
        }
    }

    /// Draws one image for each of these seeds. A seed is an image: the same alone and in any batch.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.seeds = seeds.into_iter().collect();
        self
    }

    /// Gives each seed a class by number; a single one serves all. Without it, a class is drawn from each seed.
    #[must_use]
    pub fn classes(mut self, classes: impl IntoIterator<Item = usize>) -> Self {
        self.classes = Some(classes.into_iter().collect());
        self
    }

    /// Takes so many steps: network evaluations of a consistency model, levels of an ODE sampler.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Visits these noise levels, descending standard deviations in the units of the data, whatever the number of steps.
    #[must_use]
    pub fn levels(mut self, levels: Vec<f64>) -> Self {
        self.levels = Some(levels);
        self
    }

    /// Takes this sampler instead of the one that the model was trained for.
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Adds noise along an ODE path: EDM's S_churn, for Heun and DPM-2.
    #[must_use]
    pub fn churn(mut self, churn: f64) -> Self {
        self.churn = churn;
        self
    }

    /// Guides towards the class at this scale, [`Model::guided`]; without it, as the model is.
    #[must_use]
    pub fn guidance(mut self, scale: f64) -> Self {
        self.guidance = Some(scale);
        self
    }

    /// Draws so many images together, which does not change them.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Draws with this sampler, at these levels and with this churn.
    #[must_use]
    pub fn with(self, settings: SamplerSettings) -> Self {
        self.sampler(settings.sampler).levels(settings.levels).churn(settings.churn)
    }

    /// The number of images that are to be drawn.
    pub fn n_seeds(&self) -> usize {
        self.seeds.len()
    }

    /// The drawing with everything made definite by what the model says: its stage for the number of steps, sampler, levels
    /// and classes.
    ///
    /// # Errors
    ///
    /// - [`SampleError`] for a sampler, churn, levels, classes or guidance that the model does not take, and steps that it has no stage for.
    /// - [`LevelsError`](crate::noise::LevelsError) for levels that do not descend or do not exist.
    pub fn definite(self) -> Result<DefiniteDraw<'a>> {
        let model = match (self.steps, &self.levels) {
            (Some(steps), None) => Cow::Owned(self.model.for_steps(steps)?),
            _ => Cow::Borrowed(self.model),
        };
        let model = match self.guidance {
            Some(scale) => Cow::Owned(model.guided(scale)?),
            None => model,
        };
        let profile = model.profile();
        let sampler = self.sampler.unwrap_or(profile.sampler());
        profile.check(sampler)?;
        let levels = match self.levels {
            Some(levels) => given_levels(levels, profile.range)?,
            None => profile.levels(sampler, self.steps)?.as_slice().to_vec(),
        };
        let classes = match (self.classes, model.n_classes()) {
            (Some(_), None) => return Err(SampleError::NoClasses.into()),
            (Some(classes), Some(_)) => Some(one_a_seed(classes, self.seeds.len())?),
            (None, n_classes) => classes_of_seeds(&self.seeds, n_classes),
        };
        let settings = SamplerSettings { sampler, levels, churn: self.churn };
        Ok(DefiniteDraw {
            plan: settings.plan()?,
            settings,
            classes,
            seeds: self.seeds,
            batch: self.batch,
            model,
        })
    }

    /// Draws.
    ///
    /// # Shapes
    ///
    /// [`Samples::values`]: `[seeds, height, width, channels]`, flat; images in [-1, 1].
    ///
    /// # Randomness
    ///
    /// A function of model, seed, class, guidance, sampler and levels.
    ///
    /// # Errors
    ///
    /// As [`Draw::definite`], and whatever the model returns.
    pub fn run(self) -> Result<Samples> {
        self.run_with(&mut ())
    }

    /// Draws, watched by an observer that is told of every batch and can stop after it; what is done by then is returned.
    ///
    /// # Errors
    ///
    /// As [`Draw::run`].
    pub fn run_with(self, observer: &mut dyn Observer) -> Result<Samples> {
        self.definite()?.run_with(observer)
    }
}

/// A drawing with nothing left to choose.
#[derive(Debug, Clone)]
pub struct DefiniteDraw<'a> {
    model: Cow<'a, Model>,
    seeds: Vec<u64>,
    classes: Option<Vec<usize>>,
    settings: SamplerSettings,
    plan: Plan,
    batch: usize,
}

impl DefiniteDraw<'_> {
    /// The model that draws: for a number of steps of progressive distillation, that of its stage.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// One seed an image.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// One class an image; none for a model without classes.
    pub fn classes(&self) -> Option<&[usize]> {
        self.classes.as_deref()
    }

    /// Sampler, levels and churn.
    pub fn settings(&self) -> &SamplerSettings {
        &self.settings
    }

    /// Network evaluations an image: twice as many for estimates that are mixed by guidance.
    pub fn nfe(&self) -> usize {
        self.plan.nfe() * self.model.evaluations()
    }

    /// The guidance scale; none for a model that is not guided.
    pub fn guidance(&self) -> Option<f64> {
        self.model.guidance()
    }

    /// The same drawing in another precision.
    #[must_use]
    pub fn in_precision(self, precision: impl Into<PrecisionChoice>) -> Self {
        Self { model: Cow::Owned(self.model.with_precision(precision)), ..self }
    }

    /// What makes the samples again; none where the model is of no file.
    pub fn record(&self) -> Option<DrawRecord> {
        let ModelFile { path, sha256, weights, precision } = ModelFile::of(&self.model)?;
        let SamplerSettings { sampler, levels, churn } = self.settings.clone();
        Some(DrawRecord {
            tool: crate::TOOL.into(),
            model: path,
            model_sha256: sha256,
            weights,
            precision,
            sampler,
            levels,
            churn,
            guidance: self.guidance(),
            nfe: self.nfe(),
            seeds: self.seeds.clone(),
            classes: self.classes.clone(),
            columns: None,
            scale: None,
            files: BTreeMap::new(),
        })
    }

    /// The drawing as [`generate`] takes it.
    pub fn drawing(&self) -> Drawing<'_> {
        Drawing {
            model: self.model.denoiser(),
            shape: self.model.shape(),
            plan: &self.plan,
            seeds: &self.seeds,
            labels: self.classes.as_deref(),
            batch: self.batch,
            device: self.model.device(),
        }
    }

    /// Draws, watched by an observer that is told of every batch and can stop after it; what is done by then is returned.
    ///
    /// # Errors
    ///
    /// As [`Draw::run`].
    pub fn run_with(&self, observer: &mut dyn Observer) -> Result<Samples> {
        generate(&self.drawing(), observer)
    }

    /// Draws as [`DefiniteDraw::run_with`], and hands every batch on as soon as it is drawn, so that memory does not grow with the
    /// number of images; returns how many are there, which is fewer than the seeds if the observer asked to stop.
    ///
    /// # Errors
    ///
    /// As [`Draw::run`], and whatever the sink returns.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use onestep::SampleWriter;
    /// use onestep::data::Outputs;
    ///
    /// let model = onestep::open("runs/emoji-cd")?;
    /// let draw = model.draw().seeds(0..50_000).definite()?;
    /// let record = draw.record().expect("the model is of a file");
    /// let mut writer = SampleWriter::create(record, model.shape(), "samples".as_ref(), &Outputs::default())?;
    /// draw.run_into(&mut writer, &mut ())?;
    /// writer.finish()?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn run_into(&self, sink: &mut dyn SampleSink, observer: &mut dyn Observer) -> Result<usize> {
        generate_into(&self.drawing(), sink, observer)
    }
}

/// Levels that were chosen, if the model was made for them.
fn given_levels(levels: Vec<f64>, range: NoiseRange) -> Result<Vec<f64>, SampleError> {
    let NoiseRange { sigma_min, sigma_max, .. } = range;
    match range.outside(&levels) {
        Some(sigma) => Err(SampleError::Level { sigma, sigma_min, sigma_max }),
        None => Ok(levels),
    }
}

/// One class for each seed: those given, or the one for all.
fn one_a_seed(classes: Vec<usize>, seeds: usize) -> Result<Vec<usize>, SampleError> {
    match classes.as_slice() {
        &[one] => Ok(vec![one; seeds]),
        many if many.len() == seeds => Ok(classes),
        _ => Err(SampleError::ClassCount { classes: classes.len(), seeds }),
    }
}
