//! A folder of samples: one draw, named by its record, whose pictures come one by one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::DrawRecord;
use super::sample_names::SampleNames;
use crate::Result;
use crate::data::picture::read_parameters;
use crate::data::{DataError, ImageShape, OutputError, Outputs, Sheet, run_of};
use crate::sample::Samples;

/// The record of the draw.
pub(super) const RECORD: &str = "samples.json";

/// The folder.
pub(super) struct SampleFolder {
    folder: PathBuf,
    names: SampleNames,
    /// The samples that are drawn here.
    own: Range<usize>,
    /// Which of them are there.
    there: Vec<bool>,
}

impl SampleFolder {
    /// Opens the folder of a draw, or begins one with the draw's record; another draw's pictures are taken away first where they
    /// may be overwritten.
    pub(super) fn open(
        record: &DrawRecord,
        folder: &Path,
        outputs: &Outputs,
        shard: Option<(usize, usize)>,
    ) -> Result<Self> {
        let names = SampleNames::of(&record.seeds, record.classes.as_deref());
        let n = record.seeds.len();
        let (index, n_shards) = shard.unwrap_or((0, 1));
        let own = run_of(n, index, n_shards);
        let mut opened = Self { folder: folder.to_path_buf(), names, own, there: vec![false; n] };
        match begun(record, folder, outputs, shard.is_some())? {
            Begun::This => {
                opened.find(record)?;
                return Ok(opened);
            }
            Begun::Another(old) => opened.make_room(record, &old, outputs)?,
            Begun::Nothing => {}
        }
        let kept = folder.join(RECORD);
        outputs.check_unread(&kept)?;
        begin(record, &kept)?;
        Ok(opened)
    }

    /// How many samples are there.
    pub(super) fn n_there(&self) -> usize {
        self.there.iter().filter(|there| **there).count()
    }

    /// How many samples are to be drawn here.
    pub(super) fn n_own(&self) -> usize {
        self.own.len()
    }

    /// Whether a sample is to be drawn here and now.
    pub(super) fn wants(&self, index: usize) -> bool {
        self.own.contains(&index) && !self.there[index]
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
        for index in self.own.clone() {
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

/// What a folder holds of a draw.
pub(super) enum Begun {
    /// Nothing yet.
    Nothing,
    /// This draw, or a part of it.
    This,
    /// Another draw, which may be overwritten.
    Another(Box<DrawRecord>),
}

/// Looks what a folder holds of the draw of a record.
///
/// # Errors
///
/// [`OutputError`] for anything that may not be overwritten: another draw, the same in another precision, what is not ours.
pub(super) fn begun(record: &DrawRecord, folder: &Path, outputs: &Outputs, is_shard: bool) -> Result<Begun> {
    let kept = folder.join(RECORD);
    outputs.check_folder(folder, RECORD)?;
    if !kept.exists() {
        return Ok(Begun::Nothing);
    }
    let folder = folder.to_path_buf();
    match DrawRecord::read(&kept) {
        None => Err(OutputError::Foreign { path: kept }.into()),
        Some(old) if old.draws_the_same(record) => Ok(Begun::This),
        // Of several that begin at once, one would take away what another has drawn.
        Some(old) if outputs.overwrites() && !is_shard => Ok(Begun::Another(Box::new(old))),
        Some(old) => Err(another(record, &old, folder).into()),
    }
}

/// Writes the record of a draw where there is none. Shards may begin at once, with records of their own: one is kept, and whoever draws
/// something else finds out.
pub(super) fn begin(record: &DrawRecord, kept: &Path) -> Result<()> {
    record.write(kept)?;
    match DrawRecord::read(kept) {
        Some(old) if !old.draws_the_same(record) => {
            Err(another(record, &old, kept.parent().unwrap_or(kept).to_path_buf()).into())
        }
        _ => Ok(()),
    }
}

/// The error of a folder that holds another draw.
fn another(record: &DrawRecord, old: &DrawRecord, folder: PathBuf) -> OutputError {
    if old.draws_alike(record) {
        let (there, asked) = (old.precision.name(), record.precision.name());
        return OutputError::AnotherPrecision { folder, there, asked };
    }
    let (there, asked) = (old.summary(record), record.summary(old));
    OutputError::AnotherDraw { folder, there, asked }
}

/// Refuses pictures of a shape that a folder cannot hold, before there are any.
pub(super) fn check_shape(shape: ImageShape, record: &DrawRecord) -> Result<(), DataError> {
    Sheet { columns: Some(1), scale: record.scale.or(Some(1)) }.check(1, shape)
}

/// The error of samples that cannot be written.
pub(super) fn write_error(path: &Path, source: std::io::Error) -> DataError {
    DataError::Write { path: path.to_path_buf(), source }
}
