//! Pictures of drawings.

use std::collections::HashSet;

use rayon::prelude::*;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{ImageHrefResolver, Options, Tree};
use sha2::{Digest, Sha256};

use crate::{Icon, IconError};

/// Every pixel is the mean of so many by so many, so that thin lines, blurs and seams come out as they should.
const FINER: u32 = 4;

/// How many drawings are under way at once.
const BATCH: usize = 256;

/// Drawings that no picture was made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Their pixels are those of one before.
    pub equal: usize,
    /// There is nothing to be seen: all is white.
    pub blank: usize,
}

/// Draws icons on white, and hands the pictures on in the order of the icons; those that are equal, pixel for pixel, to one before are
/// passed over, and so are those that show nothing.
///
/// `each` is given the place of an icon, the icon, and its picture.
///
/// # Shapes
///
/// A picture is `[size, size, 3]`, row by row, red, green and blue, 0 to 255.
///
/// # Errors
///
/// - [`IconError::Size`] unless `size` is from 8 to 512.
/// - [`IconError::Drawing`] for the first that is no SVG.
/// - What `each` returns; it is not called again then.
pub fn draw<'a, E: From<IconError>>(
    icons: &[Icon<'a>],
    size: u32,
    mut each: impl FnMut(usize, &Icon<'a>, Vec<u8>) -> Result<(), E>,
) -> Result<LeftOut, E> {
    if !(8..=512).contains(&size) {
        return Err(IconError::Size { size }.into());
    }
    let (mut seen, mut left_out) = (HashSet::new(), LeftOut::default());
    for (first, batch) in icons.chunks(BATCH).enumerate() {
        let pictures: Vec<Vec<u8>> =
            batch.par_iter().map(|icon| picture(icon, size)).collect::<Result<_, IconError>>()?;
        for (place, (icon, rgb)) in batch.iter().zip(pictures).enumerate() {
            let digest: [u8; 32] = Sha256::digest(&rgb).into();
            if rgb.iter().all(|&value| value == u8::MAX) {
                left_out.blank += 1;
            } else if !seen.insert(digest) {
                left_out.equal += 1;
            } else {
                each(first * BATCH + place, icon, rgb)?;
            }
        }
    }
    Ok(left_out)
}

/// One drawing on white.
fn picture(icon: &Icon<'_>, size: u32) -> Result<Vec<u8>, IconError> {
    let failed = |reason: String| IconError::Drawing { icon: icon.full_name(), reason };
    // A drawing may name pictures; none is looked for, here or elsewhere.
    let image_href_resolver =
        ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let options = Options { image_href_resolver, ..Options::default() };
    let tree = Tree::from_str(&icon.svg(), &options).map_err(|error| failed(error.to_string()))?;
    let side = size * FINER;
    let mut pixmap = Pixmap::new(side, side).ok_or_else(|| failed("it is too large".to_owned()))?;
    let scale = side as f32 / tree.size().width();
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    Ok(on_white(pixmap.data(), size as usize))
}

/// The means of squares of [`FINER`] by [`FINER`] pixels, whose colors are multiplied by their opacity already, on white.
fn on_white(rgba: &[u8], size: usize) -> Vec<u8> {
    const N: usize = FINER as usize;
    let mut rgb = Vec::with_capacity(size * size * 3);
    let (mut rows, row_bytes) = (rgba.chunks_exact(size * N * N * 4), size * N * 4);
    for rows in rows.by_ref() {
        for column in 0..size {
            let mut sums = [0_usize; 3];
            for row in rows.chunks_exact(row_bytes) {
                for pixel in row[column * N * 4..][..N * 4].chunks_exact(4) {
                    let white = usize::from(u8::MAX - pixel[3]);
                    for (sum, &value) in sums.iter_mut().zip(pixel) {
                        *sum += usize::from(value) + white;
                    }
                }
            }
            rgb.extend(sums.map(|sum| ((sum + N * N / 2) / (N * N)).min(255) as u8));
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_half_there_is_half_white() {
        // One pixel of the picture: half of it black, half nothing; and one of red that is half there.
        let black_half: Vec<u8> =
            (0..4).flat_map(|_| [[0, 0, 0, 255], [0, 0, 0, 0]].concat().repeat(2)).collect();
        assert_eq!(on_white(&black_half, 1), [128; 3]);
        assert_eq!(on_white(&[128, 0, 0, 128].repeat(16), 1), [255, 127, 127]);
        assert_eq!(on_white(&[0; 64], 1), [255; 3]);
    }
}
