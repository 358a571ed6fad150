//! Samples on their way into files, as they are drawn.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::DrawRecord;
use super::sample_folder::{RECORD, SampleFolder, check_shape, write_error};
#[cfg(feature = "formats")]
use super::sample_parts::SampleParts;
use crate::Result;
use crate::data::picture::MAX_PARAMETERS;
use crate::data::{DataError, ImageShape, OutputError, OutputLock, Outputs, Sheet, WholeFile, named_beside};
#[cfg(feature = "formats")]
use crate::sample::SampleNpz;
use crate::sample::{SampleFile, SampleSink, Samples};

/// Puts samples into a file or a folder as they come: a [`SampleSink`] for [`DefiniteDraw::run_into`](super::DefiniteDraw::run_into).
///
/// A folder gets every batch at once, each picture whole or not at all, and its record before them: where the drawing stopped, the
/// same drawing goes on, without those that are there. An npz of more than 512 samples is drawn in parts that lie beside it until
/// they are put together, and goes on in the same way. A smaller one and a csv grow as samples come, and have their name when
/// [`SampleWriter::finish`] was called; a PNG is made then, from samples that are kept in memory until it is.
///
/// Several processes draw one folder or npz together by [`SampleWriter::create_shard`], in any order and at any time; the whole has
/// the bits of what one draws.
pub struct SampleWriter {
    record: DrawRecord,
    shape: ImageShape,
    outputs: Outputs,
    path: PathBuf,
    place: Place,
    /// Whether others draw the rest.
    is_shard: bool,
    _lock: OutputLock,
}

/// Where samples go.
enum Place {
    Grid(Vec<f32>),
    #[cfg(feature = "formats")]
    Npz(Box<SampleNpz>),
    #[cfg(feature = "formats")]
    Parts(Box<SampleParts>),
    Csv(WholeFile),
    Folder(SampleFolder),
}

impl SampleWriter {
    /// Begins a file or folder for the samples of this shape that a record makes, creating folders where needed.
    ///
    /// # Errors
    ///
    /// - As [`SampleFile::of`], for what cannot be written to.
    /// - [`OutputError`] for what would take the place of something else: a file that is there, a folder of
    ///   another draw or of other files; and for what another process is writing.
    /// - [`DataError::Setting`] for a picture that would be too large, and for a record that has no JSON form or is too long for one.
    /// - [`DataError::Write`] for what cannot be written.
    pub fn create(record: DrawRecord, shape: ImageShape, path: &Path, outputs: &Outputs) -> Result<Self> {
        Self::create_any(record, shape, path, outputs, None)
    }

    /// Begins the part `shard.0`, from 0, of `shard.1` of a folder or an npz; the record is that of the whole. An npz is there when all
    /// shards are drawn and a writer of the whole has put them together, which draws whatever is missing.
    ///
    /// # Errors
    ///
    /// As [`SampleWriter::create`]; [`OutputError::NoShards`] for a kind of file that is not drawn in shards.
    pub fn create_shard(
        record: DrawRecord,
        shape: ImageShape,
        path: &Path,
        outputs: &Outputs,
        shard: (usize, usize),
    ) -> Result<Self> {
        Self::create_any(record, shape, path, outputs, Some(shard))
    }

    fn create_any(
        mut record: DrawRecord,
        shape: ImageShape,
        path: &Path,
        outputs: &Outputs,
        shard: Option<(usize, usize)>,
    ) -> Result<Self> {
        let kind = SampleFile::of(path, shape)?;
        if let (Some(_), SampleFile::Grid | SampleFile::Csv) = (shard, kind) {
            return Err(OutputError::NoShards { path: path.to_path_buf() }.into());
        }
        record.files.clear();
        if kind != SampleFile::Folder {
            check(&record, path, outputs)?;
        }
        let n = record.seeds.len();
        match kind {
            SampleFile::Grid => {
                sheet(&record).check(n, shape).map_err(|error| too_large(error, n))?;
                check_line(&record)?;
            }
            SampleFile::Folder => check_shape(shape, &record)?,
            _ => {}
        }
        // A record without a JSON form is found out now, and not when all samples are drawn.
        record.of_sample(0).line()?;
        create_folder(if kind == SampleFile::Folder { Some(path) } else { path.parent() })?;
        let lock = OutputLock::acquire(&match (kind, shard) {
            (SampleFile::Folder, None) => path.join(RECORD),
            (_, None) => path.with_extension("json"),
            // Shards are written side by side.
            (SampleFile::Folder, Some((index, n))) => path.join(format!("shard-{}-of-{n}", index + 1)),
            (_, Some((index, n))) => path.with_extension(format!("shard-{}-of-{n}", index + 1)),
        })?;
        let place = match kind {
            SampleFile::Grid => Place::Grid(Vec::new()),
            #[cfg(feature = "formats")]
            SampleFile::Npz if shard.is_some() || SampleParts::are_for(n, path) => {
                Place::Parts(Box::new(SampleParts::open(&record, shape, path, outputs, shard)?))
            }
            #[cfg(feature = "formats")]
            SampleFile::Npz => Place::Npz(Box::new(SampleNpz::create(path, n, shape)?)),
            SampleFile::Csv => {
                let mut file = WholeFile::create(path)?;
                let classes = if record.classes.is_some() { ",class" } else { "" };
                writeln!(file, "seed,x,y{classes}").map_err(|source| write_error(path, source))?;
                Place::Csv(file)
            }
            SampleFile::Folder => Place::Folder(SampleFolder::open(&record, path, outputs, shard)?),
        };
        let is_shard = shard.is_some();
        Ok(Self {
            record,
            shape,
            outputs: outputs.clone(),
            path: path.to_path_buf(),
            place,
            is_shard,
            _lock: lock,
        })
    }

    /// What makes the samples again.
    pub fn record(&self) -> &DrawRecord {
        &self.record
    }

    /// How many samples this writer takes in all: those of its shard, or all.
    pub fn n_own(&self) -> usize {
        match &self.place {
            Place::Folder(folder) => folder.n_own(),
            #[cfg(feature = "formats")]
            Place::Parts(parts) => parts.n_own(),
            _ => self.record.seeds.len(),
        }
    }

    /// How many of them are there already, in the folder or in parts; 0 for any other file.
    pub fn n_there(&self) -> usize {
        match &self.place {
            Place::Folder(folder) => folder.n_there(),
            #[cfg(feature = "formats")]
            Place::Parts(parts) => parts.n_there(),
            _ => 0,
        }
    }

    /// Where samples stay when the drawing stops before its end, so that the same drawing goes on from there; none where nothing stays.
    pub fn kept_in(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(_) => Some(self.path.clone()),
            #[cfg(feature = "formats")]
            Place::Parts(_) => Some(SampleParts::folder_of(&self.path)),
            _ => None,
        }
    }

    /// Ends the file, and writes the record beside it. Without this there is no file; a folder keeps what it has, and a shard its parts.
    ///
    /// # Errors
    ///
    /// - [`OutputError`] for a file that came to be there meanwhile.
    /// - [`DataError::Write`] for what cannot be written.
    pub fn finish(self) -> Result<()> {
        let Self { mut record, shape, outputs, path, place, is_shard, _lock } = self;
        if is_shard {
            // Every part has its name by now.
            return Ok(());
        }
        let beside = path.with_extension("json");
        if !matches!(place, Place::Folder(_)) {
            check(&record, &path, &outputs)?;
        }
        #[cfg(feature = "formats")]
        let mut in_parts = None;
        match place {
            Place::Grid(values) => sheet(&record).write(&path, &values, shape, Some(&record.line()?))?,
            #[cfg(feature = "formats")]
            Place::Npz(npz) => npz.finish(record.classes.as_deref())?,
            #[cfg(feature = "formats")]
            Place::Parts(parts) => {
                parts.join()?;
                in_parts = Some(parts);
            }
            Place::Csv(file) => file.finish()?,
            // Its record was there first.
            Place::Folder(_) => return Ok(()),
        }
        if let Some(there) = DrawRecord::read(&beside).filter(|there| is_of(there, &record)) {
            record.files = there.files;
        }
        if SampleFile::of(&path, shape)? != SampleFile::Grid {
            record.files.extend(named_beside(&path)?);
        }
        record.write(&beside)?;
        // Parts go only now: without its record nobody would know the file.
        #[cfg(feature = "formats")]
        return in_parts.map_or(Ok(()), |parts: Box<SampleParts>| parts.remove()).map_err(Into::into);
        #[cfg(not(feature = "formats"))]
        Ok(())
    }
}

impl SampleSink for SampleWriter {
    fn wants(&self, index: usize) -> bool {
        match &self.place {
            Place::Folder(folder) => folder.wants(index),
            #[cfg(feature = "formats")]
            Place::Parts(parts) => parts.wants(index),
            _ => true,
        }
    }

    fn take(&mut self, indices: &[usize], samples: &Samples) -> Result<()> {
        match &mut self.place {
            Place::Grid(values) => values.extend_from_slice(&samples.values),
            #[cfg(feature = "formats")]
            Place::Npz(npz) => npz.extend(&samples.values)?,
            #[cfg(feature = "formats")]
            Place::Parts(parts) => parts.write(indices, samples)?,
            Place::Csv(file) => {
                write_points(file, samples).map_err(|source| write_error(file.path(), source))?;
            }
            Place::Folder(folder) => folder.write(indices, samples, &self.record)?,
        }
        Ok(())
    }
}

impl DrawRecord {
    /// Writes the samples that this record makes: as a PNG, an npz, a csv or a folder ([`SampleFile`]), over nothing that is there.
    /// [`SampleWriter`] does the same for samples that are still to be drawn, and may be told to overwrite.
    ///
    /// Every PNG has inside what makes it again, and the whole record lies beside as JSON: `grid.json` for `grid.png`,
    /// `samples.json` in a folder.
    ///
    /// # Errors
    ///
    /// As [`SampleWriter::create`] and [`SampleWriter::finish`].
    pub fn save(&self, samples: &Samples, path: impl AsRef<Path>) -> Result<()> {
        let mut writer =
            SampleWriter::create(self.clone(), samples.shape, path.as_ref(), &Outputs::default())?;
        let all: Vec<usize> = (0..samples.seeds.len()).collect();
        writer.take(&all, samples)?;
        writer.finish()
    }
}

/// Allows a file and the record beside it to be written; the grid and the npz of one draw have one record between them.
fn check(record: &DrawRecord, path: &Path, outputs: &Outputs) -> Result<(), OutputError> {
    let beside = path.with_extension("json");
    outputs.check(path)?;
    outputs.check_unread(&beside)?;
    if DrawRecord::read(&beside).is_some_and(|there| is_of(&there, record)) {
        return Ok(());
    }
    outputs.check(&beside)
}

/// Whether a record that is there is this one, whatever files lie beside it.
fn is_of(there: &DrawRecord, record: &DrawRecord) -> bool {
    there == &DrawRecord { files: there.files.clone(), ..record.clone() }
}

fn sheet(record: &DrawRecord) -> Sheet {
    Sheet { columns: record.columns, scale: record.scale }
}

/// Says what holds more samples than a picture does.
fn too_large(error: DataError, n: usize) -> DataError {
    match error {
        DataError::Setting { setting, reason } => DataError::Setting {
            setting,
            reason: format!("{reason}, or write {n} samples to an .npz or a folder"),
        },
        other => other,
    }
}

/// Refuses a record that is too long to stand inside a picture.
fn check_line(record: &DrawRecord) -> Result<(), DataError> {
    let length = record.line()?.len();
    if length <= MAX_PARAMETERS {
        return Ok(());
    }
    let n = record.seeds.len();
    let reason =
        format!("of a picture have no room for {n} seeds; write so many samples to an .npz or a folder");
    Err(DataError::Setting { setting: "parameters", reason })
}

fn create_folder(folder: Option<&Path>) -> Result<(), DataError> {
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))
}

/// One line a point.
fn write_points(file: &mut WholeFile, samples: &Samples) -> std::io::Result<()> {
    for (index, seed) in samples.seeds.iter().enumerate() {
        write!(file, "{seed}")?;
        for value in samples.values_of(index) {
            write!(file, ",{value}")?;
        }
        match &samples.labels {
            Some(labels) => writeln!(file, ",{}", labels[index])?,
            None => writeln!(file)?,
        }
    }
    Ok(())
}
