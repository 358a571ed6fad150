//! Collections as files: parts to be added up later, and references that need not be computed again.
//!
//! A safetensors file with one metadata entry `onestep`, which holds the subject and the blocks that are in. An exact sum
//! is two 64-bit words, the low one first. Equal collections give equal files.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::EvalError;
use super::collection::{Collection, Subject};
use super::fixed_point::is_plausible;
use super::moments::{Moments, triangle};
use crate::arrays::{
    Array, Element, Layout, RawArray, Rules, TensorFile, TensorFileError, Values, write_tensors,
};
use crate::data::{DataError, write_whole};
use crate::digest::Digesting;
use crate::file;

/// What the one metadata entry holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    tool: String,
    /// Tells these files from models.
    statistics: u32,
    subject: Subject,
    /// Runs of blocks that are in: first, and one past the last.
    done: Vec<[usize; 2]>,
    /// Images and blocks in each half.
    counts: Vec<[u64; 2]>,
    /// Images in each split of the Inception Score.
    split_counts: Vec<u64>,
    /// SHA-256 of all that follows the header.
    sha256: String,
}

impl Header {
    fn parse(metadata: &str) -> Result<Self, String> {
        let header: Self = serde_json::from_str(metadata).map_err(|_| NO_STATISTICS.to_owned())?;
        if header.statistics != VERSION {
            return Err(format!(
                "these statistics have the layout {}, and {VERSION} is read: collect them again",
                header.statistics
            ));
        }
        Ok(header)
    }
}

/// Version of the layout.
const VERSION: u32 = 2;

/// Exact sums, and features one by one.
const RULES: Rules = Rules { elements: &[Element::I64, Element::F32], ..Rules::OURS };

/// What is said of a file without statistics.
const NO_STATISTICS: &str = "this file holds no statistics; `onestep eval` writes them with --stats-out";

impl Collection {
    /// Writes the collection into a file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), EvalError> {
        let arrays = self.arrays();
        let digest_failed =
            |error: TensorFileError| DataError::Write { path: path.to_path_buf(), source: error.into() };
        let mut digest = Digesting::new(io::sink());
        arrays.iter().try_for_each(|array| array.write_values(&mut digest)).map_err(digest_failed)?;
        let header = Header {
            tool: crate::TOOL.into(),
            statistics: VERSION,
            subject: self.subject.clone(),
            done: runs(&self.done),
            counts: self.all_moments().map(|(_, moments)| [moments.count, moments.n_blocks]).collect(),
            split_counts: self.scores.as_ref().map(|scores| scores.counts.clone()).unwrap_or_default(),
            sha256: digest.hex(),
        };
        let write = |file: &mut dyn Write| {
            let header = serde_json::to_string(&header)?;
            Ok(write_tensors(file, &header, arrays, Layout::AsGiven)?)
        };
        Ok(write_whole(path, |file| write(file))?)
    }

    /// Whether a file holds a collection, by its beginning.
    pub fn is_in(path: &Path) -> bool {
        let start = file::open(path).and_then(|file| {
            let mut start = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(file, 4096), &mut start)?;
            Ok(start)
        });
        // The version stands near the front of the header, which is text inside text.
        start.is_ok_and(|start| String::from_utf8_lossy(&start).contains(r#"\"statistics\":"#))
    }

    /// Reads a file that [`Collection::save`] wrote.
    ///
    /// # Errors
    ///
    /// [`DataError::Read`], and [`EvalError::File`] for a file that is none, is damaged, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, EvalError> {
        let read_failed = |source| DataError::Read { path: path.to_path_buf(), source };
        let file = file::open(path).map_err(read_failed)?;
        let length = file.metadata().map_err(read_failed)?.len();
        let bad = |reason| EvalError::File { path: path.to_path_buf(), reason };
        let named = |error| match error {
            TensorFileError::Io(source) => read_failed(source).into(),
            TensorFileError::Foreign { what } => bad(what.to_owned()),
            TensorFileError::NotOurs
            | TensorFileError::BadHeader { .. }
            | TensorFileError::HeaderTooLarge { .. } => bad(NO_STATISTICS.to_owned()),
            damage => bad(format!("the file is damaged ({damage})")),
        };
        let file = TensorFile::open(file, length, RULES).map_err(named)?;
        let header = Header::parse(file.metadata()).map_err(bad)?;
        restored(header, file.read_raw().map_err(named)?).map_err(bad)
    }

    /// The moments by name, in the order of the header's counts.
    fn all_moments(&self) -> impl Iterator<Item = (String, &Moments)> {
        let halves = ["even", "odd"];
        let pooled =
            self.pooled.iter().zip(halves).map(|(moments, half)| (format!("pooled.{half}"), moments));
        let spatial = self.spatial.iter().flatten().zip(halves);
        pooled.chain(spatial.map(|(moments, half)| (format!("spatial.{half}"), moments)))
    }

    fn arrays(&self) -> Vec<Array<'_>> {
        let mut arrays = Vec::new();
        let mut sums = |name: String, shape: &[usize], values| {
            let shape = [shape, &[2]].concat();
            arrays.push(Array { name, shape, values: Values::Words(values) });
        };
        for (name, moments) in self.all_moments() {
            sums(format!("{name}.sums"), &[moments.width], &moments.sums);
            sums(format!("{name}.products"), &[triangle(moments.width)], &moments.products);
        }
        if let Some(scores) = &self.scores {
            sums("scores.information".into(), &[scores.counts.len()], &scores.information);
            let shape = [scores.counts.len(), scores.n_classes];
            sums("scores.probabilities".into(), &shape, &scores.probabilities);
        }
        if self.subject.kept > 0 {
            let rows: Vec<&[f32]> = self.kept.values().map(Vec::as_slice).collect();
            let n = rows.iter().map(|rows| rows.len()).sum::<usize>() / self.subject.pooled;
            let shape = vec![n, self.subject.pooled];
            arrays.push(Array { name: "kept".into(), shape, values: Values::Rows(rows) });
        }
        arrays
    }
}

/// The arrays of a file by name, each to be taken once.
struct Arrays(BTreeMap<String, RawArray>);

impl Arrays {
    fn get(&self, name: &str) -> Result<&RawArray, String> {
        self.0.get(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    fn take(&mut self, name: &str) -> Result<RawArray, String> {
        self.0.remove(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// Moves exact sums into their place.
    fn sums(&mut self, name: &str, into: &mut [i128], n_addends: u64) -> Result<(), String> {
        let RawArray { element, bytes, .. } = self.take(name)?;
        if element != Element::I64 || bytes.len() != 16 * into.len() {
            return Err(format!("`{name}` has another size or type than its place"));
        }
        for (sum, words) in into.iter_mut().zip(bytes.as_chunks::<16>().0) {
            *sum = i128::from_le_bytes(*words);
            if !is_plausible(*sum, n_addends) {
                return Err(format!("`{name}` holds a sum that no images have"));
            }
        }
        Ok(())
    }
}

/// The collection that a file's header and arrays, in the order of the file, tell of.
fn restored(header: Header, arrays: Vec<RawArray>) -> Result<Collection, String> {
    let mut digest = Digesting::new(io::sink());
    let digested = arrays.iter().try_for_each(|array| digest.write_all(&array.bytes));
    if digested.is_err() || digest.hex() != header.sha256 {
        return Err("the file is damaged: its numbers are not those that were written".into());
    }
    let mut arrays = Arrays(arrays.into_iter().map(|array| (array.name.clone(), array)).collect());
    // Before anything is made as large as the header says, the file must hold as much.
    let pooled = &arrays.get("pooled.even.sums")?.shape;
    if *pooled != [header.subject.pooled as u64, 2] || header.subject.kept > header.subject.n {
        return Err("the header contradicts the statistics".into());
    }
    for (width, name) in
        [(header.subject.spatial, "spatial.even.sums"), (header.subject.logits, "scores.probabilities")]
    {
        let found = width.map(|_| arrays.get(name)).transpose()?;
        let found = found.and_then(|found| found.shape.iter().rev().nth(1).copied());
        if found != width.map(|width| width as u64) {
            return Err("the header contradicts the statistics".into());
        }
    }
    let mut collection = Collection::new(header.subject).map_err(|error| error.to_string())?;
    for [first, end] in header.done {
        let run = collection.done.get_mut(first..end).ok_or("its blocks are not those of its images")?;
        run.fill(true);
    }
    fill(&mut collection, &mut arrays, &header.counts, &header.split_counts)?;
    Ok(collection)
}

/// Reads all arrays into their places.
fn fill(
    collection: &mut Collection,
    arrays: &mut Arrays,
    counts: &[[u64; 2]],
    split_counts: &[u64],
) -> Result<(), String> {
    let expected: u64 = collection.n_done() as u64;
    let n_blocks = collection.done.iter().filter(|done| **done).count() as u64;
    let names: Vec<String> = collection.all_moments().map(|(name, _)| name).collect();
    let all = collection.pooled.iter_mut().chain(collection.spatial.iter_mut().flatten());
    if counts.len() != names.len() || counts.chunks(2).any(|halves| halves[0][0] + halves[1][0] != expected) {
        return Err("its counts are not those of its blocks".into());
    }
    for ((moments, name), &[count, blocks]) in all.zip(&names).zip(counts) {
        // A block of a single image has no odd one.
        if count > expected || blocks > n_blocks {
            return Err(format!("`{name}` has other counts than its blocks"));
        }
        (moments.count, moments.n_blocks) = (count, blocks);
        arrays.sums(&format!("{name}.sums"), &mut moments.sums, blocks)?;
        arrays.sums(&format!("{name}.products"), &mut moments.products, blocks)?;
    }
    if let Some(scores) = &mut collection.scores {
        if split_counts.len() != scores.counts.len() || split_counts.iter().sum::<u64>() != expected {
            return Err("its splits are not those of its images".into());
        }
        scores.counts.copy_from_slice(split_counts);
        arrays.sums("scores.information", &mut scores.information, n_blocks)?;
        arrays.sums("scores.probabilities", &mut scores.probabilities, n_blocks)?;
    }
    if collection.subject.kept > 0 {
        fill_kept(collection, arrays)?;
    }
    match arrays.0.keys().next() {
        Some(name) => Err(format!("`{name}` belongs to no statistics")),
        None => Ok(()),
    }
}

fn fill_kept(collection: &mut Collection, arrays: &mut Arrays) -> Result<(), String> {
    let RawArray { element, bytes, .. } = arrays.take("kept")?;
    let width = collection.subject.pooled;
    if element != Element::F32 {
        return Err("`kept` is not F32".into());
    }
    let values = element.values(&bytes);
    if !values.iter().all(|value| value.is_finite()) {
        return Err("`kept` holds a number that is not finite".into());
    }
    let mut rest = values.as_slice();
    for block in (0..collection.done.len()).filter(|&block| collection.done[block]) {
        let n_kept = collection.kept_of(block).iter().filter(|kept| **kept).count();
        let (rows, others) = rest.split_at_checked(n_kept * width).ok_or("`kept` is too short")?;
        if n_kept > 0 {
            collection.kept.insert(block, rows.to_vec());
        }
        rest = others;
    }
    if rest.is_empty() { Ok(()) } else { Err("`kept` is too long".into()) }
}

/// Runs of true, as first and one past the last.
fn runs(done: &[bool]) -> Vec<[usize; 2]> {
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for block in (0..done.len()).filter(|&block| done[block]) {
        match runs.last_mut().filter(|run| run[1] == block) {
            Some(run) => run[1] = block + 1,
            None => runs.push([block, block + 1]),
        }
    }
    runs
}
