//! AVIF pictures: AV1 in a container that says what is to be seen of it, and which way up.

mod frame;

use std::io::{BufRead, Read};

use ::image::metadata::Orientation;
use ::image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use zenavif_parse::{AvifParser, CleanAperture, ColorInformation};

use frame::{Coding, Frame};

use super::DataError;
use super::picture_header::{MAX_ENCODED, check_size};

/// Returns width, height and how the picture is to be turned; nothing is decoded.
pub(super) fn header(encoded: impl BufRead, name: &str) -> Result<([u32; 2], Orientation), DataError> {
    let mut bytes = Vec::new();
    encoded.take(MAX_ENCODED).read_to_end(&mut bytes).map_err(|error| DataError::image(name, error))?;
    let container = Container::read(&bytes, name)?;
    Ok(([container.seen.width, container.seen.height], container.orientation))
}

/// Decodes an AVIF; of a moving one, the picture that stands for it.
pub(super) fn decode(encoded: &[u8], name: &str) -> Result<(DynamicImage, Orientation), DataError> {
    let container = Container::read(encoded, name)?;
    check_size(container.size, container.bytes_per_pixel, name)?;
    let picture = container.decode(name)?;
    let Part { left, top, width, height } = container.seen;
    let picture =
        if [width, height] == container.size { picture } else { picture.crop_imm(left, top, width, height) };
    Ok((picture, container.orientation))
}

/// What is to be seen of a picture.
struct Part {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// What the container holds.
struct Container {
    color: Vec<u8>,
    alpha: Option<Vec<u8>>,
    /// Whether the colors are multiplied by how opaque they are.
    premultiplied: bool,
    /// How colors are coded, where that is said outside of the AV1.
    coding: Option<Coding>,
    /// Width and height as coded.
    size: [u32; 2],
    /// Of what the decoder makes of it.
    bytes_per_pixel: usize,
    seen: Part,
    orientation: Orientation,
}

impl Container {
    fn read(encoded: &[u8], name: &str) -> Result<Self, DataError> {
        let damaged = |error| DataError::image(name, error);
        let parser = AvifParser::from_bytes(encoded).map_err(damaged)?;
        if parser.grid_config().is_some() {
            return Err(unsupported(name, "is put together from several pictures"));
        }
        let metadata = parser.primary_metadata().map_err(damaged)?;
        let size = [metadata.max_frame_width.get(), metadata.max_frame_height.get()];
        let alpha = parser.alpha_data().transpose().map_err(damaged)?;
        let channels = if metadata.monochrome { 1 } else { 3 } + usize::from(alpha.is_some());
        let coding = match parser.color_info() {
            Some(&ColorInformation::Nclx { matrix_coefficients, full_range, .. }) => {
                Some(Coding { matrix: matrix_coefficients, full_range })
            }
            _ => None,
        };
        let seen = part_seen(parser.clean_aperture(), size)
            .ok_or_else(|| DataError::image(name, "what is to be seen of it does not lie on its pixels"))?;
        let angle = parser.rotation().map_or(0, |rotation| rotation.angle);
        Ok(Self {
            color: parser.primary_data().map_err(damaged)?.into_owned(),
            alpha: alpha.map(|alpha| alpha.into_owned()),
            premultiplied: parser.premultiplied_alpha(),
            coding,
            size,
            bytes_per_pixel: channels * if metadata.bit_depth > 8 { 2 } else { 1 },
            seen,
            orientation: orientation(angle, parser.mirror().map(|mirror| mirror.axis)),
        })
    }

    /// The picture as it is coded, whole and not turned.
    fn decode(&self, name: &str) -> Result<DynamicImage, DataError> {
        let [width, height] = self.size;
        let frame = Frame::decode(&self.color, self.size, name)?;
        let n_colors = if frame.is_grey() { 1 } else { 3 };
        let mut bytes = frame.colors(self.coding, name)?;
        if let Some(alpha) = &self.alpha {
            let alpha = Frame::decode(alpha, self.size, name)?.luma();
            let pixels = bytes.chunks_exact(n_colors).zip(alpha);
            bytes = pixels
                .flat_map(|(colors, alpha)| {
                    let color =
                        move |&color| if self.premultiplied { undivided(color, alpha) } else { color };
                    colors.iter().map(color).chain([alpha])
                })
                .collect();
        }
        let picture = match (n_colors, &self.alpha) {
            (1, None) => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
            (1, Some(_)) => GrayAlphaImage::from_raw(width, height, bytes).map(DynamicImage::from),
            (_, None) => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
            (_, Some(_)) => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::from),
        };
        picture.ok_or_else(|| DataError::image(name, "there are too few pixels in it"))
    }
}

/// A correct AVIF of a kind that is not read.
fn unsupported(name: &str, what: &str) -> DataError {
    let reason = format!(
        "this AVIF picture {what}, which is not read; `magick a.avif a.png` or `avifdec a.avif a.png` makes a PNG of it"
    );
    DataError::unsupported(name, reason)
}

/// A color before it was multiplied by how opaque it is.
fn undivided(color: u8, alpha: u8) -> u8 {
    let (color, alpha) = (u32::from(color), u32::from(alpha));
    (color * 255 + alpha / 2).checked_div(alpha).unwrap_or(0).min(255) as u8
}

/// The clean aperture, which lies about the middle; none where its sides are not at the sides of pixels.
fn part_seen(aperture: Option<&CleanAperture>, [width, height]: [u32; 2]) -> Option<Part> {
    let Some(aperture) = aperture else {
        return Some(Part { left: 0, top: 0, width, height });
    };
    let (left, width) =
        interval(width, (aperture.width_n, aperture.width_d), (aperture.horiz_off_n, aperture.horiz_off_d))?;
    let (top, height) =
        interval(height, (aperture.height_n, aperture.height_d), (aperture.vert_off_n, aperture.vert_off_d))?;
    Some(Part { left, top, width, height })
}

/// Start and length of one side of the aperture: its length and how far its middle lies from that of `whole`, as fractions.
fn interval(whole: u32, length: (u32, u32), offset: (i32, u32)) -> Option<(u32, u32)> {
    let exact = |numerator: i128, denominator: i128| {
        (denominator > 0 && numerator % denominator == 0).then(|| numerator / denominator)
    };
    let whole = i128::from(whole);
    let (length_n, length_d) = (i128::from(length.0), i128::from(length.1));
    let (offset_n, offset_d) = (i128::from(offset.0), i128::from(offset.1));
    let length = exact(length_n, length_d)?;
    let start = exact((whole - length) * offset_d + 2 * offset_n, 2 * offset_d)?;
    (length > 0 && start >= 0 && start + length <= whole).then_some((start as u32, length as u32))
}

/// Degrees turned against the clock, then mirrored: top and bottom are exchanged by 0, left and right by 1.
fn orientation(angle: u16, mirror: Option<u8>) -> Orientation {
    match (angle, mirror) {
        (90, None) => Orientation::Rotate270,
        (180, None) => Orientation::Rotate180,
        (270, None) => Orientation::Rotate90,
        (_, None) => Orientation::NoTransforms,
        (90, Some(0)) => Orientation::Rotate90FlipH,
        (90, Some(_)) => Orientation::Rotate270FlipH,
        (180, Some(0)) => Orientation::FlipHorizontal,
        (180, Some(_)) => Orientation::FlipVertical,
        (270, Some(0)) => Orientation::Rotate270FlipH,
        (270, Some(_)) => Orientation::Rotate90FlipH,
        (_, Some(0)) => Orientation::FlipVertical,
        (_, Some(_)) => Orientation::FlipHorizontal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_lies_about_the_middle_and_on_pixels() {
        assert_eq!(interval(10, (6, 1), (0, 1)), Some((2, 6)));
        assert_eq!(interval(10, (12, 2), (-2, 1)), Some((0, 6)));
        assert_eq!(interval(11, (6, 1), (1, 2)), Some((3, 6)));
        for (length, offset) in [
            ((6, 1), (1, 2)),
            ((13, 2), (0, 1)),
            ((6, 1), (3, 1)),
            ((0, 1), (0, 1)),
            ((6, 0), (0, 1)),
            ((6, 1), (0, 0)),
        ] {
            assert_eq!(interval(10, length, offset), None, "{length:?} {offset:?}");
        }
    }

    /// By where a turn and a mirroring, one after the other, bring the corners.
    #[test]
    fn turned_against_the_clock_and_then_mirrored() {
        let corners = || DynamicImage::from(GrayImage::from_raw(2, 2, vec![1, 2, 3, 4]).unwrap());
        for angle in [0, 90, 180, 270] {
            for mirror in [None, Some(0), Some(1)] {
                let mut picture = corners();
                picture.apply_orientation(orientation(angle, mirror));
                let mut expected = corners();
                for _ in 0..angle / 90 {
                    let [a, b, c, d] = expected.as_bytes() else { unreachable!("four corners") };
                    expected = GrayImage::from_raw(2, 2, vec![*b, *d, *a, *c]).unwrap().into();
                }
                expected = match mirror {
                    None => expected,
                    Some(0) => expected.flipv(),
                    Some(_) => expected.fliph(),
                };
                assert_eq!(picture.as_bytes(), expected.as_bytes(), "{angle} {mirror:?}");
            }
        }
    }
}
