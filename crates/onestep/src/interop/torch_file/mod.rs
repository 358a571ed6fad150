//! What `torch.save` writes: a zip with one pickle and the memory of the tensors, or, before 2020, a row of pickles.

mod legacy;
mod pickle;
mod views;
mod zip;

pub(super) use legacy::{LEGACY_MAGIC, read_legacy};
use pickle::Problem;
pub(super) use zip::TorchZip;

use super::WeightsFileError;

const BIG_ENDIAN: &str = "its numbers are big endian, which is not read";

impl Problem {
    /// The error of a file of this name.
    fn of(self, name: &str) -> WeightsFileError {
        let name = name.to_owned();
        match self {
            Self::Hostile(reason) => WeightsFileError::Refused { name, reason },
            Self::Broken(reason) => WeightsFileError::Damaged { name, reason },
            Self::Other(reason) => WeightsFileError::Unsupported { name, reason },
        }
    }
}

fn broken(reason: impl Into<String>) -> Problem {
    Problem::Broken(reason.into())
}
