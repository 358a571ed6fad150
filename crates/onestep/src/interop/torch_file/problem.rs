//! What is wrong with a file, before it is known which.

use crate::file::EARLY;
use crate::interop::WeightsFileError;

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Problem {
    /// It asks for what weights have no need of.
    Hostile(String),
    /// It contradicts itself, or ends too early.
    Broken(String),
    /// It is of another kind.
    Other(String),
}

impl Problem {
    /// What the machine says of a pickle: what is not there any more was lost, all else is asked for.
    pub(super) fn of_pickle(reason: String) -> Self {
        match reason.as_str() {
            EARLY => Self::Broken(format!("its pickle {}", EARLY.trim_start_matches("it "))),
            _ => Self::Hostile(reason),
        }
    }

    /// The error of a file of this name.
    pub(super) fn of(self, name: &str) -> WeightsFileError {
        let name = name.to_owned();
        match self {
            Self::Hostile(reason) => WeightsFileError::Refused { name, reason },
            Self::Broken(reason) => WeightsFileError::Damaged { name, reason },
            Self::Other(reason) => WeightsFileError::Unsupported { name, reason },
        }
    }

    /// What is wrong, whatever kind of thing it is.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Hostile(reason) | Self::Broken(reason) | Self::Other(reason) => reason,
        }
    }
}
