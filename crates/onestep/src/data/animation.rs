//! Animations: pictures one after the other, as GIF.

use std::io::Write;
use std::path::Path;

use ::image::codecs::gif::{GifEncoder, Repeat};
use ::image::{Delay, Frame, RgbaImage};

use super::output::write_whole;
use super::{DataError, ImageShape, Pixels};

/// Writes pictures as an animation that repeats for ever, whole or not at all.
///
/// # Units
///
/// `frame_millis`: how long each picture is shown; browsers show nothing shorter than 20.
///
/// # Errors
///
/// [`DataError::Setting`] if there are no pictures or they differ in size; [`DataError::Write`] if the file cannot be written.
pub fn write_gif(path: &Path, pictures: &[Pixels], frame_millis: u32) -> Result<(), DataError> {
    let wrong = |reason: String| DataError::Setting { setting: "pictures", reason };
    let Some(first) = pictures.first() else {
        return Err(wrong("needs at least one for an animation".to_owned()));
    };
    let size = |picture: &Pixels| (picture.shape().height, picture.shape().width);
    if let Some(other) = pictures.iter().find(|picture| size(picture) != size(first)) {
        return Err(wrong(format!("must be of one size, got {} and {}", first.shape(), other.shape())));
    }
    let mut encoded = Vec::new();
    encode(&mut encoded, pictures, frame_millis).map_err(|error| wrong(error.to_string()))?;
    write_whole(path, |file| file.write_all(&encoded))
}

fn encode(output: &mut Vec<u8>, pictures: &[Pixels], frame_millis: u32) -> ::image::ImageResult<()> {
    // 1 is the slowest and finest choice of colors.
    let mut encoder = GifEncoder::new_with_speed(output, 1);
    encoder.set_repeat(Repeat::Infinite)?;
    for picture in pictures {
        let ImageShape { height, width, .. } = picture.shape();
        let rgb = picture.clone().into_rgb().into_bytes();
        let rgba = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], u8::MAX]).collect();
        let image = RgbaImage::from_raw(width as u32, height as u32, rgba).unwrap_or_default();
        encoder.encode_frame(Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(frame_millis, 1)))?;
    }
    Ok(())
}
