//! Editing with an open model: a job in, pictures out.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::Model;
use super::definite_edits::{DefiniteEdits, Edited};
use crate::Result;
use crate::data::image::bytes_from_deviation;
use crate::edit::{Beginning, Edit, EditError, Job, Prepared, Start, likeliest_class};
use crate::model::{ModelKind, NoiseRange, Precision};
use crate::noise::SamplingLevels;
use crate::observer::Observer;
use crate::sample::{SampleError, class_of_seed};

/// Pictures made together where nobody says.
const BATCH: usize = 64;

/// Edits that are being put together: [`Model::edit`] begins them, [`Edits::run`] makes them.
///
/// # Examples
///
/// A consistency function that knows a single image, all grey, colors and fills in with that:
///
/// ```
/// use onestep::Model;
/// use onestep::data::{ImageShape, Pixels};
/// use onestep::edit::Job;
/// use onestep::sample::SamplingProfile;
///
/// let shape = ImageShape { height: 8, width: 8, channels: 3 };
/// let profile = SamplingProfile::consistency(Default::default());
/// let model = Model::from_fn(shape, profile, |noisy, _| noisy.zeros_like());
///
/// let photo = Pixels::new(shape, vec![200; shape.n_values()])?;
/// let half = (0..64).map(|i| if i % 8 < 4 { 255 } else { 0 }).collect();
/// let mask = Pixels::new(ImageShape { channels: 1, ..shape }, half)?;
/// let edited = model.edit(Job::inpaint(photo, mask)).candidates(6).run()?;
/// assert_eq!(edited.results.len(), 6);
/// assert_eq!(edited.results[0].bytes()[..24], [[128; 12], [200; 12]].concat());
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Edits<'a> {
    model: &'a Model,
    job: Job,
    teacher: Option<Model>,
    seeds: Vec<u64>,
    class: Option<usize>,
    steps: Option<usize>,
    levels: Option<Vec<f64>>,
    guidance: Option<f64>,
    keep_path: bool,
    batch: usize,
}

impl<'a> Edits<'a> {
    pub(super) fn new(model: &'a Model, job: Job) -> Self {
        Self {
            model,
            job,
            teacher: None,
            seeds: vec![0],
            class: None,
            steps: None,
            levels: None,
            guidance: None,
            keep_path: false,
            batch: BATCH,
        }
    }

    /// Makes so many candidates; their seeds count up from the first.
    #[must_use]
    pub fn candidates(mut self, n: usize) -> Self {
        let first = self.seeds.first().copied().unwrap_or_default();
        self.seeds = (0..n as u64).map(|i| first.wrapping_add(i)).collect();
        self
    }

    /// Begins at this seed: that of the first candidate, from which the others' count up.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        let n = self.seeds.len();
        self.seeds = vec![seed];
        self.candidates(n)
    }

    /// Makes one candidate for each of these seeds. Jobs that go from one end to another have frames instead, and take the
    /// first seed for all.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.seeds = seeds.into_iter().collect();
        self
    }

    /// Takes the picture to be of this class. Without it, the one is taken under which the model explains best what is known.
    #[must_use]
    pub fn class(mut self, class: impl Into<Option<usize>>) -> Self {
        self.class = class.into();
        self
    }

    /// Edits at this guidance scale, [`Model::guided`]; without it, as the model is.
    #[must_use]
    pub fn guidance(mut self, scale: impl Into<Option<f64>>) -> Self {
        self.guidance = scale.into();
        self
    }

    /// Takes so many steps: network evaluations.
    #[must_use]
    pub fn steps(mut self, steps: impl Into<Option<usize>>) -> Self {
        self.steps = steps.into();
        self
    }

    /// Visits these noise levels, descending standard deviations in the units of the data, whatever the number of steps.
    #[must_use]
    pub fn levels(mut self, levels: impl Into<Option<Vec<f64>>>) -> Self {
        self.levels = levels.into();
        self
    }

    /// Finds the noises of pictures by this diffusion model, the one that the model was distilled from.
    #[must_use]
    pub fn teacher<'m>(mut self, teacher: impl Into<Option<&'m Model>>) -> Self {
        self.teacher = teacher.into().cloned();
        self
    }

    /// Keeps the candidates as they are after every step: [`Edited::path`].
    #[must_use]
    pub fn keep_path(mut self, keep: bool) -> Self {
        self.keep_path = keep;
        self
    }

    /// Makes so many pictures together, which does not change them.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// The edits with everything made definite: the pictures brought to the model, masks laid over them, noise estimated, levels
    /// and class chosen.
    ///
    /// # Errors
    ///
    /// - [`EditError`] for a job that the model or its pictures do not allow.
    /// - [`LevelsError`](crate::noise::LevelsError) for levels that do not descend or do not exist.
    /// - [`SampleError::NoClasses`] for a class that the model does not have; as [`Model::guided`].
    /// - Whatever the model returns where it has to guess the class.
    pub fn definite(self) -> Result<DefiniteEdits<'a>> {
        let Self { job, teacher, .. } = self;
        self.model.check_editing()?;
        let model = match self.guidance {
            Some(scale) => Cow::Owned(self.model.guided(scale)?),
            None => Cow::Borrowed(self.model),
        };
        check_teacher(&job, teacher.as_ref(), &model)?;
        let prepared = job.prepare(model.shape(), model.device())?;
        let found_marks = prepared.marks.filter(|_| job.has_open_marks());
        let job = found_marks.map_or(job.clone(), |marks| job.with_marks(marks));
        let mut estimated_noise = None;
        let levels = match self.levels {
            Some(levels) => given_levels(levels, &model)?,
            None => {
                if let Job::Denoise { noise: None, .. } = job {
                    estimated_noise = prepared.noise.map(bytes_from_deviation);
                }
                let found = model.levels_of_task(job.task().name())?;
                job.levels(model.profile(), self.steps, prepared.noise, found)?
            }
        };
        let (class, class_is_guessed) = match (self.class, model.n_classes()) {
            (Some(_), None) => return Err(SampleError::NoClasses.into()),
            (class, None) | (class @ Some(_), _) => (class, false),
            (None, Some(n_classes)) => match job.first_seed() {
                Some(seed) => (Some(class_of_seed(seed, n_classes)), false),
                None => (guess_class(&model, &prepared, n_classes)?, true),
            },
        };
        let seeds = match job.frames() {
            // They differ in place, not in seed.
            Some(frames) => vec![self.seeds.first().copied().unwrap_or_default(); frames],
            None => self.seeds,
        };
        let (keep_path, batch) = (self.keep_path, self.batch);
        Ok(DefiniteEdits {
            model,
            job,
            teacher,
            prepared,
            levels,
            estimated_noise,
            found_marks,
            class,
            class_is_guessed,
            seeds,
            keep_path,
            batch,
        })
    }

    /// Makes the pictures.
    ///
    /// # Randomness
    ///
    /// A function of model, job, seed, class, guidance and levels; images on a way are one of their place on it too.
    ///
    /// # Errors
    ///
    /// As [`Edits::definite`], and whatever the model returns.
    pub fn run(self) -> Result<Edited> {
        self.run_with(&mut ())
    }

    /// Makes the pictures, watched by an observer that is told of every batch and can stop after it; what is done by then is
    /// returned.
    ///
    /// # Errors
    ///
    /// As [`Edits::run`].
    pub fn run_with(self, observer: &mut dyn Observer) -> Result<Edited> {
        self.definite()?.run_with(observer)
    }
}

/// Refuses what cannot find the noises of two pictures, where that is needed.
fn check_teacher(job: &Job, teacher: Option<&Model>, model: &Model) -> Result<(), EditError> {
    if let Some(teacher) = teacher {
        if teacher.kind() != ModelKind::Diffusion {
            return Err(EditError::TeacherJumps { model: teacher.name() });
        }
        if teacher.shape() != model.shape() {
            return Err(EditError::TeacherShape { teacher: teacher.shape(), model: model.shape() });
        }
    }
    match (job, teacher) {
        (Job::InterpolatePictures { .. }, None) => Err(EditError::NoTeacher),
        _ => Ok(()),
    }
}

/// Levels that were chosen, if the model was made for them.
fn given_levels(levels: Vec<f64>, model: &Model) -> Result<SamplingLevels> {
    let range = model.range();
    let NoiseRange { sigma_min, sigma_max, .. } = range;
    match range.outside(&levels) {
        Some(sigma) => Err(EditError::Level { sigma, sigma_min, sigma_max }.into()),
        None => Ok(SamplingLevels::new(levels)?),
    }
}

/// The class that explains the picture best; of two pictures to go between, the first decides.
fn guess_class(model: &Model, prepared: &Prepared, n_classes: usize) -> Result<Option<usize>> {
    let edit = match &prepared.beginning {
        Beginning::Ready(Start::Images(images)) => images.edit(),
        Beginning::Ready(Start::Noisy(images)) | Beginning::Inversion(images) => {
            Edit::from(Tensor::clone(images))
        }
        Beginning::Ready(_) => return Ok(None),
    };
    // In full precision, so that the class does not hang on the arithmetic that the pictures are made in.
    let exact = model.with_precision(Precision::F32);
    Ok(Some(likeliest_class(exact.denoiser(), &edit, n_classes)?))
}
