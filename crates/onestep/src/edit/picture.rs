//! Pictures that go into an edit, and the files they are from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use super::EditError;
use crate::Result;
use crate::data::{Pixels, read_encoded};
use crate::digest;

/// What tells a picture from another: where it lies, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureFile {
    /// The file; none for a picture that was in memory only.
    pub path: Option<PathBuf>,
    /// SHA-256 of the file, or of the pixels in memory, in hexadecimal.
    pub sha256: String,
}

impl PictureFile {
    /// Opens the picture again, and refuses another one.
    ///
    /// # Errors
    ///
    /// - [`EditError::InMemory`] for a picture of no file.
    /// - [`EditError::FileChanged`] if the file holds something else by now.
    /// - As [`Picture::open`].
    pub fn open(&self) -> Result<Picture> {
        let Some(path) = &self.path else {
            let what = format!("a picture (SHA-256 {})", self.sha256);
            return Err(EditError::InMemory { what }.into());
        };
        let picture = Picture::open(path)?;
        match &picture.file {
            Some(file) if file.sha256 != self.sha256 => Err(EditError::FileChanged {
                path: path.clone(),
                was: self.sha256.clone(),
                is: file.sha256.clone(),
            }
            .into()),
            _ => Ok(picture),
        }
    }
}

/// A picture of any size that goes into an edit, with what is transparent in it.
///
/// It is written as the [`PictureFile`] that it is from, never as its pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pixels: Pixels,
    alpha: Option<Vec<u8>>,
    file: Option<PictureFile>,
}

impl Picture {
    /// Reads a picture from a file: PNG, JPEG, WebP, TIFF, BMP, GIF (first frame) or PNM. What is transparent is laid on white, and
    /// remembered.
    ///
    /// # Errors
    ///
    /// [`EditError::Folder`] for a folder; as reading the file and [`Pixels::decode`] for files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(EditError::Folder { path: path.to_path_buf() }.into());
        }
        let encoded = read_encoded(path)?;
        let picture = Self::decode(&encoded, &path.display().to_string())?;
        let file = PictureFile { path: Some(path.to_path_buf()), sha256: digest::hex(&encoded) };
        Ok(Self { file: Some(file), ..picture })
    }

    /// A picture from the bytes of a file, as [`Picture::open`]; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Pixels::decode`].
    pub fn decode(encoded: &[u8], name: &str) -> Result<Self> {
        let (pixels, alpha) = Pixels::decode_with_alpha(encoded, name)?;
        Ok(Self { pixels, alpha, file: None })
    }

    /// The picture with another transparency: how opaque each pixel is, 0 to 255. Its file no longer says what it is.
    ///
    /// # Shapes
    ///
    /// `alpha`: `[height, width]` of the picture, flat.
    ///
    /// # Errors
    ///
    /// [`EditError::MaskSize`] for another number of values.
    pub fn with_alpha(self, alpha: Vec<u8>) -> Result<Self, EditError> {
        let (width, height) = self.size();
        if alpha.len() != width * height {
            let found = format!("of {} pixels", alpha.len());
            return Err(EditError::MaskSize { found, expected: format!("{width}x{height}") });
        }
        Ok(Self { alpha: Some(alpha), file: None, ..self })
    }

    /// The picture itself, on white.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// How opaque each pixel is, `[height, width]`, where the picture says so.
    pub fn alpha(&self) -> Option<&[u8]> {
        self.alpha.as_deref()
    }

    /// The file that the picture is from, or what tells it from others in memory.
    pub fn file(&self) -> PictureFile {
        let in_memory = || {
            let mut bytes = self.pixels.shape().to_string().into_bytes();
            bytes.extend(self.pixels.bytes());
            bytes.extend(self.alpha.iter().flatten());
            PictureFile { path: None, sha256: digest::hex(&bytes) }
        };
        self.file.clone().unwrap_or_else(in_memory)
    }

    /// Width and height.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.pixels.shape().width, self.pixels.shape().height)
    }
}

impl From<Pixels> for Picture {
    fn from(pixels: Pixels) -> Self {
        Self { pixels, alpha: None, file: None }
    }
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file().serialize(serializer)
    }
}

impl fmt::Display for Picture {
    /// The path of its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_ref().and_then(|file| file.path.as_ref()) {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("in memory"),
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({self}, {})", self.pixels.shape())
    }
}
