//! Samples on their way into files, as they are drawn.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::DrawRecord;
use super::sample_folder::{RECORD, SampleFolder, check_shape};
use crate::Result;
use crate::data::picture::MAX_PARAMETERS;
use crate::data::{DataError, ImageShape, OutputError, OutputLock, Outputs, Sheet, WholeFile, named_beside};
#[cfg(feature = "formats")]
use crate::sample::SampleNpz;
use crate::sample::{SampleFile, SampleSink, Samples};

/// Puts samples into a file or a folder as they come: a [`SampleSink`] for [`DefiniteDraw::run_into`](super::DefiniteDraw::run_into).
///
/// A folder gets every batch at once, each picture whole or not at all, and its record before them: where the drawing stopped, the
/// same drawing goes on, without those that are there. An npz and a csv grow as samples come, and have their name when
/// [`SampleWriter::finish`] was called; a PNG is made then, from samples that are kept in memory until it is.
pub struct SampleWriter {
    record: DrawRecord,
    shape: ImageShape,
    outputs: Outputs,
    path: PathBuf,
    place: Place,
    _lock: OutputLock,
}

/// Where samples go.
enum Place {
    Grid(Vec<f32>),
    #[cfg(feature = "formats")]
    Npz(Box<SampleNpz>),
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
    pub fn create(mut record: DrawRecord, shape: ImageShape, path: &Path, outputs: &Outputs) -> Result<Self> {
        let kind = SampleFile::of(path, shape)?;
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
        let lock = OutputLock::acquire(&match kind {
            SampleFile::Folder => path.join(RECORD),
            _ => path.with_extension("json"),
        })?;
        let place = match kind {
            SampleFile::Grid => Place::Grid(Vec::new()),
            #[cfg(feature = "formats")]
            SampleFile::Npz => Place::Npz(Box::new(SampleNpz::create(path, n, shape)?)),
            SampleFile::Csv => {
                let mut file = WholeFile::create(path)?;
                let classes = if record.classes.is_some() { ",class" } else { "" };
                writeln!(file, "seed,x,y{classes}").map_err(|source| write_error(path, source))?;
                Place::Csv(file)
            }
            SampleFile::Folder => Place::Folder(SampleFolder::open(&record, path, outputs)?),
        };
        Ok(Self { record, shape, outputs: outputs.clone(), path: path.to_path_buf(), place, _lock: lock })
    }

    /// What makes the samples again.
    pub fn record(&self) -> &DrawRecord {
        &self.record
    }

    /// How many samples are in the folder already; 0 for a file.
    pub fn n_there(&self) -> usize {
        match &self.place {
            Place::Folder(folder) => folder.n_there(),
            _ => 0,
        }
    }

    /// Whether samples stay where the drawing stops before its end, so that the same drawing goes on from there.
    pub fn keeps_parts(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    /// Ends the file, and writes the record beside it. Without this there is no file; a folder keeps what it has.
    ///
    /// # Errors
    ///
    /// - [`OutputError`] for a file that came to be there meanwhile.
    /// - [`DataError::Write`] for what cannot be written.
    pub fn finish(self) -> Result<()> {
        let Self { mut record, shape, outputs, path, place, _lock } = self;
        let beside = path.with_extension("json");
        if !matches!(place, Place::Folder(_)) {
            check(&record, &path, &outputs)?;
        }
        match place {
            Place::Grid(values) => sheet(&record).write(&path, &values, shape, Some(&record.line()?))?,
            #[cfg(feature = "formats")]
            Place::Npz(npz) => npz.finish(record.classes.as_deref())?,
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
        Ok(record.write(&beside)?)
    }
}

impl SampleSink for SampleWriter {
    fn wants(&self, index: usize) -> bool {
        match &self.place {
            Place::Folder(folder) => !folder.has(index),
            _ => true,
        }
    }

    fn take(&mut self, indices: &[usize], samples: &Samples) -> Result<()> {
        match &mut self.place {
            Place::Grid(values) => values.extend_from_slice(&samples.values),
            #[cfg(feature = "formats")]
            Place::Npz(npz) => npz.extend(&samples.values)?,
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

fn write_error(path: &Path, source: std::io::Error) -> DataError {
    DataError::Write { path: path.to_path_buf(), source }
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
