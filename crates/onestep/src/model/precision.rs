//! The arithmetic of a network's products, by name.

use onestep_kernels::Precision;
use serde::{Deserialize, Serialize};

/// [`Precision`] as it is written into files.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "lowercase")]
pub(crate) enum PrecisionName {
    F32,
    Bf16,
}
