//! An npz of many samples on its way: parts that are there whole or not at all, drawn by one process or by several, and put together.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::DrawRecord;
use super::sample_folder::{Begun, RECORD, begin, begun, write_error};
use crate::Result;
use crate::data::{DataError, ImageShape, Outputs, WholeFile, named_beside, run_of};
use crate::digest::Digesting;
use crate::sample::{SampleNpz, Samples, npz_bytes};

/// Fewest samples of a part: what a kill loses at most.
const PART: usize = 512;

/// Most parts of a file: folders of more names are slow on the file systems of clusters.
const MOST_PARTS: usize = 2048;

/// The parts of a file, in a folder beside it: `samples.npz.parts` for `samples.npz`.
///
/// Each part is the bytes of its samples as they will stand in the file, with a record that names them by their digest. Parts that are
/// there are not drawn again; one that was torn or has changed is.
pub(super) struct SampleParts {
    record: DrawRecord,
    shape: ImageShape,
    path: PathBuf,
    folder: PathBuf,
    /// The parts that are drawn here.
    own: Range<usize>,
    there: Vec<bool>,
    growing: Option<Growing>,
}

/// A part that is being drawn.
struct Growing {
    part: usize,
    n: usize,
    file: WholeFile,
}

impl SampleParts {
    /// Whether an npz of so many samples is drawn in parts: a large one, and one of which some are there.
    pub(super) fn are_for(n: usize, path: &Path) -> bool {
        n > PART || Self::folder_of(path).join(RECORD).exists()
    }

    /// Where the parts of a file are.
    pub(super) fn folder_of(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".parts");
        path.with_file_name(name)
    }

    /// Finds the parts that are there, of those that are to be drawn here: all, or those of one of several shards.
    pub(super) fn open(
        record: &DrawRecord,
        shape: ImageShape,
        path: &Path,
        outputs: &Outputs,
        shard: Option<(usize, usize)>,
    ) -> Result<Self> {
        let folder = Self::folder_of(path);
        let found = begun(record, &folder, outputs, shard.is_some())?;
        if let Begun::Another(old) = &found {
            remove(&folder, old.seeds.len())?;
        }
        if !matches!(found, Begun::This) {
            fs::create_dir_all(&folder).map_err(|source| write_error(&folder, source))?;
            begin(record, &folder.join(RECORD))?;
        }
        let n_parts = n_parts(record.seeds.len());
        let (index, n_shards) = shard.unwrap_or((0, 1));
        let mut opened = Self {
            record: record.clone(),
            shape,
            path: path.to_path_buf(),
            folder,
            own: run_of(n_parts, index, n_shards),
            there: vec![false; n_parts],
            growing: None,
        };
        for part in opened.own.clone() {
            opened.there[part] = opened.is_intact(part);
        }
        Ok(opened)
    }

    /// How many samples are to be drawn here.
    pub(super) fn n_own(&self) -> usize {
        self.own.clone().map(|part| self.samples(part).len()).sum()
    }

    /// How many of them are there.
    pub(super) fn n_there(&self) -> usize {
        self.own.clone().filter(|&part| self.there[part]).map(|part| self.samples(part).len()).sum()
    }

    /// Whether a sample is to be drawn here and now.
    pub(super) fn wants(&self, index: usize) -> bool {
        let part = self.part(index);
        self.own.contains(&part) && !self.there[part]
    }

    /// Takes samples in their order; a part that is complete takes its name.
    pub(super) fn write(&mut self, indices: &[usize], samples: &Samples) -> Result<()> {
        for (place, &index) in indices.iter().enumerate() {
            let part = self.part(index);
            let mut growing = match self.growing.take() {
                Some(growing) if growing.part == part => growing,
                _ => Growing { part, n: 0, file: WholeFile::create(&self.file(part))? },
            };
            let bytes = npz_bytes(samples.values_of(place), self.shape);
            growing.file.write_all(&bytes).map_err(|source| write_error(&self.file(part), source))?;
            growing.n += 1;
            if growing.n == self.samples(part).len() {
                self.finish_part(growing)?;
            } else {
                self.growing = Some(growing);
            }
        }
        Ok(())
    }

    fn finish_part(&mut self, Growing { part, file, .. }: Growing) -> Result<()> {
        file.finish()?;
        let mut record = self.record_of(part);
        record.files = named_beside(&self.file(part))?;
        record.write(&self.file(part).with_extension("json"))?;
        self.there[part] = true;
        Ok(())
    }

    /// Puts all parts together into the file.
    ///
    /// # Errors
    ///
    /// [`DataError`] for a part that has changed since it was looked at, and for what cannot be read or written.
    pub(super) fn join(&self) -> Result<()> {
        let mut npz = SampleNpz::create(&self.path, self.record.seeds.len(), self.shape)?;
        for part in 0..self.there.len() {
            self.copy(part, &mut npz)?;
        }
        Ok(npz.finish(self.record.classes.as_deref())?)
    }

    /// Takes the parts away, which are in the file by now.
    pub(super) fn remove(self) -> Result<(), DataError> {
        remove(&self.folder, self.record.seeds.len())
    }

    /// Copies the bytes of a part, which are those that its record names.
    fn copy(&self, part: usize, npz: &mut SampleNpz) -> Result<()> {
        let path = self.file(part);
        let failed = |source| DataError::Read { path: path.clone(), source };
        let mut file = Digesting::new(crate::file::open(&path).map_err(failed)?);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                n => npz.extend_bytes(&buffer[..n])?,
            }
        }
        let is = file.hex();
        // The record names the part alone.
        if self.files_of(part).is_some_and(|files| files.values().eq([&is])) {
            return Ok(());
        }
        Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it has changed since it was drawn")).into())
    }

    /// Whether a part is there as its record says.
    fn is_intact(&self, part: usize) -> bool {
        self.files_of(part).is_some_and(|said| named_beside(&self.file(part)).is_ok_and(|is| is == said))
    }

    /// What the record of a part names, with its digest; none where there is no such record, or one of another draw.
    fn files_of(&self, part: usize) -> Option<BTreeMap<String, String>> {
        let said = DrawRecord::read(&self.file(part).with_extension("json"))?;
        said.draws_the_same(&self.record_of(part)).then_some(said.files)
    }

    /// The part that a sample is in.
    fn part(&self, index: usize) -> usize {
        index / part_size(self.record.seeds.len())
    }

    /// The samples of a part.
    fn samples(&self, part: usize) -> Range<usize> {
        let n = self.record.seeds.len();
        let size = part_size(n);
        part * size..((part + 1) * size).min(n)
    }

    fn record_of(&self, part: usize) -> DrawRecord {
        self.record.of_samples(self.samples(part))
    }

    fn file(&self, part: usize) -> PathBuf {
        file(&self.folder, part)
    }
}

fn file(folder: &Path, part: usize) -> PathBuf {
    folder.join(format!("part-{part:06}.raw"))
}

/// Takes away the parts of so many samples, the record that says what they are last, and the folder if nothing else is in it.
fn remove(folder: &Path, n: usize) -> Result<(), DataError> {
    let parts = (0..n_parts(n)).flat_map(|part| {
        let part = file(folder, part);
        [part.with_extension("json"), part]
    });
    for path in parts.chain([folder.join(RECORD)]) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(write_error(&path, source));
            }
            _ => {}
        }
    }
    // Whatever else somebody has put there stays, and its folder with it.
    let _ = fs::remove_dir(folder);
    Ok(())
}

/// Samples of a part of so many.
fn part_size(n: usize) -> usize {
    n.div_ceil(MOST_PARTS).max(PART)
}

/// Parts of so many samples.
fn n_parts(n: usize) -> usize {
    n.div_ceil(part_size(n))
}
