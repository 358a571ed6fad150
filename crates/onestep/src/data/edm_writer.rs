//! Data sets in a zip, as EDM's and StyleGAN's tools write them.

use std::path::Path;

use serde_json::json;

use super::label_index::FILE_NAME;
use super::picture::encode_png;
use super::zip_writer::WholeZip;
use super::{DataError, Pixels, Split};

/// How many pictures a folder of the archive has.
const PER_FOLDER: usize = 1000;

/// A zip of pictures and their classes that [`open()`](super::open()) reads again, and the tools of EDM and StyleGAN, too.
///
/// Pictures are PNG files in folders of a thousand, numbered in the order in which they come; `dataset.json` has their classes, and the
/// names of the classes, which the other tools pass over. Equal pictures give equal files, byte for byte. It grows under a scratch name;
/// without [`EdmWriter::finish`] there is none.
///
/// # Examples
///
/// ```
/// use onestep::data::{self, DataSpec, EdmWriter, ImageShape, Pixels};
///
/// let path = std::env::temp_dir().join(format!("onestep-edm-{}.zip", std::process::id()));
/// let mut zip = EdmWriter::create(&path, vec!["dark".into(), "bright".into()])?;
/// let shape = ImageShape { height: 2, width: 2, channels: 3 };
/// assert_eq!(zip.push(&Pixels::new(shape, vec![255; 12])?, 1)?, "00000/img00000000.png");
/// zip.add("README.txt", b"One white picture.")?;
/// zip.finish()?;
/// let set = data::open(&DataSpec::new(path.display().to_string()))?;
/// assert_eq!((set.len(), set.class_names()[1].as_str()), (1, "bright"));
/// # std::fs::remove_file(path).ok();
/// # Ok::<(), onestep::Error>(())
/// ```
pub struct EdmWriter {
    zip: WholeZip,
    class_names: Vec<String>,
    /// Pictures by name, with their classes.
    labels: Vec<(String, usize)>,
}

impl EdmWriter {
    /// Begins a set without pictures, in a folder that must exist; what is there of that name is replaced at the end.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`] if the file cannot be created.
    pub fn create(path: &Path, class_names: Vec<String>) -> Result<Self, DataError> {
        Ok(Self { zip: WholeZip::create(path)?, class_names, labels: Vec::new() })
    }

    /// Adds a picture of a class, a number from 0, and returns its name in the zip.
    ///
    /// # Errors
    ///
    /// - [`DataError::Setting`] if there is no class of that number.
    /// - [`DataError::Write`] if it cannot be written.
    pub fn push(&mut self, pixels: &Pixels, class: usize) -> Result<String, DataError> {
        self.push_below("", pixels, class)
    }

    /// As [`EdmWriter::push`], for one part of a set whose pictures all belong to parts: [`open()`](super::open()) takes those to learn
    /// from unless [`DataSpec::split`](super::DataSpec::split) names another.
    ///
    /// # Errors
    ///
    /// As [`EdmWriter::push`].
    pub fn push_to(&mut self, part: Split, pixels: &Pixels, class: usize) -> Result<String, DataError> {
        self.push_below(&format!("{part}/"), pixels, class)
    }

    fn push_below(&mut self, part: &str, pixels: &Pixels, class: usize) -> Result<String, DataError> {
        let n_classes = self.class_names.len();
        if class >= n_classes {
            let reason = format!("must be below {n_classes}, the number of classes, got {class}");
            return Err(DataError::Setting { setting: "class", reason });
        }
        let number = self.labels.len();
        let name = format!("{part}{:05}/img{number:08}.png", number / PER_FOLDER);
        self.add(&name, &encode_png(pixels, None)?)?;
        self.labels.push((name.clone(), class));
        Ok(name)
    }

    /// Adds a file that is no picture, which readers of the set pass over.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`] if it cannot be written, or there is one of that name.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        self.zip.begin(name, bytes.len())?;
        self.zip.extend(bytes)
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Ends the set, which then takes its name.
    ///
    /// # Errors
    ///
    /// [`DataError::Write`] if it cannot be written.
    pub fn finish(mut self) -> Result<(), DataError> {
        let index = json!({ "labels": self.labels, "classes": self.class_names }).to_string();
        self.add(FILE_NAME, index.as_bytes())?;
        self.zip.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSpec, ImageShape, open};

    fn pixels(value: u8) -> Pixels {
        Pixels::new(ImageShape { height: 2, width: 2, channels: 3 }, vec![value; 12]).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let mut writer = EdmWriter::create(&path, vec!["a".into(), "b".into(), "c".into()]).unwrap();
            for number in 0..1002 {
                let name = writer.push(&pixels((number % 256) as u8), number % 2).unwrap();
                assert_eq!(name, format!("{:05}/img{number:08}.png", number / 1000));
            }
            assert!(writer.push(&pixels(0), 3).unwrap_err().to_string().contains("below 3"));
            writer.add("notes.json", b"{}").unwrap();
            assert_eq!(writer.len(), 1002);
            writer.finish().unwrap();
            path
        };
        let (one, other) = (write("one.zip"), write("other.zip"));
        assert!(std::fs::read(&one).unwrap() == std::fs::read(other).unwrap());
        let set = open(&DataSpec::new(one.display().to_string())).unwrap();
        assert_eq!((set.len(), set.class_names()), (1002, &["a", "b", "c"].map(str::to_owned)[..]));
        assert_eq!(set.passed_over().n(), 1);
        for number in [0, 255, 1001] {
            let sample = set.sample(number).unwrap();
            assert_eq!(sample.label, Some(number % 2));
            assert_eq!(sample.values[0], (number % 256) as f32 / 127.5 - 1.0);
        }
    }

    #[test]
    fn a_part_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts.zip");
        let mut writer = EdmWriter::create(&path, vec!["a".into(), "b".into()]).unwrap();
        for number in 0..10 {
            let part = if number % 5 == 4 { Split::Test } else { Split::Train };
            writer.push_to(part, &pixels(number), usize::from(number > 4)).unwrap();
        }
        writer.finish().unwrap();
        let seen = |split| {
            let set = open(&DataSpec { split, ..DataSpec::new(path.display().to_string()) }).unwrap();
            let samples = (0..set.len()).map(|index| set.sample(index).unwrap());
            samples
                .map(|sample| (((sample.values[0] + 1.0) * 127.5).round() as u8, sample.label.unwrap()))
                .collect::<Vec<_>>()
        };
        let train = [0, 1, 2, 3, 5, 6, 7, 8].map(|number| (number, usize::from(number > 4)));
        assert_eq!(seen(None), train);
        assert_eq!(seen(Some(Split::Train)), train);
        assert_eq!(seen(Some(Split::Test)), [(4, 0), (9, 1)]);
    }

    #[test]
    fn a_set_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EdmWriter::create(&folder.path().join("set.zip"), vec!["a".into()]).unwrap();
        writer.push(&pixels(7), 0).unwrap();
        assert!(matches!(writer.add("00000/img00000000.png", b""), Err(DataError::Write { .. })));
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
