//! What `torch.save` writes: a zip with one pickle and the memory of the tensors, or, before 2020, a row of pickles.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ::zip::ZipArchive;

use super::torch_pickle::{Described, Problem, Storage, View, described};
use super::{NamedArrays, WeightsFileError};
use crate::pickle::{Dialect, Id, Machine, Node, NodeOf};

/// What an old file begins with: a pickle of the number 0x1950a86a20f9469cfc6c.
pub(super) const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The largest real models have some thousand tensors, and pickles of some hundred kilobytes.
const MAX_ENTRIES: usize = 200_000;
const MAX_PICKLE: u64 = 64 << 20;
/// Real files are not packed; those that somebody packed do not shrink a hundredfold.
const MAX_RATIO: u64 = 100;
const RATIO_SLACK: u64 = 1 << 20;

const BIG_ENDIAN: &str = "its numbers are big endian, which is not read";

impl Problem {
    pub(super) fn of(self, name: &str) -> WeightsFileError {
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

/// Reads a zip of `torch.save` or of TorchScript.
pub(super) fn read_zip(path: &Path) -> Result<NamedArrays, WeightsFileError> {
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

fn n_bytes(storage: &Storage) -> Result<usize, Problem> {
    let Storage { key, element, length } = storage;
    let n_bytes = length.checked_mul(element.size());
    n_bytes.ok_or_else(|| broken(format!("memory `{key}` of {length} numbers is larger than any file")))
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

/// Reads a file from before 2020: magic, version, machine, the tensors, the order of their memory, and the memory.
pub(super) fn read_legacy(file: &[u8]) -> Result<NamedArrays, Problem> {
    let rest = file.strip_prefix(LEGACY_MAGIC).ok_or_else(|| broken("it does not begin as such files do"))?;
    let (_version, rest) = plain(rest)?;
    let (machine, rest) = plain(rest)?;
    if machine.big_endian {
        return Err(Problem::Other(BIG_ENDIAN.into()));
    }
    let Described { views, storages, rest } = described(rest)?;
    let (order, mut rest) = plain(rest)?;
    let sizes: HashMap<&str, &Storage> =
        storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    let mut memory: HashMap<&str, &[u8]> = HashMap::new();
    for key in &order.texts {
        let ends = || broken(format!("it ends before the memory `{key}`"));
        let (length, after) = rest.split_first_chunk::<8>().ok_or_else(ends)?;
        let storage =
            sizes.get(key.as_str()).ok_or_else(|| broken(format!("no tensor lies in memory `{key}`")))?;
        if u64::from_le_bytes(*length) != storage.length as u64 {
            let length = u64::from_le_bytes(*length);
            return Err(broken(format!("memory `{key}` has {length} numbers, not {}", storage.length)));
        }
        let (bytes, after) = after.split_at_checked(n_bytes(storage)?).ok_or_else(ends)?;
        memory.insert(key, bytes);
        rest = after;
    }
    arrays(views, |storage| {
        let bytes = memory.get(storage.key.as_str());
        bytes
            .map(|bytes| bytes.to_vec())
            .ok_or_else(|| broken(format!("memory `{}` is missing in it", storage.key)))
    })
}

/// What the small pickles of an old file say.
struct Plain {
    /// The texts of a list.
    texts: Vec<String>,
    /// Whether a dictionary says so.
    big_endian: bool,
}

/// The dialect of plain values: no names at all.
#[derive(Debug)]
struct Values;

impl Dialect for Values {
    type Name = ();
    type Object = ();

    fn find(_: &str, _: &str) -> Option<()> {
        None
    }

    fn call(_: &mut Machine<'_, Self>, (): (), _: &[Id]) -> Result<NodeOf<Self>, String> {
        Err("it calls a function".to_owned())
    }

    fn set_state(_: &mut Machine<'_, Self>, _: Id, _: Id) -> Result<(), String> {
        Err("it gives a state to something that has none".to_owned())
    }
}

fn plain(pickle: &[u8]) -> Result<(Plain, &[u8]), Problem> {
    let mut machine = Machine::<Values>::new(pickle);
    let root = machine.run().map_err(Problem::Hostile)?;
    let text = |id: Id| match &machine.nodes[id] {
        Node::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    };
    let texts = machine.sequence(root).unwrap_or_default().iter().filter_map(|&id| text(id)).collect();
    let big_endian = matches!(&machine.nodes[root], Node::Dict(entries) if entries.iter().any(|&(key, value)| {
        text(key).as_deref() == Some("little_endian") && matches!(machine.nodes[value], Node::Bool(false))
    }));
    Ok((Plain { texts, big_endian }, machine.rest()))
}

/// The arrays of views into memory that `read` gets, one piece at a time.
fn arrays(
    views: Vec<(String, View)>,
    mut read: impl FnMut(&Storage) -> Result<Vec<u8>, Problem>,
) -> Result<NamedArrays, Problem> {
    let mut by_storage: BTreeMap<String, Vec<(String, View)>> = BTreeMap::new();
    for (name, view) in views {
        by_storage.entry(view.storage.key.clone()).or_default().push((name, view));
    }
    let mut named = NamedArrays::new();
    for (key, views) in by_storage {
        let storage = views[0].1.storage.clone();
        // Tied weights show the same numbers twice; no model shows them a dozen times.
        let mut shown = storage.length.saturating_mul(16).saturating_add(1024);
        for (name, view) in &views {
            if view.storage != storage {
                return Err(broken(format!("memory `{key}` has two types or lengths")));
            }
            let n_values = check(view).map_err(|reason| broken(format!("tensor `{name}` {reason}")))?;
            shown = shown
                .checked_sub(n_values)
                .ok_or_else(|| Problem::Hostile(format!("tensors show memory `{key}` over and over")))?;
        }
        let values = storage.element.values(&read(&storage)?);
        for (name, view) in views {
            let gathered = gather(&view, &values);
            if named.insert(name.clone(), (view.shape, gathered)).is_some() {
                return Err(broken(format!("it has two tensors called `{name}`")));
            }
        }
    }
    Ok(named)
}

/// The number of values of a view that lies in its memory.
fn check(view: &View) -> Result<usize, String> {
    let View { storage, offset, shape, strides } = view;
    let n_values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    let n_values = n_values.ok_or_else(|| format!("has the impossible shape {shape:?}"))?;
    if n_values == 0 {
        return Ok(0);
    }
    let reach = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |reach, (&extent, &stride)| reach.checked_add((extent - 1).checked_mul(stride)?));
    if n_values > storage.length || reach.is_none_or(|reach| reach >= storage.length) {
        return Err(format!(
            "of shape {shape:?} with strides {strides:?} from {offset} on does not fit its memory of {} numbers",
            storage.length
        ));
    }
    Ok(n_values)
}

/// The values of a view that [`check`] has let pass, in row-major order.
fn gather(view: &View, values: &[f32]) -> Vec<f32> {
    let View { offset, shape, strides, .. } = view;
    let n_values: usize = shape.iter().product();
    if n_values == 0 {
        return Vec::new();
    }
    let mut gathered = Vec::with_capacity(n_values);
    let mut index = vec![0; shape.len()];
    let mut place = *offset;
    while gathered.len() < n_values {
        gathered.push(values[place]);
        // Like the wheels of a counter, the last axis fastest.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= shape[axis] * strides[axis];
            index[axis] = 0;
        }
    }
    gathered
}
