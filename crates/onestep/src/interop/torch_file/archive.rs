//! A zip whose entries are found by name, none of which is believed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};

use ::zip::ZipArchive;

use super::broken;
use super::problem::Problem;
use crate::file::open_zip;

/// The largest real models have some thousand tensors.
const MAX_ENTRIES: usize = 200_000;
/// Real files are not packed; those that somebody packed do not shrink a hundredfold.
const MAX_RATIO: u64 = 100;
const RATIO_SLACK: u64 = 1 << 20;

/// A zip whose entries are found by name.
#[derive(Debug)]
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    index: HashMap<String, usize>,
}

impl Archive {
    /// Reads the list of entries and checks their sizes and names.
    pub(super) fn open(file: File) -> Result<Self, Problem> {
        let zip = open_zip(BufReader::new(file))
            .map_err(|error| broken(format!("this zip archive is damaged or cut short ({error})")))?;
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
    pub(super) fn size(&self, name: &str) -> Result<u64, Problem> {
        let place = *self.index.get(name).ok_or_else(|| broken(format!("`{name}` is missing in it")))?;
        let entry = self.zip.by_index_data(place).map_err(|error| broken(error.to_string()))?;
        Ok(entry.size())
    }

    /// The names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Unpacks an entry that may be absent.
    pub(super) fn read_optional(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Problem> {
        if self.index.contains_key(name) { self.read(name, limit).map(Some) } else { Ok(None) }
    }

    /// Unpacks an entry; size and checksum are verified.
    pub(super) fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
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
