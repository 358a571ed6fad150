//! The zip of `torch.save` and of TorchScript: one pickle, and each piece of memory as an entry.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ::zip::ZipArchive;

use super::pickle::{Problem, described};
use super::views::{arrays, n_bytes};
use super::{BIG_ENDIAN, broken};
use crate::arrays::NamedArrays;
use crate::interop::WeightsFileError;

/// The largest real models have some thousand tensors, and pickles of some hundred kilobytes.
const MAX_ENTRIES: usize = 200_000;
const MAX_PICKLE: u64 = 64 << 20;
/// Real files are not packed; those that somebody packed do not shrink a hundredfold.
const MAX_RATIO: u64 = 100;
const RATIO_SLACK: u64 = 1 << 20;

/// Reads a zip of `torch.save` or of TorchScript.
pub(in crate::interop) fn read_zip(path: &Path) -> Result<NamedArrays, WeightsFileError> {
    let name = path.display().to_string();
    let file =
        File::open(path).map_err(|source| WeightsFileError::Read { path: path.to_path_buf(), source })?;
    read_archive(file).map_err(|problem| problem.of(&name))
}

fn read_archive(file: File) -> Result<NamedArrays, Problem> {
    let mut archive = Archive::open(file)?;
    let pickles: Vec<String> =
        archive.names().filter(|name| is_main_pickle(name)).map(str::to_owned).collect();
    let [pickle] = &pickles[..] else {
        return Err(match pickles.len() {
            0 => Problem::Other("this zip is no file of `torch.save`: it has no `data.pkl`".into()),
            n => broken(format!("it has {n} entries that could be its `data.pkl`")),
        });
    };
    let folder = pickle.strip_suffix("data.pkl").expect("chosen by it");
    if let Some(order) = archive.read_optional(&format!("{folder}byteorder"), 16)?
        && order != b"little"
    {
        return Err(Problem::Other(BIG_ENDIAN.into()));
    }
    let bytes = archive.read(pickle, MAX_PICKLE)?;
    arrays(described(&bytes)?.views, |storage| {
        let entry = format!("{folder}data/{}", storage.key);
        let expected = n_bytes(storage)?;
        let bytes = archive.read(&entry, expected as u64)?;
        if bytes.len() != expected {
            let reason = format!("`{entry}` has {} bytes, the tensors in it need {expected}", bytes.len());
            return Err(broken(reason));
        }
        Ok(bytes)
    })
}

/// `data.pkl` in the one folder of the archive.
fn is_main_pickle(name: &str) -> bool {
    name.strip_suffix("data.pkl").is_some_and(|folder| {
        folder.is_empty() || folder.strip_suffix('/').is_some_and(|folder| !folder.contains('/'))
    })
}

/// A zip whose entries are found by name.
struct Archive {
    zip: ZipArchive<BufReader<File>>,
    index: HashMap<String, usize>,
}

impl Archive {
    fn open(file: File) -> Result<Self, Problem> {
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(error.to_string()))?;
        if zip.len() > MAX_ENTRIES {
            return Err(Problem::Hostile(format!("it has {} entries, over {MAX_ENTRIES}", zip.len())));
        }
        let mut index = HashMap::new();
        for place in 0..zip.len() {
            let entry = zip.by_index_data(place).map_err(|error| broken(error.to_string()))?;
            let name = entry.name().map_err(|error| broken(error.to_string()))?.to_string();
            let allowed = entry.compressed_size().saturating_mul(MAX_RATIO).saturating_add(RATIO_SLACK);
            if entry.size() > allowed {
                return Err(Problem::Hostile(format!("`{name}` unpacks to over {MAX_RATIO} times its size")));
            } else if entry.encrypted() {
                return Err(Problem::Other("it is encrypted".into()));
            } else if index.insert(name.clone(), place).is_some() {
                return Err(Problem::Hostile(format!("two of its entries are called `{name}`")));
            }
        }
        Ok(Self { zip, index })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    fn read_optional(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Problem> {
        if self.index.contains_key(name) { self.read(name, limit).map(Some) } else { Ok(None) }
    }

    /// Unpacks an entry; size and checksum are verified.
    fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let place = *self.index.get(name).ok_or_else(|| broken(format!("`{name}` is missing in it")))?;
        let entry = self.zip.by_index(place).map_err(|error| broken(format!("`{name}`: {error}")))?;
        let size = entry.size();
        if size > limit {
            return Err(broken(format!("`{name}` has {size} bytes, {limit} at most are expected")));
        }
        let mut bytes = Vec::new();
        // One byte more than promised: it must not come, and asking for it runs the checksum.
        let read = entry.take(size + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(format!("`{name}`: {error}")))?;
        if bytes.len() as u64 != size {
            return Err(broken(format!("`{name}` has {} bytes, its header says {size}", bytes.len())));
        }
        Ok(bytes)
    }
}
