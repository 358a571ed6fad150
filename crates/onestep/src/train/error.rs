//! What can stop a training run.

use std::path::PathBuf;

/// A training run that cannot start or go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Distillation, or a start from a teacher, without one.
    #[error("this recipe needs a teacher, and none was given")]
    TeacherNeeded,
    /// The teacher is another kind of model.
    #[error("the teacher does not fit this recipe: {reason}")]
    TeacherDiffers {
        /// What differs.
        reason: String,
    },
    /// Network and data do not fit together.
    #[error("data and network do not fit together: {reason}")]
    DataDiffers {
        /// What differs.
        reason: String,
    },
    /// The checkpoint was made with another recipe.
    #[error("the checkpoint in {} was trained with another recipe", folder.display())]
    RecipeDiffers {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The checkpoint was made on other images.
    #[error("the data at {source_name} are not those the run was trained on before")]
    OtherData {
        /// Where the data come from.
        source_name: String,
    },
    /// Three updates in a row had a loss or a gradient that is not finite.
    #[error(
        "loss or gradient was not finite {n} steps in a row, up to step {step} (noise levels {sigma_low:.4} to {sigma_high:.4})"
    )]
    NotFinite {
        /// The last of these steps.
        step: u64,
        /// Lowest noise level of its batch.
        sigma_low: f64,
        /// Highest noise level of its batch.
        sigma_high: f64,
        /// How many in a row.
        n: u64,
    },
}
