//! What PyTorch writes: a zip with one pickle and the memory of the tensors, before 2020 a row of pickles, and pickles of Python
//! with tensors in them.

mod archive;
mod contents;
mod legacy;
mod memory;
mod network;
mod open;
mod pickle;
mod problem;
mod views;
mod zip;
mod zip_kind;

pub(super) use legacy::LEGACY_MAGIC;
pub(super) use open::TorchFile;
use problem::Problem;

const BIG_ENDIAN: &str = "its numbers are big endian, which is not read";

fn broken(reason: impl Into<String>) -> Problem {
    Problem::Broken(reason.into())
}
