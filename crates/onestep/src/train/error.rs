//! What is wrong with a recipe, and what can stop a run.

use std::path::PathBuf;

use super::change::{Change, SchedulePoint};

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
    /// The data decide a part of the recipe, and cannot be asked.
    #[error("the recipe leaves {keys} to its data, and they cannot be opened")]
    Open {
        /// What is left to them.
        keys: String,
        /// Why they cannot be opened.
        #[source]
        reason: Box<crate::data::DataError>,
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
    /// A new run would write over what no run has made.
    #[error("{} is there already, and no run has made it; a run in this folder would write over it", path.display())]
    InTheWay {
        /// The file or folder.
        path: PathBuf,
    },
    /// A new run would lie in its own data.
    #[error(
        "the run's folder {} would lie in its data, {source_name}: its previews would become images to train on",
        folder.display()
    )]
    AmongData {
        /// The run's folder.
        folder: PathBuf,
        /// Where the data come from.
        source_name: String,
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
    /// The run was trained with another recipe, in what must stay as it was.
    #[error("a run goes on with the recipe it was begun with: {}", listed(changes))]
    RecipeDiffers {
        /// Every key that must stay as it was.
        changes: Vec<Change>,
    },
    /// What a checkpoint says of its recipe cannot be read.
    #[error("the recipe of the checkpoint in {} cannot be read: {reason}", folder.display())]
    UnreadableState {
        /// The run's folder.
        folder: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// More updates are done than the recipe asks for.
    #[error("the run has done {done} steps, and `train.steps` asks for {asked} in all")]
    FewerSteps {
        /// The steps asked for.
        asked: u64,
        /// The steps done.
        done: u64,
    },
    /// The run gets another length, its schedules span it, and nobody says what becomes of them.
    #[error(
        "`train.steps` was {from} and is now {to}, and the schedules span the run. Its last step had {now}. \
         Stretched over {to} steps they go on at {stretched}; ended after {from}, they go on at {ended}"
    )]
    ScheduleUnclear {
        /// Length of the run before.
        from: u64,
        /// Length asked for.
        to: u64,
        /// Where the schedules were at the last update.
        now: SchedulePoint,
        /// Where they go on with [`Extend::Schedule`](super::Extend::Schedule).
        stretched: SchedulePoint,
        /// Where they go on with [`Extend::End`](super::Extend::End).
        ended: SchedulePoint,
    },
    /// The run was distilled from another teacher before.
    #[error(
        "the teacher is another one than before, or was trained further: the SHA-256 of its file was {was} and is {is}"
    )]
    OtherTeacher {
        /// SHA-256 of the teacher before.
        was: String,
        /// SHA-256 of the one given.
        is: String,
    },
    /// Images cannot be read, of which a step needs one.
    #[error("{}", match n { 1 => "an image cannot be read".into(), n => format!("{n} images cannot be read, the first of them") })]
    BadImage {
        /// How many are known.
        n: usize,
        /// The number of the first in the data.
        index: usize,
        /// Which one, and why.
        #[source]
        reason: crate::data::DataError,
    },
    /// Another rank could not read an image that this one reads.
    #[error(
        "another process could not read {source_name}, which this one reads: all of them must see the same files"
    )]
    ReadableHere {
        /// The image.
        source_name: String,
    },
    /// The run needs more memory than there is.
    #[error(
        "the run needs about {:.1} GB of memory, and {:.1} GB are there: {:.1} for weights and their copies, {:.1} for what \
         {images} images at a time leave behind",
        gigabytes(weights.saturating_add(*activations)), gigabytes(*available), gigabytes(*weights), gigabytes(*activations)
    )]
    Memory {
        /// Bytes of weights and their copies.
        weights: u64,
        /// Bytes of what the images of an update leave behind for its gradient.
        activations: u64,
        /// Images at a time.
        images: usize,
        /// Bytes that there are.
        available: u64,
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
        /// The step of the run's newest checkpoint; none where nothing is saved.
        saved: Option<u64>,
    },
}

fn listed(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}
