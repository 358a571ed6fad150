//! What makes samples again.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Draw, Model, OpenOptions};
use crate::Result;
use crate::data::{DataError, Sheet, write_whole};
use crate::model::{Precision, PrecisionName};
use crate::sample::{SampleError, SampleFile, Sampler, SamplerSettings, Samples};

/// Everything needed to make samples again, as JSON: [`DefiniteDraw::record`](super::DefiniteDraw::record) gives it.
///
/// # Examples
///
/// ```no_run
/// use onestep::DrawRecord;
///
/// let model = onestep::open("runs/emoji-cd")?;
/// let draw = model.draw().seeds(0..64).definite()?;
/// let record = draw.record().expect("the model is of a file");
/// record.save(&draw.run_with(&mut ())?, "grid.png")?;
///
/// let json = onestep::data::picture::read_parameters("grid.png".as_ref())?.expect("it says how it was made");
/// let record: DrawRecord = serde_json::from_str(&json)?;
/// let model = record.options().open(&record.model)?;
/// let again = record.draw(&model)?.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawRecord {
    /// Name and version of the program.
    pub tool: String,
    /// The file of the model's weights.
    pub model: PathBuf,
    /// SHA-256 of that file, in hexadecimal.
    pub model_sha256: String,
    /// Which weights: `best`, `raw`, `target`, or the label of an average.
    pub weights: String,
    /// Arithmetic of the network's products.
    #[serde(default, with = "PrecisionName")]
    pub precision: Precision,
    /// The sampler.
    pub sampler: Sampler,
    /// The noise levels it visits.
    pub levels: Vec<f64>,
    /// Noise added along an ODE path: EDM's S_churn.
    pub churn: f64,
    /// Network evaluations a sample.
    pub nfe: usize,
    /// One seed a sample.
    pub seeds: Vec<u64>,
    /// One class a sample, for class-conditional models.
    pub classes: Option<Vec<usize>>,
    /// Columns of the grid; without it, close to a square.
    pub columns: Option<usize>,
    /// How many times every pixel is enlarged; without it, 1 or what makes small images visible.
    pub scale: Option<usize>,
}

impl DrawRecord {
    /// How the model was opened, on the CPU unless told otherwise.
    pub fn options(&self) -> OpenOptions {
        OpenOptions::default().weights(&self.weights).precision(self.precision)
    }

    /// The same drawing from the same model, which may lie in another place by now.
    ///
    /// # Errors
    ///
    /// [`SampleError::AnotherModel`] for any other.
    pub fn draw<'a>(&self, model: &'a Model) -> Result<Draw<'a>, SampleError> {
        let origin = model.origin();
        let is = origin.map(|origin| &origin.sha256);
        if is != Some(&self.model_sha256) {
            let path = origin.map_or_else(|| model.name().into(), |origin| origin.file.clone());
            let (was, is) = (self.model_sha256.clone(), is.cloned());
            return Err(SampleError::AnotherModel { path, was, is });
        }
        let Self { sampler, levels, churn, seeds, classes, .. } = self.clone();
        let draw = model.draw().seeds(seeds).with(SamplerSettings { sampler, levels, churn });
        Ok(match classes {
            Some(classes) => draw.classes(classes),
            None => draw,
        })
    }

    /// What makes one of several samples again.
    #[must_use]
    pub fn of_sample(&self, index: usize) -> Self {
        Self {
            seeds: self.seeds.get(index).copied().into_iter().collect(),
            classes: self.classes.as_ref().map(|classes| classes.get(index).copied().into_iter().collect()),
            columns: None,
            ..self.clone()
        }
    }

    /// Writes the samples that this record makes: as a PNG, an npz or a folder ([`SampleFile`]).
    ///
    /// Every PNG has inside what makes it again, and the whole record lies beside as JSON: `grid.json` for `grid.png`,
    /// `samples.json` in a folder.
    ///
    /// # Errors
    ///
    /// - As [`SampleFile::of`].
    /// - [`DataError::Setting`] for a record that has no JSON form, and a picture that would be too large.
    /// - [`DataError::Write`] for what cannot be written.
    pub fn save(&self, samples: &Samples, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Self { columns, scale, .. } = *self;
        let json = serde_json::to_string_pretty(self).map_err(no_json)?;
        let beside = match SampleFile::of(path, samples.shape)? {
            SampleFile::Grid => {
                let sheet = Sheet { columns, scale };
                sheet.write(path, &samples.values, samples.shape, Some(&self.line()?))?;
                path.with_extension("json")
            }
            #[cfg(feature = "formats")]
            SampleFile::Npz => {
                samples.save_npz(path)?;
                path.with_extension("json")
            }
            SampleFile::Folder => {
                let sheet = Sheet { columns: Some(1), scale: scale.or(Some(1)) };
                for (index, seed) in self.seeds.iter().enumerate() {
                    let file = path.join(format!("{seed:06}.png"));
                    let line = self.of_sample(index).line()?;
                    sheet.write(&file, samples.values_of(index), samples.shape, Some(&line))?;
                }
                path.join("samples.json")
            }
        };
        Ok(write_whole(&beside, |file| writeln!(file, "{json}"))?)
    }

    /// The record as it stands inside a picture.
    fn line(&self) -> Result<String, DataError> {
        serde_json::to_string(self).map_err(no_json)
    }
}

fn no_json(error: serde_json::Error) -> DataError {
    DataError::Setting { setting: "parameters", reason: format!("have no JSON form: {error}") }
}
