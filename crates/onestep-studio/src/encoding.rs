//! Pictures that go out: enlarged to the size that was asked for, and as the file format that was asked for.

use std::io::Cursor;

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use onestep::data::picture::encode_png;
use onestep::data::{ImageShape, Pixels};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// The largest number of times that a pixel is enlarged.
const MOST_TIMES: usize = 64;

/// The widest and highest picture that goes out.
const MOST_SIDE: usize = 1024;

/// A file format of pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    /// Without loss, and with what makes the picture again.
    #[default]
    Png,
    /// With loss.
    Jpeg,
    /// Without loss.
    Webp,
}

impl FileFormat {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// A picture as bytes. `quality`, 1 to 100, is for JPEG; `parameters` are for PNG.
    pub fn encode(self, picture: &Pixels, quality: u8, parameters: Option<&str>) -> Result<Vec<u8>, Refusal> {
        let ImageShape { height, width, channels } = picture.shape();
        let mut encoded = Vec::new();
        let done = match self {
            Self::Png => {
                encoded = encode_png(picture, parameters).map_err(|_| Refusal::internal())?;
                true
            }
            Self::Jpeg => {
                let color =
                    if channels == 1 { jpeg_encoder::ColorType::Luma } else { jpeg_encoder::ColorType::Rgb };
                jpeg_encoder::Encoder::new(&mut encoded, quality.clamp(1, 100))
                    .encode(picture.bytes(), width as u16, height as u16, color)
                    .is_ok()
            }
            Self::Webp => {
                let picture = picture.clone().into_rgb();
                WebPEncoder::new_lossless(Cursor::new(&mut encoded))
                    .write_image(picture.bytes(), width as u32, height as u32, ExtendedColorType::Rgb8)
                    .is_ok()
            }
        };
        if done { Ok(encoded) } else { Err(Refusal::internal()) }
    }
}

/// How many times the pixels of a model's images are enlarged to the size that was asked for: `auto`, or `WIDTHxHEIGHT`.
pub(crate) fn times(size: Option<&str>, height: usize, width: usize) -> Result<usize, Refusal> {
    let Some(size) = size.filter(|size| !matches!(*size, "" | "auto")) else { return Ok(1) };
    let sides =
        size.split_once('x').and_then(|(w, h)| Some((w.parse::<usize>().ok()?, h.parse::<usize>().ok()?)));
    let fits = |(w, h): (usize, usize)| {
        let times = w / width.max(1);
        ((1..=MOST_TIMES).contains(&times)
            && w.max(h) <= MOST_SIDE
            && w == width * times
            && h == height * times)
            .then_some(times)
    };
    sides.and_then(fits).ok_or_else(|| {
        let some: Vec<String> =
            [1, 2, 4, 8, 16].map(|times| format!("{}x{}", width * times, height * times)).into();
        Refusal::field(
            "size",
            format!(
                "this model draws {width}x{height}: `size` is auto or a multiple of it, {}",
                some.join(", ")
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_the_model_s() {
        assert_eq!(times(None, 16, 16), Ok(1));
        assert_eq!(times(Some("auto"), 16, 16), Ok(1));
        assert_eq!(times(Some("256x256"), 16, 16), Ok(16));
        assert_eq!(times(Some("64x32"), 16, 32), Ok(2));
        for wrong in ["1x1", "100x100", "256x128", "16", "16x", "0x0", "99999999999999999999x1", "8192x8192"]
        {
            assert!(times(Some(wrong), 16, 16).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_format_is_read_back() {
        let shape = ImageShape { height: 8, width: 8, channels: 3 };
        let picture = Pixels::new(shape, (0..shape.n_values()).map(|value| value as u8).collect()).unwrap();
        for format in [FileFormat::Png, FileFormat::Jpeg, FileFormat::Webp] {
            let encoded = format.encode(&picture, 100, None).unwrap();
            let again = Pixels::decode(&encoded, "again").unwrap();
            assert_eq!(again.shape(), shape);
            if format != FileFormat::Jpeg {
                assert_eq!(again, picture);
            }
        }
    }
}
