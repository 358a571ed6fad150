//! What makes the pictures of an edit again.

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Edits, Model, OpenOptions};
use crate::Result;
use crate::edit::{EditError, Job, PictureFile};
use crate::model::{Precision, PrecisionName};

/// A model by its file, and how it was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The file of its weights.
    pub path: PathBuf,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
    /// Which weights: `best`, `raw`, `target`, or the label of an average.
    pub weights: String,
    /// What the products of the network were computed in.
    #[serde(with = "PrecisionName")]
    pub precision: Precision,
}

impl ModelFile {
    /// The file of an open model; none for one that is of no file.
    pub fn of(model: &Model) -> Option<Self> {
        let (origin, precision) = (model.origin()?, model.precision()?);
        Some(Self {
            path: origin.file.clone(),
            sha256: origin.sha256.clone(),
            weights: origin.options.which.to_string(),
            precision,
        })
    }

    /// Opens the model again, and refuses another one. What a device computes in the place of the precision it had is
    /// [`PrecisionChoice::on`](crate::model::PrecisionChoice::on).
    ///
    /// # Errors
    ///
    /// [`EditError::FileChanged`] if the file holds something else by now; as [`OpenOptions::open`].
    pub fn open(&self, device: &Device) -> Result<Model> {
        let options = OpenOptions::default().weights(&self.weights).precision(self.precision).device(device);
        let model = options.open(&self.path)?;
        match model.origin() {
            Some(origin) if origin.sha256 != self.sha256 => Err(EditError::FileChanged {
                path: self.path.clone(),
                was: self.sha256.clone(),
                is: origin.sha256.clone(),
            }
            .into()),
            _ => Ok(model),
        }
    }
}

/// Everything needed to make the pictures of an edit again, as JSON: [`DefiniteEdits::record`](super::DefiniteEdits::record)
/// gives it.
///
/// # Examples
///
/// ```no_run
/// use burn::tensor::Device;
/// use onestep::edit::{Job, Picture};
/// use onestep::EditRecord;
///
/// let model = onestep::open("runs/emoji-cd")?;
/// let edits = model.edit(Job::colorize(Picture::open("photo.png")?)).candidates(4).definite()?;
/// let json = serde_json::to_string(&edits.record())?;
///
/// let record: EditRecord = serde_json::from_str(&json)?;
/// let reopened = record.open(&Device::flex())?;
/// let again = reopened.edits().run()?;
/// assert_eq!(again, edits.run_with(&mut ())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditRecord {
    /// What was done.
    pub job: Job<PictureFile>,
    /// The model; none for one that was of no file.
    pub model: Option<ModelFile>,
    /// The diffusion model that found the noises of pictures.
    pub teacher: Option<ModelFile>,
    /// The noise levels visited: one network evaluation each.
    pub levels: Vec<f64>,
    /// One seed a result.
    pub seeds: Vec<u64>,
    /// The class, for class-conditional models.
    pub class: Option<usize>,
    /// The guidance scale, for models that are guided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
}

/// An edit whose files are open again.
#[derive(Debug)]
pub struct ReopenedEdit {
    /// What was done.
    pub record: EditRecord,
    /// The model.
    pub model: Model,
    /// The diffusion model that finds the noises of pictures.
    pub teacher: Option<Model>,
    /// The job with its pictures.
    pub job: Job,
}

impl EditRecord {
    /// Opens the files that went in, and refuses those that are not what they were.
    ///
    /// # Errors
    ///
    /// - [`EditError::FileChanged`] for a file that holds something else by now.
    /// - [`EditError::InMemory`] for a model or picture that was no file.
    /// - Whatever opening them meets.
    pub fn open(&self, device: &Device) -> Result<ReopenedEdit> {
        let in_memory = || EditError::InMemory { what: "the model".into() };
        let model = self.model.as_ref().ok_or_else(in_memory)?.open(device)?;
        let teacher = self.teacher.as_ref().map(|teacher| teacher.open(device)).transpose()?;
        Ok(ReopenedEdit { record: self.clone(), model, teacher, job: self.job.open_files()? })
    }

    /// What makes one of several results again. A picture on a way cannot be made without its neighbors, so that is everything.
    #[must_use]
    pub fn of_result(&self, index: usize) -> Self {
        match self.job.frames() {
            Some(_) => self.clone(),
            None => Self { seeds: self.seeds.get(index).copied().into_iter().collect(), ..self.clone() },
        }
    }
}

impl ReopenedEdit {
    /// The same edits as before.
    pub fn edits(&self) -> Edits<'_> {
        let EditRecord { levels, seeds, class, guidance, .. } = self.record.clone();
        let edits = self.model.edit(self.job.clone()).teacher(self.teacher.as_ref());
        edits.levels(levels).seeds(seeds).class(class).guidance(guidance)
    }
}
