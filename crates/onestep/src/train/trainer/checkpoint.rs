//! A trainer as a checkpoint, and back.

use std::path::Path;

use super::Trainer;
use crate::checkpoint::ModelHeader;
use crate::train::{Checkpoint, TrainError};

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
    /// [`TrainError::RecipeDiffers`] and [`TrainError::OtherData`] where the recipe or the data are not those of the
    /// checkpoint.
    pub fn restore(&mut self, checkpoint: Checkpoint, folder: &Path) -> Result<(), TrainError> {
        let Checkpoint { header, weights, averages, method, optimizer, state } = checkpoint;
        if header.architecture != self.recipe.network || state.recipe_digest != self.state.recipe_digest {
            return Err(TrainError::RecipeDiffers { folder: folder.into() });
        }
        if state.data_fingerprint != self.state.data_fingerprint {
            return Err(TrainError::OtherData { source_name: self.recipe.data.source.clone() });
        }
        self.student = self.student.with_weights(weights);
        self.method.restore(method, &self.student);
        // Their settings are the recipe's, whose text keeps every digit of a rate.
        for (own, saved) in self.averages.iter_mut().zip(averages) {
            own.weights = saved.weights;
        }
        self.optimizer = optimizer;
        self.state = state;
        Ok(())
    }
}
