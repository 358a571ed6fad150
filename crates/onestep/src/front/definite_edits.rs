//! Edits with nothing left to choose, and what comes out of them.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::{EditRecord, Model, ModelFile};
use crate::Result;
use crate::data::picture::Grid;
use crate::data::{DataError, Pixels, Rounding};
use crate::edit::{Beginning, EditError, Editing, Job, MaskMarks, Prepared, Start, inversion_levels, invert};
use crate::model::Condition;
use crate::noise::SamplingLevels;
use crate::observer::Observer;
use crate::sample::Samples;

/// Small pictures are enlarged to about this many pixels a side where they stand side by side.
const VISIBLE: usize = 96;

/// Edits with nothing left to choose.
pub struct DefiniteEdits<'a> {
    pub(super) model: Cow<'a, Model>,
    pub(super) job: Job,
    pub(super) teacher: Option<Model>,
    pub(super) prepared: Prepared,
    pub(super) levels: SamplingLevels,
    pub(super) estimated_noise: Option<f64>,
    pub(super) found_marks: Option<MaskMarks>,
    pub(super) class: Option<usize>,
    pub(super) class_is_guessed: bool,
    pub(super) seeds: Vec<u64>,
    pub(super) keep_path: bool,
    pub(super) batch: usize,
}

/// What came out of an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// What went in: the pictures as the model sees them, and what is known of one where that differs.
    pub before: Vec<Pixels>,
    /// The candidates, or the images on the way, in the order of their seeds or places.
    pub results: Vec<Pixels>,
    /// The candidates as the model sees them after every step, where they were to be kept; empty otherwise.
    pub path: Vec<Vec<Pixels>>,
}

impl Edited {
    /// The results side by side in so many columns; small pictures are made large enough to see.
    ///
    /// # Errors
    ///
    /// As [`Grid::arrange`].
    pub fn grid(&self, columns: usize) -> Result<Pixels, DataError> {
        let width = self.results.first().map_or(1, |picture| picture.shape().width);
        Grid { columns, scale: (VISIBLE / width.max(1)).clamp(1, 8) }.arrange(&self.results)
    }
}

impl DefiniteEdits<'_> {
    /// The model that edits.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is done.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The noise levels that are visited: one network evaluation each.
    pub fn levels(&self) -> &SamplingLevels {
        &self.levels
    }

    /// One seed a result.
    pub fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The class; none for a model without classes.
    pub fn class(&self) -> Option<usize> {
        self.class
    }

    /// The guidance scale; none for a model that is not guided.
    pub fn guidance(&self) -> Option<f64> {
        self.model.guidance()
    }

    /// The class, if it had to be guessed from the picture.
    pub fn guessed_class(&self) -> Option<usize> {
        self.class.filter(|_| self.class_is_guessed)
    }

    /// Deviation of the noise in bytes, 0 to 255, if it had to be estimated from the picture to choose the levels.
    pub fn estimated_noise(&self) -> Option<f64> {
        self.estimated_noise
    }

    /// What in the mask marks the pixels that are filled in, if it had to be found out from the mask.
    pub fn found_marks(&self) -> Option<MaskMarks> {
        self.found_marks
    }

    /// Everything that makes these pictures again.
    pub fn record(&self) -> EditRecord {
        EditRecord {
            job: self.job.files(),
            model: ModelFile::of(&self.model),
            teacher: self.teacher.as_ref().and_then(ModelFile::of),
            levels: self.levels.as_slice().to_vec(),
            seeds: self.seeds.clone(),
            class: self.class,
            guidance: self.guidance(),
        }
    }

    /// Makes the pictures, watched by an observer that is told of every batch and can stop after it; what is done by then is
    /// returned.
    ///
    /// # Errors
    ///
    /// As [`Edits::run`](super::Edits::run).
    pub fn run_with(&self, observer: &mut dyn Observer) -> Result<Edited> {
        let found;
        let start = match &self.prepared.beginning {
            Beginning::Ready(start) => start,
            Beginning::Inversion(images) => {
                found = Start::BetweenNoises(self.noises(Tensor::clone(images))?);
                &found
            }
        };
        let labels = self.class.map(|class| vec![class; self.seeds.len()]);
        let editing = Editing {
            model: self.model.denoiser(),
            shape: self.model.shape(),
            start,
            levels: &self.levels,
            seeds: &self.seeds,
            labels: labels.as_deref(),
            batch: self.batch,
            device: self.model.device(),
        };
        // To nearest, so that a pixel that was kept has the byte it had.
        let pixels = |samples: &Samples| samples.pixels(Rounding::Edm);
        let (results, path) = if self.keep_path {
            let path = editing.run_keeping_path(observer)?;
            let path = path.iter().map(pixels).collect::<Result<Vec<_>, _>>()?;
            (path.last().cloned().unwrap_or_default(), path)
        } else {
            (pixels(&editing.run(0..self.seeds.len(), observer)?)?, Vec::new())
        };
        let results = results.into_iter().map(|result| self.prepared.finished(result)).collect();
        Ok(Edited { before: self.prepared.before.clone(), results, path })
    }

    /// The unit noises that the teacher finds two images to come from.
    fn noises(&self, images: Tensor<4>) -> Result<[Vec<f32>; 2]> {
        let teacher = self.teacher.as_ref().ok_or(EditError::NoTeacher)?;
        let labels = self.class.filter(|_| teacher.n_classes().is_some()).map(|class| vec![class; 2]);
        let condition = Condition::of_labels(labels);
        let levels = inversion_levels(self.model.profile())?;
        let noise = invert(teacher.denoiser(), images, &levels, &condition)?;
        let mut first: Vec<f32> = noise.into_data().iter::<f32>().collect();
        let second = first.split_off(first.len() / 2);
        Ok([first, second])
    }
}

impl std::fmt::Debug for DefiniteEdits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DefiniteEdits").field("model", &*self.model).field("record", &self.record()).finish()
    }
}
