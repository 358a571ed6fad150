//! JPEG pictures, whole or not at all.

mod damage;
mod entropy;

use std::io::BufRead;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, ImageInfo, PixelFormat};

use damage::find_damage;

use super::DataError;
use super::picture_header::{check_size, exif_orientation};

/// Whether bytes begin like a JPEG.
pub(super) fn is_jpeg(start: &[u8]) -> bool {
    start.starts_with(&[0xff, 0xd8, 0xff])
}

/// Returns width, height and how the camera was turned, from the header alone.
pub(super) fn header(encoded: impl BufRead, name: &str) -> Result<([u32; 2], Orientation), DataError> {
    let (info, orientation) = read_header(&mut Decoder::new(encoded), name)?;
    Ok(([info.width.into(), info.height.into()], orientation))
}

/// Decodes a JPEG, and refuses one of which a part is missing or damaged.
pub(super) fn decode(encoded: &[u8], name: &str) -> Result<(DynamicImage, Orientation), DataError> {
    let mut decoder = Decoder::new(encoded);
    let (info, orientation) = read_header(&mut decoder, name)?;
    let size = [info.width.into(), info.height.into()];
    check_size(size, info.pixel_format.pixel_bytes(), name)?;
    find_damage(encoded).map_err(|damage| DataError::image(name, damage))?;
    let bytes = decoder.decode().map_err(|error| DataError::image(name, error))?;
    let [width, height] = size;
    let picture = match info.pixel_format {
        PixelFormat::L8 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
        PixelFormat::CMYK32 => {
            RgbImage::from_raw(width, height, rgb_from_cmyk(&bytes)).map(DynamicImage::from)
        }
        PixelFormat::L16 => None,
    };
    let picture = picture.ok_or_else(|| DataError::image(name, "only JPEGs of 8 bits are read"))?;
    Ok((picture, orientation))
}

fn read_header<R: BufRead>(
    decoder: &mut Decoder<R>,
    name: &str,
) -> Result<(ImageInfo, Orientation), DataError> {
    decoder.read_info().map_err(|error| DataError::image(name, error))?;
    let info = decoder.info().ok_or_else(|| DataError::image(name, "the JPEG ends without a picture"))?;
    Ok((info, exif_orientation(decoder.exif_data())))
}

/// The colors of ink on white, as Pillow sees them: each is what the black ink leaves of the light.
fn rgb_from_cmyk(bytes: &[u8]) -> Vec<u8> {
    let left = |ink: u8, black: u8| {
        let light = 255 - u32::from(black);
        (light - (u32::from(ink) * light + 127) / 255) as u8
    };
    let pixels = bytes.as_chunks::<4>().0.iter();
    pixels.flat_map(|&[c, m, y, black]| [left(c, black), left(m, black), left(y, black)]).collect()
}
