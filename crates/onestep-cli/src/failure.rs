//! How the command fails: message, causes, hints, exit code.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use onestep::Error;
use onestep::checkpoint::ErrorClass;
use onestep::data::DataError;
use onestep::eval::EvalError;
use onestep::train::{RecipeError, TrainError};

/// Exit codes, one meaning each.
pub mod code {
    /// Wrong arguments.
    pub const USAGE: u8 = 2;
    /// A bad data or model file.
    pub const DATA: u8 = 65;
    /// A bug.
    pub const INTERNAL: u8 = 70;
    /// Something cannot be created: disk full, no permission, in use.
    pub const CANNOT_CREATE: u8 = 73;
    /// Reading or writing failed.
    pub const IO: u8 = 74;
    /// Stopped on request with the state saved: safe to run again.
    pub const STOPPED: u8 = 75;
}

/// An error with what to do about it.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hints: Vec<String>,
    code: u8,
}

/// What commands return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with its exit code.
    pub fn new(code: u8, message: impl std::fmt::Display) -> Self {
        Self { error: anyhow::anyhow!("{message}"), hints: Vec::new(), code }
    }

    /// Wrong arguments.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(code::USAGE, message)
    }

    /// Adds what to do instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what was being done.
    pub fn context(mut self, context: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(context);
        self
    }

    /// Prints it to stderr and returns the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            eprintln!("caused by: {cause}");
        }
        for hint in &self.hints {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, hints): (u8, Vec<String>) = match &error {
            Error::Levels(_) => (code::USAGE, vec![]),
            Error::Model(_) => (code::DATA, vec![]),
            Error::Data(DataError::Write { source, .. }) => (write_code(source), vec![]),
            Error::Data(_) | Error::Weights(_) | Error::Perceptual(_) => (code::DATA, vec![]),
            Error::Edit(_) => (code::USAGE, vec![]),
            Error::Eval(EvalError::Data(DataError::Write { source, .. })) => (write_code(source), vec![]),
            Error::Eval(eval) => match eval {
                EvalError::Setting { .. } => (code::USAGE, vec![]),
                EvalError::TooFew { .. } => (
                    code::USAGE,
                    vec!["draw more with --num-samples, or take what there is with --fewer; the number of images is printed beside the score".into()],
                ),
                _ => (code::DATA, vec![]),
            },
            Error::Recipe(recipe) => (
                code::USAGE,
                match recipe {
                    RecipeError::Unknown { .. } => vec!["`onestep recipe list` shows them all".into()],
                    _ => vec![],
                },
            ),
            Error::Checkpoint(checkpoint) => (
                match checkpoint.class() {
                    ErrorClass::BadData | ErrorClass::BadNumbers => code::DATA,
                    ErrorClass::CannotCreate | ErrorClass::Locked => code::CANNOT_CREATE,
                    _ => code::IO,
                },
                vec![],
            ),
            Error::Train(train) => match train {
                TrainError::TeacherNeeded => {
                    (code::USAGE, vec!["give the run folder of a diffusion model: --teacher runs/emoji-edm".into()])
                }
                TrainError::RecipeDiffers { .. } => (
                    code::USAGE,
                    vec!["leave the recipe out to go on with the run's own, or choose another --out".into()],
                ),
                TrainError::NotFinite { .. } => (
                    code::DATA,
                    vec!["a lower train.learning_rate, or train.clip_gradient, usually helps; the last checkpoint is intact".into()],
                ),
                _ => (code::DATA, vec![]),
            },
            _ => (code::INTERNAL, vec![]),
        };
        Self { error: error.into(), hints, code }
    }
}

/// Library errors that arrive without the crate's wrapper around them.
macro_rules! from_library {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        })*
    };
}

from_library!(
    DataError,
    EvalError,
    onestep::edit::EditError,
    onestep::model::ModelError,
    onestep::perceptual::PerceptualError,
    onestep::noise::LevelsError,
    onestep::checkpoint::CheckpointError,
    RecipeError,
    TrainError
);

/// Names the file in an I/O error.
pub fn io_failure(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(io_code(error), format!("cannot {doing} {}: {error}", path.display()))
}

fn io_code(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => code::DATA,
        ErrorKind::PermissionDenied | ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem => {
            code::CANNOT_CREATE
        }
        _ => code::IO,
    }
}

/// As [`io_code`], but what is not there, or is a folder, stands in the way of a file rather than being a bad one.
fn write_code(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        // To whoever writes, a limit is a full disk.
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge => code::CANNOT_CREATE,
        _ => io_code(error),
    }
}
