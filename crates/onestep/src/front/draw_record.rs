//! What makes samples again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Draw, Model, OpenOptions};
use crate::Result;
use crate::data::{DataError, write_whole};
use crate::model::{Precision, PrecisionName};
use crate::sample::{SampleError, Sampler, SamplerSettings};

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
    /// What the products of the network were computed in.
    #[serde(default, with = "PrecisionName")]
    pub precision: Precision,
    /// The sampler.
    pub sampler: Sampler,
    /// The noise levels it visits.
    pub levels: Vec<f64>,
    /// Noise added along an ODE path: EDM's S_churn.
    pub churn: f64,
    /// The guidance scale, for models that are guided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
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
    /// The files beside the record that cannot say whose they are (an npz, a csv), by name, with their SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
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
        let draw = match classes {
            Some(classes) => draw.classes(classes),
            None => draw,
        };
        Ok(match self.guidance {
            Some(scale) => draw.guidance(scale),
            None => draw,
        })
    }

    /// What makes one of several samples again.
    #[must_use]
    pub fn of_sample(&self, index: usize) -> Self {
        let class = self.classes.as_ref().map(|classes| classes.get(index).copied().into_iter().collect());
        let seeds = self.seeds.get(index).copied().into_iter().collect();
        Self { seeds, classes: class, columns: None, ..self.without_samples() }
    }

    /// What makes some of several samples again.
    pub(super) fn of_samples(&self, range: std::ops::Range<usize>) -> Self {
        let classes = self.classes.as_ref().map(|classes| classes[range.clone()].to_vec());
        Self { seeds: self.seeds[range].to_vec(), classes, columns: None, ..self.without_samples() }
    }

    /// Whether another record makes the same images, wherever the model lies by now.
    pub fn draws_the_same(&self, other: &Self) -> bool {
        self.precision == other.precision && self.draws_alike(other)
    }

    /// Whether another record makes the same images but for their precision.
    pub(super) fn draws_alike(&self, other: &Self) -> bool {
        let kind = |record: &Self| {
            let Self { model_sha256, weights, sampler, levels, churn, scale, .. } = record.without_samples();
            (model_sha256, weights, sampler, levels, churn, record.scale_of_guidance(), scale)
        };
        kind(self) == kind(other) && self.seeds == other.seeds && self.classes == other.classes
    }

    /// The guidance scale as a number: 1 where there is no guidance.
    fn scale_of_guidance(&self) -> f64 {
        self.guidance.unwrap_or(1.0)
    }

    /// The record without seeds and classes, which may be millions.
    fn without_samples(&self) -> Self {
        Self {
            tool: self.tool.clone(),
            model: self.model.clone(),
            model_sha256: self.model_sha256.clone(),
            weights: self.weights.clone(),
            precision: self.precision,
            sampler: self.sampler,
            levels: self.levels.clone(),
            churn: self.churn,
            guidance: self.guidance,
            nfe: self.nfe,
            seeds: Vec::new(),
            classes: None,
            columns: self.columns,
            scale: self.scale,
            files: BTreeMap::new(),
        }
    }

    /// What was drawn, in a few words for messages, among them all that is different in another draw.
    pub(super) fn summary(&self, other: &Self) -> String {
        let seeds = match self.seeds.as_slice() {
            [] => "no seeds".to_owned(),
            [seed] => format!("seed {seed}"),
            [first, .., last] if self.seeds.is_sorted_by(|a, b| a + 1 == *b) => {
                format!("seeds {first}-{last}")
            }
            [first, .., last] => format!("{} seeds from {first} to {last}", self.seeds.len()),
        };
        let sha256 = self.model_sha256.get(..8).unwrap_or(&self.model_sha256);
        let (model, sampler) = (self.model.display(), self.sampler.name());
        let mut words =
            vec![format!("{seeds} of {model}, SHA-256 {sha256}..., {sampler} in {} evaluations", self.nfe)];
        let class = |record: &Self, index: usize| {
            record.classes.as_ref().and_then(|classes| classes.get(index).copied())
        };
        let n = self.seeds.len().min(other.seeds.len());
        let differs = |&index: &usize| {
            self.seeds[index] != other.seeds[index] || class(self, index) != class(other, index)
        };
        if let Some(index) = (0..n).find(differs) {
            let of_class = class(self, index).map_or_else(String::new, |class| format!(" of class {class}"));
            words.push(format!("image {} is seed {}{of_class}", index + 1, self.seeds[index]));
        }
        if self.weights != other.weights {
            words.push(format!("weights {}", self.weights));
        }
        if self.precision != other.precision {
            words.push(self.precision.name().to_owned());
        }
        if self.levels != other.levels {
            words.push(format!("levels {:?}", self.levels));
        }
        if self.churn != other.churn {
            words.push(format!("churn {}", self.churn));
        }
        if self.scale_of_guidance() != other.scale_of_guidance() {
            words.push(format!("guidance {}", self.scale_of_guidance()));
        }
        if self.scale != other.scale {
            words.push(self.scale.map_or_else(|| "no scale".to_owned(), |scale| format!("scale {scale}")));
        }
        words.join(", ")
    }

    /// The record that a JSON file holds, if it holds one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()
    }

    /// The record as it stands inside a picture.
    pub(super) fn line(&self) -> Result<String, DataError> {
        serde_json::to_string(self).map_err(no_json)
    }

    /// Writes the record as the JSON file beside what it makes.
    pub(super) fn write(&self, path: &Path) -> Result<(), DataError> {
        write_whole(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            writeln!(file)
        })
    }
}

fn no_json(error: serde_json::Error) -> DataError {
    DataError::Setting { setting: "parameters", reason: format!("have no JSON form: {error}") }
}
