//! What samples are written to, by the name of the file.

use std::path::Path;

use super::SampleError;
use crate::data::{ImageShape, ending};

/// What samples are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFile {
    /// `.png`: all in one picture, images in a grid and points as dots.
    Grid,
    /// `.npz`: images or points, and labels, as published evaluation programs take them.
    #[cfg(feature = "formats")]
    Npz,
    /// `.csv`: points, one a line.
    Csv,
    /// A folder with a PNG for each: a name that ends with nothing or with a separator, or a folder that is there.
    Folder,
}

impl SampleFile {
    /// What a path stands for, where samples of this shape are to be written to it. Capitals are the same as small letters.
    ///
    /// # Errors
    ///
    /// [`SampleError::FileKind`] for any other file, [`SampleError::CsvOfImages`] for a csv where `shape` is no point.
    pub fn of(path: &Path, shape: ImageShape) -> Result<Self, SampleError> {
        match ending(path).as_deref() {
            Some("png") => Ok(Self::Grid),
            #[cfg(feature = "formats")]
            Some("npz") => Ok(Self::Npz),
            Some("csv") if shape.height * shape.width > 1 => Err(SampleError::CsvOfImages),
            Some("csv") => Ok(Self::Csv),
            None => Ok(Self::Folder),
            Some(_) if path.is_dir() => Ok(Self::Folder),
            Some(other) => Err(SampleError::FileKind { extension: other.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_it_is() {
        let (image, point) = (
            ImageShape { height: 8, width: 8, channels: 3 },
            ImageShape { height: 1, width: 1, channels: 2 },
        );
        let of = |path: &str, shape| SampleFile::of(Path::new(path), shape);
        assert_eq!(of("a/b.PNG", point), Ok(SampleFile::Grid));
        assert_eq!(
            (of("a.b/c", image), of("v0.5/", image)),
            (Ok(SampleFile::Folder), Ok(SampleFile::Folder))
        );
        assert_eq!(of("v0.5", image), Err(SampleError::FileKind { extension: "5".into() }));
        assert_eq!(of("a.gif", image), Err(SampleError::FileKind { extension: "gif".into() }));
        assert_eq!(
            (of("a.csv", point), of("a.csv", image)),
            (Ok(SampleFile::Csv), Err(SampleError::CsvOfImages))
        );
        #[cfg(feature = "formats")]
        assert_eq!((of("a.npz", image), of("a.npz", point)), (Ok(SampleFile::Npz), Ok(SampleFile::Npz)));
        // A folder that is there is one, whatever it is called.
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("v0.5")).unwrap();
        assert_eq!(SampleFile::of(&home.path().join("v0.5"), image), Ok(SampleFile::Folder));
    }
}
