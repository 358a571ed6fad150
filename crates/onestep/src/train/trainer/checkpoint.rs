//! A trainer as a checkpoint, and back.

use std::path::Path;

use super::Trainer;
use crate::TOOL;
use crate::checkpoint::{Format, ModelHeader};
use crate::train::{Checkpoint, TrainError};

impl Trainer {
    /// Everything that has to be saved to go on exactly from here.
    pub fn checkpoint(&self) -> Checkpoint {
        let (recipe, noise) = (&self.recipe, &self.recipe.noise);
        Checkpoint {
            header: ModelHeader {
                format: Format,
                architecture: recipe.network.clone(),
                preconditioning: recipe.preconditioning(),
                kind: recipe.kind(),
                sigma_min: noise.sigma_min,
                sigma_max: noise.sigma_max,
                sigma_data: noise.sigma_data,
                rho: noise.rho,
                class_names: match self.student.network().n_classes() {
                    Some(_) => self.data().class_names().to_vec(),
                    None => Vec::new(),
                },
                method: recipe.method().into(),
                data: recipe.data.source.clone(),
                images_seen: self.state.images_seen,
                step: self.state.step,
                tool: TOOL.into(),
                // The recipe has been checked, its levels with it.
                sampling_levels: recipe
                    .sampling_levels(self.state.step)
                    .ok()
                    .flatten()
                    .map(|levels| levels.as_slice().to_vec()),
                task_levels: Default::default(),
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
