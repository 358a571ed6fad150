//! From the bytes of a file to pixels, within limits.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::image::{MAX_SIDE, Pixels};
use super::{DataError, ImageShape};

/// The most memory one picture may ask its decoder for.
const MAX_ALLOC: u64 = 256 << 20;

/// The largest encoded picture that is read.
pub(super) const MAX_ENCODED: u64 = 256 << 20;

/// File-name endings of the pictures that are read.
pub(super) const SUFFIXES: [&str; 12] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "pnm", "ppm", "pgm", "pbm"];

/// As many bytes as tell a picture from other files.
pub(super) const START_LEN: u64 = 32;

/// Whether a file name ends like a picture.
pub(super) fn has_picture_suffix(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, suffix)| SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

/// Whether a file begins like a picture of a kind that is read here.
pub(super) fn is_picture_start(start: &[u8]) -> bool {
    ::image::guess_format(start).is_ok_and(|format| format.reading_enabled())
}

impl Pixels {
    /// Decodes a PNG, JPEG, WebP, BMP, GIF (first frame) or PNM picture.
    ///
    /// The kind is found from the contents, not from the name. Grey stays grey and all else
    /// becomes RGB, 8 bits a channel; transparency is laid on white; a JPEG that says it was taken
    /// with the camera turned is turned upright.
    ///
    /// # Errors
    ///
    /// [`DataError::Image`], which names `name`, if the picture is damaged, of another kind, wider
    /// or higher than 16,384 pixels, or would take more than 256 MiB to decode.
    pub fn decode(encoded: &[u8], name: &str) -> Result<Self, DataError> {
        decode_upright(Cursor::new(encoded))
            .map(flatten)
            .map_err(|error| DataError::Image { name: name.to_owned(), source: error.into() })
    }

    /// As [`Pixels::decode`], and how opaque each pixel is, `[height, width]`, where the picture says so.
    ///
    /// # Errors
    ///
    /// As [`Pixels::decode`].
    pub fn decode_with_alpha(encoded: &[u8], name: &str) -> Result<(Self, Option<Vec<u8>>), DataError> {
        let picture = decode_upright(Cursor::new(encoded))
            .map_err(|error| DataError::Image { name: name.to_owned(), source: error.into() })?;
        let alpha = picture.color().has_alpha().then(|| picture.to_rgba8().pixels().map(|p| p[3]).collect());
        Ok((flatten(picture), alpha))
    }

    /// Reads and decodes a picture file, as [`Pixels::decode`].
    ///
    /// # Errors
    ///
    /// [`DataError::Read`] if there is no such file; otherwise as [`Pixels::decode`].
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let encoded = read_encoded(path)?;
        Self::decode(&encoded, &path.display().to_string())
    }
}

/// Returns the height and width of a picture, turned upright, from its header alone.
pub(super) fn upright_size(encoded: impl BufRead + Seek, name: &str) -> Result<(usize, usize), DataError> {
    let size = |encoded| -> Result<(usize, usize), ImageError> {
        let mut decoder = limited_reader(encoded)?.into_decoder()?;
        let (width, height) = decoder.dimensions();
        Ok(match decoder.orientation()? {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (width as usize, height as usize),
            _ => (height as usize, width as usize),
        })
    };
    size(encoded).map_err(|error| DataError::Image { name: name.to_owned(), source: error.into() })
}

/// Reads a whole file unless it is too large to be a picture.
///
/// # Errors
///
/// [`DataError::Read`] where there is no such file or it cannot be read; [`DataError::Refused`] above 256 MiB.
pub fn read_encoded(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = File::open(path).map_err(|error| DataError::read(path, error))?;
    let mut encoded = Vec::new();
    BufReader::new(file)
        .take(MAX_ENCODED + 1)
        .read_to_end(&mut encoded)
        .map_err(|error| DataError::read(path, error))?;
    if encoded.len() as u64 > MAX_ENCODED {
        let reason = format!("it is a picture of more than {} MiB", MAX_ENCODED >> 20);
        return Err(DataError::refused(path.display().to_string(), reason));
    }
    Ok(encoded)
}

fn limited_reader<R: BufRead + Seek>(encoded: R) -> Result<ImageReader<R>, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE as u32);
    limits.max_image_height = Some(MAX_SIDE as u32);
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::new(encoded).with_guessed_format()?;
    reader.limits(limits);
    Ok(reader)
}

fn decode_upright(encoded: impl BufRead + Seek) -> Result<DynamicImage, ImageError> {
    let mut decoder = limited_reader(encoded)?.into_decoder()?;
    // Not every decoder counts the picture itself against the limit.
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Brings any kind of picture to grey or RGB bytes, on white.
fn flatten(picture: DynamicImage) -> Pixels {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let shape = |channels| ImageShape { height, width, channels };
    let color = picture.color();
    match (color.has_color(), color.has_alpha()) {
        (false, false) => Pixels::trusted(shape(1), picture.into_luma8().into_raw()),
        (true, false) => Pixels::trusted(shape(3), picture.into_rgb8().into_raw()),
        (false, true) => {
            let grey_alpha = picture.into_luma_alpha8().into_raw();
            let bytes = grey_alpha.chunks_exact(2).map(|p| on_white(p[0], p[1])).collect();
            Pixels::trusted(shape(1), bytes)
        }
        (true, true) => {
            let rgba = picture.into_rgba8().into_raw();
            let bytes = rgba
                .chunks_exact(4)
                .flat_map(|p| [on_white(p[0], p[3]), on_white(p[1], p[3]), on_white(p[2], p[3])])
                .collect();
            Pixels::trusted(shape(3), bytes)
        }
    }
}

fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
