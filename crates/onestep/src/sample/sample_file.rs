//! What samples are written to, by the name of the file.

use std::path::Path;

use super::SampleError;
use crate::data::ImageShape;

/// What samples are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFile {
    /// `.png`: all in one picture, images in a grid and points as dots.
    Grid,
    /// `.npz`: images and labels, as published evaluation programs take them.
    #[cfg(feature = "formats")]
    Npz,
    /// A name that ends with nothing: a folder with a PNG for each.
    Folder,
}

impl SampleFile {
    /// What a path stands for, where samples of this shape are to be written to it.
    ///
    /// # Errors
    ///
    /// [`SampleError::FileKind`] for any other file, [`SampleError::NpzOfPoints`] for an npz where `shape` is no image.
    pub fn of(path: &Path, shape: ImageShape) -> Result<Self, SampleError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("png") => Ok(Self::Grid),
            None => Ok(Self::Folder),
            Some("npz") if cfg!(feature = "formats") && shape.height * shape.width == 1 => {
                Err(SampleError::NpzOfPoints)
            }
            #[cfg(feature = "formats")]
            Some("npz") => Ok(Self::Npz),
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
        assert_eq!(of("a/b.png", point), Ok(SampleFile::Grid));
        assert_eq!(of("a.b/c", image), Ok(SampleFile::Folder));
        assert_eq!(of("a.gif", image), Err(SampleError::FileKind { extension: "gif".into() }));
        #[cfg(feature = "formats")]
        {
            assert_eq!(of("a.npz", image), Ok(SampleFile::Npz));
            assert_eq!(of("a.npz", point), Err(SampleError::NpzOfPoints));
        }
    }
}
