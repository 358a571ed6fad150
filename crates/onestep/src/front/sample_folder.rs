//! A folder of samples: one draw, named by its record, whose pictures come one by one.

use std::path::{Path, PathBuf};

use super::DrawRecord;
use super::sample_names::SampleNames;
use crate::Result;
use crate::data::picture::read_parameters;
use crate::data::{DataError, ImageShape, OutputError, Outputs, Sheet};
use crate::sample::Samples;

/// The record of the draw.
pub(super) const RECORD: &str = "samples.json";

/// The folder.
pub(super) struct SampleFolder {
    folder: PathBuf,
    names: SampleNames,
    /// Which samples are there.
    there: Vec<bool>,
}

impl SampleFolder {
    /// Opens the folder of a draw, or begins one with the draw's record; another draw's pictures are taken away first where they
    /// may be overwritten.
    pub(super) fn open(record: &DrawRecord, folder: &Path, outputs: &Outputs) -> Result<Self> {
        let names = SampleNames::of(&record.seeds, record.classes.as_deref());
        let mut opened = Self { folder: folder.to_path_buf(), names, there: vec![false; record.seeds.len()] };
        let kept = folder.join(RECORD);
        outputs.check_folder(folder, RECORD)?;
        if kept.exists() {
            match DrawRecord::read(&kept) {
                None => return Err(OutputError::Foreign { path: kept }.into()),
                Some(old) if old.draws_the_same(record) => {
                    opened.find(record)?;
                    return Ok(opened);
                }
                Some(old) if outputs.overwrites() => opened.make_room(record, &old, outputs)?,
                Some(old) if old.draws_alike(record) => {
                    let (there, asked) = (old.precision.name(), record.precision.name());
                    let folder = folder.to_path_buf();
                    return Err(OutputError::AnotherPrecision { folder, there, asked }.into());
                }
                Some(old) => {
                    let (there, asked) = (old.summary(record), record.summary(&old));
                    let folder = folder.to_path_buf();
                    return Err(OutputError::AnotherDraw { folder, there, asked }.into());
                }
            }
        }
        outputs.check_unread(&kept)?;
        record.write(&kept)?;
        Ok(opened)
    }

    /// How many samples are there.
    pub(super) fn n_there(&self) -> usize {
        self.there.iter().filter(|there| **there).count()
    }

    /// Whether a sample is there.
    pub(super) fn has(&self, index: usize) -> bool {
        self.there[index]
    }

    /// Writes samples, each a picture that says how it is made again.
    pub(super) fn write(&mut self, indices: &[usize], samples: &Samples, record: &DrawRecord) -> Result<()> {
        let sheet = Sheet { columns: Some(1), scale: record.scale.or(Some(1)) };
        for (place, &index) in indices.iter().enumerate() {
            let line = record.of_sample(index).line()?;
            let file = self.file(index, record);
            sheet.write(&file, samples.values_of(place), samples.shape, Some(&line))?;
            self.there[index] = true;
        }
        Ok(())
    }

    fn file(&self, index: usize, record: &DrawRecord) -> PathBuf {
        let class = record.classes.as_ref().map(|classes| classes[index]);
        self.folder.join(self.names.name(index, record.seeds[index], class))
    }

    /// Takes away the pictures of another draw, and whatever of ours has the name of one that is to be drawn; nothing, if anything
    /// of that is not ours.
    fn make_room(&self, record: &DrawRecord, old: &DrawRecord, outputs: &Outputs) -> Result<()> {
        let names = SampleNames::of(&old.seeds, old.classes.as_deref());
        let class = |index: usize| old.classes.as_ref().and_then(|classes| classes.get(index).copied());
        let n = old.seeds.len();
        let file = |index: usize| {
            if index < n {
                self.folder.join(names.name(index, old.seeds[index], class(index)))
            } else {
                self.file(index - n, record)
            }
        };
        outputs.remove(&file, n + record.seeds.len())
    }

    /// Finds the samples that are there, and refuses to take anything else for one.
    fn find(&mut self, record: &DrawRecord) -> Result<()> {
        for index in 0..record.seeds.len() {
            let path = self.file(index, record);
            // A link that leads nowhere is something that is there, too.
            if std::fs::symlink_metadata(&path).is_err() {
                continue;
            }
            let inside = read_parameters(&path).ok().flatten();
            let inside = inside.and_then(|text| serde_json::from_str::<DrawRecord>(&text).ok());
            if !inside.is_some_and(|inside| inside.draws_the_same(&record.of_sample(index))) {
                return Err(OutputError::Foreign { path }.into());
            }
            self.there[index] = true;
        }
        Ok(())
    }
}

/// Refuses pictures of a shape that a folder cannot hold, before there are any.
pub(super) fn check_shape(shape: ImageShape, record: &DrawRecord) -> Result<(), DataError> {
    Sheet { columns: Some(1), scale: record.scale.or(Some(1)) }.check(1, shape)
}
