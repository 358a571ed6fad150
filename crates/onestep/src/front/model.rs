//! A model that is open: what draws, and what is known of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::guidance::Guidance;
use super::{Draw, Edits, OpenOptions};
use crate::Result;
use crate::checkpoint::{Damaged, ModelHeader, stage_models};
use crate::data::ImageShape;
use crate::edit::{EditError, Job};
use crate::model::{Condition, Denoiser, ModelError, ModelKind, NoiseRange, PrecisionChoice, Preconditioned};
use crate::noise::{LevelsError, SamplingLevels};
use crate::sample::SamplingProfile;

/// A model to draw from and to edit with, whatever it is made of.
///
/// Cloning shares the weights.
#[derive(Clone)]
pub struct Model {
    pub(super) denoiser: Arc<dyn Denoiser + Send + Sync>,
    pub(super) network: Option<Arc<Preconditioned>>,
    pub(super) takes_guidance: Guidance,
    pub(super) guidance: Option<f64>,
    shape: ImageShape,
    n_classes: Option<usize>,
    class_names: Vec<String>,
    profile: SamplingProfile,
    task_levels: BTreeMap<String, Vec<f64>>,
    origin: Option<Arc<Origin>>,
    device: Device,
}

/// Where a model is from.
#[derive(Debug)]
pub struct Origin {
    /// What was asked for: a run, a step folder or a file.
    pub path: PathBuf,
    /// How it was opened.
    pub options: OpenOptions,
    /// The file of its weights.
    pub file: PathBuf,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
    /// What the file says about the weights.
    pub header: ModelHeader,
    /// Newer checkpoints that had to be passed over; worth a warning.
    pub skipped: Vec<Damaged>,
}

impl Model {
    /// A model that came from a file.
    pub(super) fn from_file(model: Preconditioned, origin: Origin, device: &Device) -> Self {
        let [height, width, channels] = model.network().image();
        let takes_guidance = Guidance::of(&model, origin.header.kind, Some(&origin.header));
        let (model, guidance) = (Arc::new(model), takes_guidance.usual());
        Self {
            denoiser: takes_guidance.denoiser(&model, guidance),
            takes_guidance,
            guidance,
            shape: ImageShape { height, width, channels },
            n_classes: model.network().n_classes(),
            class_names: origin.header.class_names.clone(),
            profile: origin.header.profile(),
            task_levels: origin.header.task_levels.clone(),
            network: Some(model),
            origin: Some(Arc::new(origin)),
            device: device.clone(),
        }
    }

    /// A network with its weights, without a file: classes have no names, and levels are those of its form.
    pub fn from_network(model: Preconditioned, kind: ModelKind, device: &Device) -> Self {
        let [height, width, channels] = model.network().image();
        let profile = SamplingProfile {
            kind,
            preconditioning: model.preconditioning(),
            ..SamplingProfile::consistency(model.range())
        };
        let takes_guidance = Guidance::of(&model, kind, None);
        let (n_classes, model) = (model.network().n_classes(), Arc::new(model));
        let shape = ImageShape { height, width, channels };
        Self {
            denoiser: takes_guidance.denoiser(&model, None),
            network: Some(model),
            takes_guidance,
            guidance: None,
            shape,
            n_classes,
            class_names: Vec::new(),
            profile,
            task_levels: BTreeMap::new(),
            origin: None,
            device: device.clone(),
        }
    }

    /// A model that is a denoiser of one's own, on the CPU, without classes.
    ///
    /// `shape` is that of one image; `profile` says how it is sampled from: [`SamplingProfile::consistency`] for one that
    /// jumps, [`SamplingProfile::diffusion`] for one whose ODE is followed.
    pub fn from_denoiser(
        denoiser: impl Denoiser + Send + Sync + 'static,
        shape: ImageShape,
        profile: SamplingProfile,
    ) -> Self {
        Self {
            denoiser: Arc::new(denoiser),
            network: None,
            takes_guidance: Guidance::Classless,
            guidance: None,
            shape,
            n_classes: None,
            class_names: Vec::new(),
            profile,
            task_levels: BTreeMap::new(),
            origin: None,
            device: Device::flex(),
        }
    }

    /// A model that is a function of one's own: (noisy batch, noise level of each sample) to clean batch.
    ///
    /// # Shapes
    ///
    /// The batches: `[batch, height, width, channels]`; one noise level a sample, a standard deviation in the units of the
    /// data.
    ///
    /// # Examples
    ///
    /// The exact consistency function of data that are all zero:
    ///
    /// ```
    /// use onestep::Model;
    /// use onestep::data::ImageShape;
    /// use onestep::sample::SamplingProfile;
    ///
    /// let shape = ImageShape { height: 8, width: 8, channels: 3 };
    /// let model = Model::from_fn(shape, SamplingProfile::consistency(Default::default()), |noisy, sigma| {
    ///     assert_eq!(sigma.len(), noisy.dims()[0]);
    ///     noisy.zeros_like()
    /// });
    /// let samples = model.draw().seeds(0..4).run()?;
    /// assert_eq!(samples.values, vec![0.0; 4 * 8 * 8 * 3]);
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn from_fn(
        shape: ImageShape,
        profile: SamplingProfile,
        estimate: impl Fn(Tensor<4>, &[f64]) -> Tensor<4> + Send + Sync + 'static,
    ) -> Self {
        let sigma_min = profile.range.sigma_min;
        Self::from_denoiser(FnDenoiser { estimate, sigma_min }, shape, profile)
    }

    /// Draws from the model: one image from seed 0, in as many steps as suit it, unless the builder is told otherwise.
    pub fn draw(&self) -> Draw<'_> {
        Draw::new(self)
    }

    /// Edits with the model: one result, in as many steps as suit the job, unless the builder is told otherwise.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use onestep::edit::{Job, Picture};
    ///
    /// let model = onestep::open("runs/emoji-cd")?;
    /// let (photo, mask) = (Picture::open("photo.png")?, Picture::open("mask.png")?);
    /// let edited = model.edit(Job::inpaint(photo, mask)).candidates(6).run()?;
    /// edited.results[0].save("filled.png")?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn edit(&self, job: Job) -> Edits<'_> {
        Edits::new(self, job)
    }

    /// Refuses a model that cannot edit in a few steps.
    ///
    /// # Errors
    ///
    /// [`EditError::Diffusion`] for a diffusion model, [`EditError::Points`] for one of points.
    pub fn check_editing(&self) -> Result<(), EditError> {
        let model = self.name();
        if self.kind().has_ode() {
            let method = self.origin().map_or("diffusion", |origin| &origin.header.method);
            return Err(EditError::Diffusion { model, method: method.to_owned() });
        }
        match self.shape() {
            ImageShape { height: 1, width: 1, .. } => Err(EditError::Points { model }),
            _ => Ok(()),
        }
    }

    /// Where the model is from, for messages.
    pub(super) fn name(&self) -> String {
        self.origin().map_or("this model".into(), |origin| origin.path.display().to_string())
    }

    /// What draws.
    pub fn denoiser(&self) -> &dyn Denoiser {
        &*self.denoiser
    }

    /// The network with its weights; none for a denoiser of one's own.
    pub fn network(&self) -> Option<&Preconditioned> {
        self.network.as_deref()
    }

    /// The same model with the products of its network computed in another precision. A denoiser of one's own stays as it is.
    #[must_use]
    pub fn with_precision(&self, precision: impl Into<PrecisionChoice>) -> Self {
        let precision = precision.into().on(&self.device);
        match &self.network {
            Some(network) => {
                let network = Some(Arc::new(network.with_precision(precision)));
                Self { network, ..self.clone() }.at_guidance(self.guidance)
            }
            None => self.clone(),
        }
    }

    /// The shape of what it draws.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of classes; none for an unconditional model.
    pub fn n_classes(&self) -> Option<usize> {
        self.n_classes
    }

    /// Names of the classes, in order; empty where they have none.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// How it is sampled from where nobody says.
    pub fn profile(&self) -> &SamplingProfile {
        &self.profile
    }

    /// The noise it was made for.
    pub fn range(&self) -> NoiseRange {
        self.profile.range
    }

    /// What kind of model it is.
    pub fn kind(&self) -> ModelKind {
        self.profile.kind
    }

    /// The levels that were found for a task of editing, if somebody searched.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if the file's levels are none.
    pub fn levels_of_task(&self, task: &str) -> Result<Option<SamplingLevels>, LevelsError> {
        self.task_levels.get(task).map(|levels| SamplingLevels::new(levels.clone())).transpose()
    }

    /// Where it is from; none for a denoiser of one's own.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The numbers of steps that a run of progressive distillation has kept a model for; empty for other models.
    ///
    /// # Errors
    ///
    /// As [`stage_models`].
    pub fn stages(&self) -> Result<Vec<usize>> {
        Ok(match &self.origin {
            Some(origin) => stage_models(&origin.path)?.into_keys().collect(),
            None => Vec::new(),
        })
    }

    /// The model to take so many steps with: itself, or the one of its run that was made for them.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`], where another one has to be opened.
    pub fn for_steps(&self, steps: usize) -> Result<Self> {
        match (self.profile.made_for_steps(), &self.origin) {
            (Some(made_for), Some(origin)) if made_for != steps => {
                let stage = origin.options.clone().steps(Some(steps)).open(&origin.path)?;
                let stage = stage.at_guidance(self.guidance);
                Ok(self.precision().map_or(stage.clone(), |precision| stage.with_precision(precision)))
            }
            _ => Ok(self.clone()),
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.origin.as_ref().map(|origin| &origin.file);
        f.debug_struct("Model")
            .field("shape", &self.shape)
            .field("profile", &self.profile)
            .field("file", &file)
            .finish()
    }
}

/// A function as a denoiser.
struct FnDenoiser<F> {
    estimate: F,
    sigma_min: f64,
}

impl<F: Fn(Tensor<4>, &[f64]) -> Tensor<4>> Denoiser for FnDenoiser<F> {
    fn denoise(&self, noisy: Tensor<4>, sigma: &[f64], _: &Condition) -> Result<Tensor<4>, ModelError> {
        Ok((self.estimate)(noisy, sigma))
    }

    fn sigma_min(&self) -> f64 {
        self.sigma_min
    }
}
