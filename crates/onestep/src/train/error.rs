//! What is wrong with a recipe, and what can stop a run.

use std::path::PathBuf;

/// A recipe that contradicts itself or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The text is not TOML, or has missing, misspelt or mistyped keys.
    #[error("the recipe cannot be read: {message}")]
    Parse {
        /// What the parser says, with the line.
        message: String,
    },
    /// `--set` names a place that does not exist or is not a table.
    #[error("`{setting}` cannot be set: {reason}")]
    Setting {
        /// The setting as given.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that makes no sense, alone or beside another.
    #[error("recipe: `{key}` {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with its value, and what would be right.
        reason: String,
    },
    /// No built-in recipe of this name.
    #[error("there is no built-in recipe `{name}`")]
    Unknown {
        /// The name given.
        name: String,
    },
}

/// A training run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
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
    /// The teacher that the recipe names cannot be opened.
    #[error("the teacher {}", path.display())]
    Teacher {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: Box<crate::Error>,
    },
    /// A network of the program's own was given to a recipe that names one of the library's.
    #[error(
        "a network was given, and the recipe names one of the library's: set its `network` to `Architecture::Custom`"
    )]
    NetworkDiffers,
    /// A distance was given that is not the recipe's.
    #[error("a distance was given that is not the one that the recipe names: set its `objective.distance`")]
    DistanceDiffers,
    /// A folder without a run was to be continued.
    #[error("{} holds no run to resume", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// The recipe in the folder of a run cannot be read.
    #[error("cannot read the recipe {}: {reason}", path.display())]
    UnreadableRecipe {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
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
