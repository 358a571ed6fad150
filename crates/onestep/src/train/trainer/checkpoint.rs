//! A trainer as a checkpoint, and back.

use std::path::Path;

use super::Trainer;
use crate::checkpoint::{ModelHeader, TrainState};
use crate::train::continued::refuse_other;
use crate::train::{Checkpoint, Draft, Event, Recipe, TrainError};

impl Trainer {
    /// Everything that has to be saved to go on exactly from here.
    pub fn checkpoint(&self) -> Checkpoint {
        let recipe = &self.recipe;
        Checkpoint {
            header: ModelHeader {
                class_names: match self.student.network().n_classes() {
                    Some(_) => self.data().class_names().to_vec(),
                    None => Vec::new(),
                },
                images_seen: self.state.images_seen,
                step: self.state.step,
                // The recipe has been checked, its levels with it.
                sampling_levels: recipe
                    .sampling_levels(self.state.step)
                    .ok()
                    .flatten()
                    .map(|levels| levels.as_slice().to_vec()),
                ..recipe.header()
            },
            weights: self.student.weights().clone(),
            averages: self.averages.clone(),
            method: self.method.state(self.state.step),
            optimizer: self.optimizer.clone(),
            state: self.state.clone(),
        }
    }

    /// Goes on from a checkpoint that was loaded from `folder`: from there on every number is what an uninterrupted run would
    /// have had, to the bit on a CPU.
    ///
    /// # Errors
    ///
    /// - [`TrainError::RecipeDiffers`]: the recipe has changed in what must stay as it was.
    /// - [`TrainError::OtherData`]: the data are others. Those in which images that had ended the run were replaced or removed
    ///   are the same.
    /// - [`TrainError::OtherTeacher`]: it was distilled from another teacher before.
    pub fn restore(&mut self, checkpoint: Checkpoint, folder: &Path) -> Result<(), TrainError> {
        let Checkpoint { weights, averages, method, optimizer, state, .. } = checkpoint;
        if let Some(before) = recipe_of(&state, folder)? {
            refuse_other(&before, &self.recipe)?;
        }
        if let (Some(was), Some(is)) = (&state.teacher, &self.state.teacher)
            && was != is
        {
            return Err(TrainError::OtherTeacher { was: was.clone(), is: is.clone() });
        }
        let bad_images = self.known_again(&state)?;
        self.student = self.student.with_weights(weights);
        self.method.restore(method, &self.student);
        // Their settings are the recipe's, whose text keeps every digit of a rate.
        for (own, saved) in self.averages.iter_mut().zip(averages) {
            own.weights = saved.weights;
        }
        self.optimizer = optimizer;
        let TrainState { recipe, data_fingerprint, teacher, tool, .. } = std::mem::take(&mut self.state);
        let teacher = teacher.or(state.teacher);
        self.batches.pass_over(&bad_images);
        self.state = TrainState {
            recipe,
            recipe_digest: None,
            data_fingerprint,
            teacher,
            bad_images,
            good_fingerprint: None,
            tool,
            ..state
        };
        Ok(())
    }

    /// Compares the data with those of a checkpoint, and returns the numbers of images that are known to be bad, and counted.
    fn known_again(&mut self, state: &TrainState) -> Result<Vec<usize>, TrainError> {
        if state.data_fingerprint == self.state.data_fingerprint {
            // The image that has ended the run was never passed over. If it is now, it is met again and told then, as one that
            // nobody knew: what takes its place is the same.
            let ended = state.good_fingerprint.is_some();
            return Ok(if ended { Vec::new() } else { state.bad_images.clone() });
        }
        let other = || TrainError::OtherData { source_name: self.recipe.data.source.clone() };
        let good = state.good_fingerprint.as_ref().ok_or_else(other)?;
        let n_bad = state.bad_images.len();
        let (replaced, removed) = if self.data().fingerprint_without(&state.bad_images) == *good {
            (n_bad, 0)
        } else if self.data().fingerprint_without(&[]) == *good {
            (0, n_bad)
        } else {
            return Err(other());
        };
        self.news.push(Event::Repaired { replaced, removed });
        Ok(Vec::new())
    }

    /// Notes that an image cannot be read and that the run ends for it: a set in which it was replaced or removed will be known
    /// again.
    pub(in crate::train) fn ends_for(&mut self, index: usize) {
        let bad = &mut self.state.bad_images;
        bad.push(index);
        bad.sort_unstable();
        bad.dedup();
        let bad = bad.clone();
        self.state.good_fingerprint = Some(self.data().fingerprint_without(&bad));
    }
}

/// The recipe that a checkpoint of the run in `folder` was made with; none where an earlier version has written it.
pub(in crate::train) fn recipe_of(state: &TrainState, folder: &Path) -> Result<Option<Recipe>, TrainError> {
    let read = |text: &String| Draft::read(text, &[])?.as_it_stands();
    let recipe = state.recipe.as_ref().map(read).transpose();
    recipe.map_err(|reason| TrainError::UnreadableState { folder: folder.into(), reason: reason.to_string() })
}
