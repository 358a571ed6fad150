//! Masks: which pixels of a picture are to be filled in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EditError, Picture};

/// Opacity from which on a pixel is opaque, and brightness from which on it is white.
const HALF: u8 = 128;

/// How far the values of one color may lie apart: painting programs round, and some files are compressed with loss.
const ONE_COLOR: u8 = 8;

/// What in a mask marks the pixels that are to be filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskMarks {
    /// Found out from the mask. In one without transparency, white marks. In one with transparency, colors do not count: where
    /// the opaque part has one color, such as white or black, it was drawn to mark, and marks; where it has several, the mask
    /// is a picture with a hole, and the hole marks.
    #[default]
    Auto,
    /// What is opaque.
    Opaque,
    /// What is transparent.
    Transparent,
    /// What is white, on white where it is transparent.
    White,
}

impl fmt::Display for MaskMarks {
    /// As it is typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Opaque => "opaque",
            Self::Transparent => "transparent",
            Self::White => "white",
        })
    }
}

impl MaskMarks {
    /// What marks in this mask.
    fn settled(self, mask: &Picture) -> Self {
        if self != Self::Auto {
            return self;
        }
        match mask.alpha().filter(|alpha| alpha.iter().any(|&alpha| alpha < HALF)) {
            None => Self::White,
            Some(alpha) if has_one_color(mask, alpha) => Self::Opaque,
            Some(_) => Self::Transparent,
        }
    }
}

/// The pixels to be filled in.
pub(super) struct Marked {
    /// `[height, width]` of the picture.
    pub(super) pixels: Vec<bool>,
    /// What marked them, where there is a mask.
    pub(super) by: Option<MaskMarks>,
}

/// The pixels that a mask marks, or, without one, those that are transparent in the picture itself.
pub(super) fn marked(image: &Picture, mask: Option<&Picture>, marks: MaskMarks) -> Result<Marked, EditError> {
    let (mask, by) = match mask {
        Some(mask) if mask.size() != image.size() => {
            return Err(EditError::MaskOfPicture {
                mask: mask.to_string(),
                mask_size: mask.size(),
                picture: image.to_string(),
                picture_size: image.size(),
            });
        }
        Some(mask) => (mask, Some(marks.settled(mask))),
        None if image.alpha().is_none() => return Err(EditError::Opaque { picture: image.to_string() }),
        None => (image, None),
    };
    let n_pixels = mask.size().0 * mask.size().1;
    let opaque =
        || mask.alpha().map_or(vec![true; n_pixels], |alpha| alpha.iter().map(|&a| a >= HALF).collect());
    let pixels: Vec<bool> = match by {
        Some(MaskMarks::Opaque) => opaque(),
        Some(MaskMarks::White | MaskMarks::Auto) => {
            mask.pixels().clone().into_grey().bytes().iter().map(|&byte| byte >= HALF).collect()
        }
        Some(MaskMarks::Transparent) | None => opaque().into_iter().map(|opaque| !opaque).collect(),
    };
    if !pixels.contains(&true) {
        return Err(EditError::NothingMarked { picture: mask.to_string() });
    }
    Ok(Marked { pixels, by })
}

/// Whether all that is wholly opaque has one color. What is half transparent, as the borders of a brush are, was mixed with
/// white when the picture was decoded.
fn has_one_color(mask: &Picture, alpha: &[u8]) -> bool {
    let channels = mask.pixels().shape().channels;
    let pixels = mask.pixels().bytes().chunks_exact(channels).zip(alpha);
    let mut opaque = pixels.filter(|&(_, &alpha)| alpha == u8::MAX).map(|(pixel, _)| pixel);
    let Some(first) = opaque.next() else { return false };
    let (mut least, mut most) = (first.to_vec(), first.to_vec());
    for pixel in opaque {
        for (channel, &value) in pixel.iter().enumerate() {
            least[channel] = least[channel].min(value);
            most[channel] = most[channel].max(value);
        }
    }
    least.iter().zip(&most).all(|(least, most)| most - least <= ONE_COLOR)
}
