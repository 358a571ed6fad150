//! The zip of `torch.save` and of TorchScript: one pickle, and each piece of memory as an entry.

use std::fs::File;

use super::archive::Archive;
use super::contents::Contents;
use super::memory::Memory;
use super::pickle::Torch;
use super::problem::Problem;
use super::zip_kind::other_zip;
use super::{BIG_ENDIAN, broken};
use crate::file::Input;
use crate::pickle::{Limits, Machine};

/// Pickles of the largest real models have some hundred kilobytes, those of EDM, with the source of each class, a few more.
const MAX_PICKLE: u64 = 64 << 20;

/// Reads what the zip says of its tensors.
pub(super) fn open(file: File) -> Result<(Memory, Contents), Problem> {
    let mut archive = Archive::open(file)?;
    let pickles: Vec<String> =
        archive.names().filter(|name| is_main_pickle(name)).map(str::to_owned).collect();
    let [pickle] = &pickles[..] else {
        return Err(match pickles.len() {
            0 => Problem::Other(other_zip(archive.names())),
            n => broken(format!("it has {n} entries that could be its `data.pkl`")),
        });
    };
    let folder = pickle.strip_suffix("data.pkl").expect("chosen by it").to_owned();
    if let Some(order) = archive.read_optional(&format!("{folder}byteorder"), 16)?
        && order != b"little"
    {
        return Err(Problem::Other(BIG_ENDIAN.into()));
    }
    let bytes = archive.read(pickle, MAX_PICKLE)?;
    let mut machine = Machine::<Torch>::new(Input::memory(&bytes), Limits::FILE);
    let root = machine.run().map_err(Problem::of_pickle)?;
    let contents = Contents::of(&machine, root)?;
    Ok((Memory::Zip { archive, folder }, contents))
}

/// `data.pkl` in the one folder of the archive.
fn is_main_pickle(name: &str) -> bool {
    name.strip_suffix("data.pkl").is_some_and(|folder| {
        folder.is_empty() || folder.strip_suffix('/').is_some_and(|folder| !folder.contains('/'))
    })
}
