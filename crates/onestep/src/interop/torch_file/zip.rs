//! The zip of `torch.save` and of TorchScript: one pickle, and each piece of memory as an entry.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ::zip::ZipArchive;

use super::pickle::{Problem, Storage, described};
use super::views::{Views, gather, n_bytes};
use super::{BIG_ENDIAN, broken};
use crate::interop::WeightsFileError;
use crate::interop::array_file::{ArrayFile, absent, finite};

/// The largest real models have some thousand tensors, and pickles of some hundred kilobytes.
const MAX_ENTRIES: usize = 200_000;
const MAX_PICKLE: u64 = 64 << 20;
/// Real files are not packed; those that somebody packed do not shrink a hundredfold.
const MAX_RATIO: u64 = 100;
const RATIO_SLACK: u64 = 1 << 20;

/// A zip of `torch.save` or of TorchScript.
#[derive(Debug)]
pub(in crate::interop) struct TorchZip {
    name: String,
    archive: Archive,
    /// The one folder of the archive, with a slash.
    folder: String,
    views: Views,
    shapes: BTreeMap<String, Vec<usize>>,
    /// The memory that was read last, for tensors that share it.
    last: Option<(String, Vec<f32>)>,
}

impl TorchZip {
    /// Reads what the zip says of its tensors; their memory must be there, in its full length.
    pub(in crate::interop) fn open(path: &Path) -> Result<Self, WeightsFileError> {
        let name = path.display().to_string();
        let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(failed)?;
        Self::of_archive(file, &name).map_err(|problem| problem.of(&name))
    }

    fn of_archive(file: File, name: &str) -> Result<Self, Problem> {
        let mut archive = Archive::open(file)?;
        let pickles: Vec<String> =
            archive.names().filter(|name| is_main_pickle(name)).map(str::to_owned).collect();
        let [pickle] = &pickles[..] else {
            return Err(match pickles.len() {
                0 => Problem::Other("this zip is no file of `torch.save`: it has no `data.pkl`".into()),
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
        let views = Views::new(described(&bytes)?.views)?;
        let shapes = views.shapes();
        // A piece that is missing is told before the first value is asked for.
        for storage in shapes.keys().filter_map(|name| views.get(name)).map(|view| &view.storage) {
            let (entry, expected) = (entry_of(&folder, storage), n_bytes(storage)? as u64);
            let size = archive.size(&entry)?;
            if size != expected {
                return Err(broken(format!("`{entry}` has {size} bytes, the tensors in it need {expected}")));
            }
        }
        Ok(Self { name: name.to_owned(), archive, folder, views, shapes, last: None })
    }

    fn values(&mut self, name: &str) -> Result<Option<Vec<f32>>, Problem> {
        let Some(view) = self.views.get(name) else { return Ok(None) };
        let key = &view.storage.key;
        let values = match self.last.take() {
            Some((last, values)) if last == *key => values,
            _ => {
                let entry = entry_of(&self.folder, &view.storage);
                let bytes = self.archive.read(&entry, n_bytes(&view.storage)? as u64)?;
                view.storage.element.values(&bytes)
            }
        };
        if view.is_whole() {
            return Ok(Some(values));
        }
        let gathered = gather(view, &values);
        self.last = Some((key.clone(), values));
        Ok(Some(gathered))
    }
}

impl ArrayFile for TorchZip {
    fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        let values = self.values(name).map_err(|problem| problem.of(&self.name))?;
        finite(&self.name, name, values.ok_or_else(|| absent(&self.name, name))?)
    }
}

/// The entry that a piece of memory lies in.
fn entry_of(folder: &str, storage: &Storage) -> String {
    format!("{folder}data/{}", storage.key)
}

/// `data.pkl` in the one folder of the archive.
fn is_main_pickle(name: &str) -> bool {
    name.strip_suffix("data.pkl").is_some_and(|folder| {
        folder.is_empty() || folder.strip_suffix('/').is_some_and(|folder| !folder.contains('/'))
    })
}

/// A zip whose entries are found by name.
#[derive(Debug)]
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

    /// Unpacked size of an entry, as the archive claims it.
    fn size(&self, name: &str) -> Result<u64, Problem> {
        let place = *self.index.get(name).ok_or_else(|| broken(format!("`{name}` is missing in it")))?;
        let entry = self.zip.by_index_data(place).map_err(|error| broken(error.to_string()))?;
        Ok(entry.size())
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
