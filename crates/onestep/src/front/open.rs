//! Opening a model: which of its weights, in which arithmetic, on which device, for how many steps.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;

use super::Model;
use super::model::Origin;
use crate::Result;
use crate::checkpoint::{Which, load_model, read_header, stage_models};
use crate::model::{Architecture, Network, Precision, PrecisionChoice};
use crate::sample::SampleError;

/// Opens the best weights of a model, in f32 on the CPU.
///
/// `path` is the folder of a run, one of its step folders, or a model file.
///
/// # Errors
///
/// As [`OpenOptions::open`].
///
/// # Examples
///
/// ```no_run
/// let model = onestep::open("runs/emoji-cd")?;
/// model.draw().seeds(0..64).run()?.grid(8).save("grid.png")?;
/// # Ok::<(), onestep::Error>(())
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<Model> {
    OpenOptions::default().open(path)
}

/// How a model is opened.
///
/// # Examples
///
/// ```no_run
/// use onestep::OpenOptions;
/// use onestep::model::PrecisionChoice;
///
/// let model = OpenOptions::default().weights("raw").precision(PrecisionChoice::Auto).open("runs/emoji-cd")?;
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(super) which: Which,
    precision: PrecisionChoice,
    device: Device,
    steps: Option<usize>,
    network: Option<Arc<dyn Network>>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            which: Which::Best,
            precision: Precision::F32.into(),
            device: Device::flex(),
            steps: None,
            network: None,
        }
    }
}

impl OpenOptions {
    /// Takes these weights: `best`, `raw`, `target`, or the label of an average.
    #[must_use]
    pub fn weights(mut self, name: &str) -> Self {
        let Ok(which) = name.parse::<Which>();
        self.which = which;
        self
    }

    /// Computes the products of the network in this [`Precision`], or chooses it by the device: [`PrecisionChoice::Auto`]. Without
    /// it, f32. What is computed in the end is [`Model::precision`].
    #[must_use]
    pub fn precision(mut self, precision: impl Into<PrecisionChoice>) -> Self {
        self.precision = precision.into();
        self
    }

    /// Computes on this device.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// Of a run of progressive distillation, takes the model that was made for so many steps. Others serve any number.
    #[must_use]
    pub fn steps(mut self, steps: Option<usize>) -> Self {
        self.steps = steps;
        self
    }

    /// Lays the weights into this network of the program's own, where the file names one
    /// ([`Architecture::Custom`]).
    #[must_use]
    pub fn network(mut self, network: Arc<dyn Network>) -> Self {
        self.network = Some(network);
        self
    }

    /// Opens the model in the folder of a run, in one of its step folders, or in a file.
    ///
    /// Where the newest checkpoint of a run is damaged, the newest intact one is taken, and [`Origin::skipped`] says so.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError`](crate::checkpoint::CheckpointError): nothing there, damaged, or not of these weights.
    /// - [`SampleError::NoStage`]: no model made for so many steps.
    /// - [`ModelError`](crate::model::ModelError): an architecture that cannot be built.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        // The header alone says whether this is the right one; weights may be gigabytes.
        let made_for = match self.steps {
            Some(_) => read_header(path, &self.which)?.header.profile().made_for_steps(),
            None => None,
        };
        match (self.steps, made_for) {
            (Some(wanted), Some(made_for)) if made_for != wanted => {
                let stages = stage_models(path)?;
                let Some(folder) = stages.get(&wanted) else {
                    let known = if stages.is_empty() { vec![made_for] } else { stages.into_keys().collect() };
                    return Err(SampleError::NoStage { path: path.to_path_buf(), wanted, known }.into());
                };
                self.load(path, folder)
            }
            _ => self.load(path, path),
        }
    }

    /// Loads the model at `place`, which was found by the name `named`.
    fn load(&self, named: &Path, place: &Path) -> Result<Model> {
        let mut loaded = load_model(place, &self.which)?;
        let origin = Origin {
            path: named.to_path_buf(),
            options: self.clone(),
            file: loaded.file.clone(),
            sha256: loaded.sha256.clone(),
            header: loaded.header.clone(),
            skipped: std::mem::take(&mut loaded.skipped),
        };
        let model = match (&loaded.header.architecture, &self.network) {
            (Architecture::Custom(_), Some(network)) => {
                loaded.into_model_with(network.clone(), &self.device)?
            }
            _ => loaded.into_model(&self.device)?,
        };
        let model = model.with_precision(self.precision.on(&self.device));
        Ok(Model::from_file(model, origin, &self.device))
    }
}
