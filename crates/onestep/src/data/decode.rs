//! From the bytes of a file to pixels, within limits.

use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageReader, Limits};

#[cfg(feature = "avif")]
use super::avif;
use super::image::Pixels;
#[cfg(feature = "formats")]
use super::jpeg;
use super::picture_header::{
    MAX_ALLOC, MAX_ENCODED, check_density, check_palette, check_size, exif_orientation,
};
use super::{DataError, ImageShape};
use crate::file;

/// File-name endings of the pictures that are read, in this build or another.
pub(super) const SUFFIXES: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "avif", "bmp", "gif", "pnm", "ppm", "pgm", "pbm", "tif",
    "tiff",
];

/// As many bytes as tell a picture from other files.
pub(super) const START_LEN: u64 = 32;

/// Whether a file name ends like a picture.
pub(super) fn has_picture_suffix(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, suffix)| SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

/// Whether a file begins like a picture of a kind that is read here.
pub(super) fn is_picture_start(start: &[u8]) -> bool {
    #[cfg(feature = "formats")]
    if jpeg::is_jpeg(start) {
        return true;
    }
    // In every build, so that one that does not read them says which does.
    file::is_avif(start) || ::image::guess_format(start).is_ok_and(|format| format.reading_enabled())
}

impl Pixels {
    /// Decodes a PNG, JPEG, WebP, BMP, GIF (first frame), TIFF (first page) or PNM picture, and with the
    /// feature `avif` an AVIF.
    ///
    /// The kind is found from the contents, not from the name. Grey stays grey and all else
    /// becomes RGB, 8 bits a channel, 16 bits divided by 257 and rounded; transparency is laid on white; a picture that says it
    /// was taken with the camera turned is turned upright.
    ///
    /// # Errors
    ///
    /// Each names `name`:
    ///
    /// - [`DataError::Image`] if the picture is of another kind or damaged: cut short, or with a part that makes no sense.
    ///   What decoders fill in there is not returned.
    /// - [`DataError::Unsupported`] if its 16 bits hold but 12, which would be black, if it is wider or higher than 16,384
    ///   pixels, or would take more than 256 MiB to decode.
    pub fn decode(encoded: &[u8], name: &str) -> Result<Self, DataError> {
        decode_upright(encoded, name).map(flatten)
    }

    /// As [`Pixels::decode`], and how opaque each pixel is, `[height, width]`, where the picture says so.
    ///
    /// # Errors
    ///
    /// As [`Pixels::decode`].
    pub fn decode_with_alpha(encoded: &[u8], name: &str) -> Result<(Self, Option<Vec<u8>>), DataError> {
        let picture = decode_upright(encoded, name)?;
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

/// Returns the height and width of a picture, turned upright, from its header alone; `name` is what errors call it.
///
/// # Errors
///
/// [`DataError::Image`] where that cannot be told.
pub fn picture_size(encoded: &[u8], name: &str) -> Result<(usize, usize), DataError> {
    upright_size(Cursor::new(encoded), name)
}

/// As [`picture_size`], from whatever can be read.
pub(super) fn upright_size(encoded: impl BufRead + Seek, name: &str) -> Result<(usize, usize), DataError> {
    let ([width, height], orientation) = header(encoded, name)?;
    let (width, height) = (width as usize, height as usize);
    Ok(match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (width, height),
        _ => (height, width),
    })
}

/// Reads a whole file unless it is too large to be a picture.
///
/// # Errors
///
/// [`DataError::Read`] where there is no such file or it cannot be read; [`DataError::Refused`] above 256 MiB.
pub fn read_encoded(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = file::open(path).map_err(|error| DataError::read(path, error))?;
    let mut encoded = Vec::new();
    BufReader::new(file)
        .take(MAX_ENCODED + 1)
        .read_to_end(&mut encoded)
        .map_err(|error| DataError::read(path, error))?;
    if encoded.len() as u64 > MAX_ENCODED {
        let reason = format!("it is a picture of more than {} MiB; shrink it", MAX_ENCODED >> 20);
        return Err(DataError::refused(path.display().to_string(), reason));
    }
    Ok(encoded)
}

/// Width, height and how the camera was turned.
fn header(mut encoded: impl BufRead + Seek, name: &str) -> Result<([u32; 2], Orientation), DataError> {
    let start = encoded.fill_buf().map_err(|error| DataError::image(name, error))?;
    refuse_foreign(start, name)?;
    #[cfg(feature = "formats")]
    if jpeg::is_jpeg(start) {
        return jpeg::header(encoded, name);
    }
    #[cfg(feature = "avif")]
    if file::is_avif(start) {
        return avif::header(encoded, name);
    }
    let mut decoder = decoder(encoded, name)?;
    Ok((decoder.dimensions().into(), orientation(&mut decoder)))
}

fn decode_upright(encoded: &[u8], name: &str) -> Result<DynamicImage, DataError> {
    let (mut picture, orientation) = decode_as_stored(encoded, name)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn decode_as_stored(encoded: &[u8], name: &str) -> Result<(DynamicImage, Orientation), DataError> {
    refuse_foreign(encoded, name)?;
    #[cfg(feature = "formats")]
    if jpeg::is_jpeg(encoded) {
        return jpeg::decode(encoded, name);
    }
    #[cfg(feature = "avif")]
    if file::is_avif(encoded) {
        return avif::decode(encoded, name);
    }
    check_palette(encoded, name)?;
    let mut decoder = decoder(Cursor::new(encoded), name)?;
    check_size(decoder.dimensions().into(), decoder.color_type().bytes_per_pixel().into(), name)?;
    check_density(decoder.dimensions().into(), encoded.len(), name)?;
    let orientation = orientation(&mut decoder);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| DataError::image(name, error))?;
    match brightest_of_16_bits(&picture) {
        Some(most @ 1..=0xfff) => {
            let reason = format!(
                "its 16-bit values go up to {most} only, as 12 bits do, and would be nearly black; bring them to the whole \
                 range, 0 to 65535, or to 8 bits"
            );
            Err(DataError::unsupported(name, reason))
        }
        _ => Ok((picture, orientation)),
    }
}

fn decoder<'a>(encoded: impl BufRead + Seek + 'a, name: &str) -> Result<impl ImageDecoder + 'a, DataError> {
    let image_error = |error| DataError::image(name, error);
    let mut reader = ImageReader::new(encoded).with_guessed_format().map_err(|e| image_error(e.into()))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    reader.into_decoder().map_err(image_error)
}

/// Refuses a file that is no picture, or one of a kind that is not read, and says what it is.
fn refuse_foreign(start: &[u8], name: &str) -> Result<(), DataError> {
    file::foreign(start).map_or(Ok(()), |what| Err(DataError::unsupported(name, what)))
}

/// The largest value of a picture of 16 bits a channel, but for how opaque it is.
fn brightest_of_16_bits(picture: &DynamicImage) -> Option<u16> {
    let most = |values: &[u16], channels: usize, n_colors: usize| {
        values.chunks_exact(channels).flat_map(|pixel| &pixel[..n_colors]).max().copied()
    };
    match picture {
        DynamicImage::ImageLuma16(p) => most(p.as_raw(), 1, 1),
        DynamicImage::ImageLumaA16(p) => most(p.as_raw(), 2, 1),
        DynamicImage::ImageRgb16(p) => most(p.as_raw(), 3, 3),
        DynamicImage::ImageRgba16(p) => most(p.as_raw(), 4, 3),
        _ => None,
    }
}

fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    // TIFF says it elsewhere than in Exif data.
    if let Ok(orientation) = decoder.orientation()
        && orientation != Orientation::NoTransforms
    {
        return orientation;
    }
    // What is said about a picture may be damaged without the picture being so.
    exif_orientation(decoder.exif_metadata().ok().flatten().as_deref())
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

pub(super) fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
