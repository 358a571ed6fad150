//! What is told of a picture before it is decoded: how large it is, and which way up.

use ::image::metadata::Orientation;

use super::DataError;
use super::image::MAX_SIDE;

/// The most memory one picture may ask its decoder for.
pub(super) const MAX_ALLOC: u64 = 256 << 20;

/// The largest encoded picture that is read.
pub(super) const MAX_ENCODED: u64 = 256 << 20;

/// Refuses a picture that is too large: not every decoder counts the picture itself against its limit.
pub(super) fn check_size(
    [width, height]: [u32; 2],
    bytes_per_pixel: usize,
    name: &str,
) -> Result<(), DataError> {
    let n_bytes = u64::from(width) * u64::from(height) * bytes_per_pixel as u64;
    let too_large = if width.max(height) as usize > MAX_SIDE {
        format!("over {MAX_SIDE} a side")
    } else if n_bytes > MAX_ALLOC {
        format!("which take {} MiB of memory, over {}", n_bytes >> 20, MAX_ALLOC >> 20)
    } else {
        return Ok(());
    };
    Err(DataError::unsupported(
        name,
        format!("this picture has {width}x{height} pixels, {too_large}; shrink it"),
    ))
}

/// How the camera was turned, by the Exif data of a picture.
pub(super) fn exif_orientation(exif: Option<&[u8]>) -> Orientation {
    let oriented = exif.and_then(|exif| {
        // The prefix belongs to JPEG's segments; some programs write it into WebP's chunks too.
        Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
    });
    oriented.unwrap_or(Orientation::NoTransforms)
}
