//! Arrays of images as they are kept: which axis is which, and what the numbers stand for.

use super::ImageShape;
use super::decode::on_white;
use super::image::MAX_SIDE;

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    kind: Kind,
    /// Bytes of one number.
    pub(super) size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
}

impl Element {
    /// The type that numpy spells so.
    pub(super) fn of(descr: &str) -> Option<Self> {
        let (order, rest) = descr.split_at_checked(1)?;
        let (kind, size) = rest.split_at_checked(1)?;
        let (kind, sizes): (Kind, &[usize]) = match kind {
            "b" => (Kind::Bool, &[1]),
            "u" => (Kind::Unsigned, &[1, 2, 4, 8]),
            "i" => (Kind::Signed, &[1, 2, 4, 8]),
            "f" => (Kind::Float, &[4, 8]),
            _ => return None,
        };
        let size = size.parse().ok().filter(|size| sizes.contains(size))?;
        Some(Self { kind, size, big_endian: order == ">" })
    }

    /// The number that these bytes are.
    pub(super) fn value(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            wide[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.size as u32;
        match self.kind {
            Kind::Bool | Kind::Unsigned => bits as f64,
            // Shifted up and down again, a negative number keeps its sign.
            Kind::Signed => ((bits << unused) as i64 >> unused) as f64,
            Kind::Float if self.size == 4 => f32::from_bits(bits as u32).into(),
            Kind::Float => f64::from_bits(bits),
        }
    }

    /// Hands each number of `raw` to `body`.
    pub(super) fn for_each(self, raw: &[u8], mut body: impl FnMut(f64)) {
        match (self.kind, self.size, self.big_endian) {
            // What almost all arrays hold.
            (Kind::Float, 4, false) => {
                raw.as_chunks().0.iter().for_each(|&bytes| body(f32::from_le_bytes(bytes).into()));
            }
            (Kind::Float, 8, false) => {
                raw.as_chunks().0.iter().for_each(|&bytes| body(f64::from_le_bytes(bytes)));
            }
            _ => raw.chunks_exact(self.size).for_each(|bytes| body(self.value(bytes))),
        }
    }

    /// Whether its numbers are the bytes of pixels, whatever their values.
    pub(super) fn is_byte(self) -> bool {
        self.kind == Kind::Unsigned && self.size == 1
    }
}

/// What the numbers of pixels stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Bytes, 0 to 255.
    Bytes,
    /// 0 for black to 1 for white.
    Unit,
    /// -1 for black to 1 for white.
    Centered,
    /// 0 to 65,535.
    Wide,
}

impl Scale {
    /// What numbers of this type between these two stand for. Floating-point numbers may be a thousandth off at either end, by
    /// rounding.
    pub(super) fn find(element: Element, least: f64, most: f64) -> Result<Self, String> {
        let is_within = |low: f64, high: f64, slack: f64| low - slack <= least && most <= high + slack;
        match element.kind {
            Kind::Bool => return Ok(Self::Unit),
            Kind::Float if is_within(0.0, 1.0, 1e-3) => return Ok(Self::Unit),
            Kind::Float if is_within(-1.0, 1.0, 1e-3) => return Ok(Self::Centered),
            // Nothing but a few of the darkest levels is more likely a range that is not known here.
            Kind::Float if is_within(0.0, 255.0, 0.5) && most >= 16.0 => return Ok(Self::Bytes),
            Kind::Unsigned | Kind::Signed if is_within(0.0, 255.0, 0.0) => return Ok(Self::Bytes),
            Kind::Unsigned | Kind::Signed if is_within(0.0, 65_535.0, 0.0) && most > 4095.0 => {
                return Ok(Self::Wide);
            }
            _ => {}
        }
        let remedy = if element.kind != Kind::Float && is_within(0.0, 4095.0, 0.0) {
            "12 bits, or 10, in 16? Bring them to 0 to 255 with `(x / x.max() * 255).astype(numpy.uint8)`"
        } else {
            "bring them to 0 to 255 as uint8, or to 0 to 1 or -1 to 1 as float32"
        };
        Err(format!("its values go from {least} to {most}, which is no usual range of pixels; {remedy}"))
    }

    /// The byte that a number stands for.
    fn byte(self, value: f64) -> u8 {
        // A float cast to an integer stays within what the integer holds.
        match self {
            Self::Bytes => value.round() as u8,
            Self::Unit => (value * 255.0).round() as u8,
            Self::Centered => ((value + 1.0) * 127.5).round() as u8,
            Self::Wide => (value / 257.0).round() as u8,
        }
    }

    /// The range, for people.
    pub(super) fn range(self) -> &'static str {
        match self {
            Self::Bytes => "0 to 255",
            Self::Unit => "0 to 1",
            Self::Centered => "-1 to 1",
            Self::Wide => "0 to 65535",
        }
    }
}

/// Which axis of an array is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many images there are.
    pub(super) n_images: usize,
    /// The shape of one, with the channels it has in the array: 4 where there is transparency.
    stored: ImageShape,
    /// Channels come before rows and columns.
    channels_first: bool,
    /// All of the array is one image.
    is_single: bool,
}

impl Layout {
    /// Reads the extents of an array of images.
    ///
    /// Channels are 1, 3 or 4; where they could be the last axis as well as the one before the rows, nobody can know.
    pub(super) fn of(axes: &[usize]) -> Result<Self, String> {
        let is_channels = |axis: usize| matches!(axis, 1 | 3 | 4);
        let layout = |n_images, height, width, channels, channels_first| Self {
            n_images,
            stored: ImageShape { height, width, channels },
            channels_first,
            is_single: axes.len() == 3 && channels > 1,
        };
        let found = match *axes {
            [n, a, b, c] => match (is_channels(a), is_channels(c)) {
                (true, true) if b > 1 => {
                    return Err(format!(
                        "in {axes:?} the channels may be the second axis or the last; save it with \
                         `x.transpose(0, 2, 3, 1)` if they are the second, with `x[..., :1]` or `x[:, :1]` if it is grey"
                    ));
                }
                (_, true) => layout(n, a, b, c, false),
                (true, false) => layout(n, b, c, a, true),
                (false, false) => {
                    return Err(format!(
                        "images must be [n, height, width, channels] or [n, channels, height, width] with 1, 3 or 4 \
                         channels, these are {axes:?}"
                    ));
                }
            },
            // Images of three columns are rarer than one image in color.
            [height, width, channels @ (3 | 4)] if height > 4 && width > 4 => {
                layout(1, height, width, channels, false)
            }
            [channels @ (3 | 4), height, width] if height > 32 && width > 32 => {
                return Err(format!(
                    "{axes:?} may be {channels} grey images or one in color; save it with `x[..., None]` for grey ones, \
                     with `x.transpose(1, 2, 0)[None]` for one in color"
                ));
            }
            [n, height, width] => layout(n, height, width, 1, false),
            _ => {
                return Err(format!(
                    "images must be [n, height, width] or [n, height, width, 1, 3 or 4], these are {axes:?}; \
                     `x.reshape(n, height, width, channels)` gives flat ones their sides"
                ));
            }
        };
        let ImageShape { height, width, .. } = found.stored;
        if height > MAX_SIDE || width > MAX_SIDE {
            return Err(format!("its images are {width}x{height}, over {MAX_SIDE} a side; shrink them"));
        }
        Ok(found)
    }

    /// The numbers of one image in the array.
    pub(super) fn n_stored(self) -> usize {
        self.stored.n_values()
    }

    /// The shape of one image once it is laid on white.
    pub(super) fn shape(self) -> ImageShape {
        ImageShape { channels: if self.stored.channels == 1 { 1 } else { 3 }, ..self.stored }
    }

    /// Whether the numbers lie as pixels do.
    pub(super) fn is_plain(self) -> bool {
        !self.channels_first && self.stored.channels != 4
    }

    /// The bytes of one image, `[height, width, channels]`.
    pub(super) fn pixels(self, raw: &[u8], element: Element, scale: Scale) -> Vec<u8> {
        let ImageShape { height, width, channels } = self.stored;
        let mut bytes = if element.is_byte() { raw.to_vec() } else { Vec::with_capacity(self.n_stored()) };
        if !element.is_byte() {
            element.for_each(raw, |value| bytes.push(scale.byte(value)));
        }
        if self.channels_first {
            let n_pixels = height * width;
            bytes = (0..bytes.len()).map(|i| bytes[i % channels * n_pixels + i / channels]).collect();
        }
        match channels {
            4 => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|&[r, g, b, a]| [r, g, b].map(|x| on_white(x, a)))
                .collect(),
            _ => bytes,
        }
    }

    /// What was understood, for people.
    pub(super) fn describe(self) -> String {
        let n_images = self.n_images;
        let what = match (self.is_single, n_images) {
            (true, _) => "one image in color".to_owned(),
            (false, 1) => "one image".to_owned(),
            (false, _) => format!("{n_images} images"),
        };
        let order = if self.channels_first { ", channels first" } else { "" };
        let white = if self.stored.channels == 4 { ", laid on white" } else { "" };
        format!("{what} of {}{order}{white}", self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(descr: &str) -> Element {
        Element::of(descr).unwrap()
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        for (descr, bytes, value) in [
            ("|u1", &[200u8][..], 200.0),
            ("|i1", &[200], -56.0),
            ("|b1", &[1], 1.0),
            ("<u2", &[1, 2], 513.0),
            (">u2", &[1, 2], 258.0),
            ("<i4", &(-7i32).to_le_bytes(), -7.0),
            (">i8", &(-7i64).to_be_bytes(), -7.0),
            ("<f4", &0.25f32.to_le_bytes(), 0.25),
            (">f8", &(-0.75f64).to_be_bytes(), -0.75),
        ] {
            assert_eq!(element(descr).value(bytes), value, "{descr}");
        }
        for descr in ["", "|O", "<U5", "<f2", "<c8", "<u3", "<f"] {
            assert_eq!(Element::of(descr), None, "{descr}");
        }
    }

    #[test]
    fn ranges_are_found_or_refused() {
        let float = element("<f4");
        for (element, least, most, scale) in [
            (float, 0.0, 1.0, Scale::Unit),
            (float, -1.0, 1.0, Scale::Centered),
            (float, -0.2, 0.9, Scale::Centered),
            (float, 0.0, 255.0, Scale::Bytes),
            (element("<i8"), 0.0, 255.0, Scale::Bytes),
            (element("<u2"), 0.0, 60_000.0, Scale::Wide),
            (element("|b1"), 0.0, 1.0, Scale::Unit),
        ] {
            assert_eq!(Scale::find(element, least, most), Ok(scale), "{least} to {most}");
        }
        for (element, least, most, part) in [
            (float, -3.0, 3.0, "-1 to 1"),
            (float, 0.0, 1.4, "0 to 1.4"),
            (float, -255.0, 255.0, "0 to 255"),
            (element("<u2"), 0.0, 3000.0, "12 bits"),
            (element("<i4"), -1.0, 255.0, "-1"),
        ] {
            let refusal = Scale::find(element, least, most).unwrap_err();
            assert!(refusal.contains(part), "{refusal}");
        }
        assert_eq!([0.0, 0.5, 1.0].map(|x| Scale::Unit.byte(x)), [0, 128, 255]);
        assert_eq!([-1.0, 0.0, 1.0, 1.0005].map(|x| Scale::Centered.byte(x)), [0, 128, 255, 255]);
        assert_eq!([0.0, 257.0, 65_535.0].map(|x| Scale::Wide.byte(x)), [0, 1, 255]);
    }

    #[test]
    fn axes_are_told_apart_or_refused() {
        for (axes, n_images, size, channels) in [
            (&[7, 28, 28][..], 7, (28, 28), 1),
            (&[7, 32, 30, 3], 7, (32, 30), 3),
            (&[7, 3, 32, 30], 7, (32, 30), 3),
            (&[7, 1, 32, 30], 7, (32, 30), 1),
            (&[7, 32, 30, 4], 7, (32, 30), 3),
            (&[16, 16, 3], 1, (16, 16), 3),
            (&[3, 16, 16], 3, (16, 16), 1),
        ] {
            let layout = Layout::of(axes).unwrap();
            let shape = layout.shape();
            assert_eq!(
                (layout.n_images, (shape.height, shape.width), shape.channels),
                (n_images, size, channels)
            );
        }
        for axes in [&[7, 3, 32, 3][..], &[3, 64, 64], &[7, 784], &[7, 2, 2, 2], &[1, 20_000, 8, 3], &[5]] {
            assert!(Layout::of(axes).is_err(), "{axes:?}");
        }
    }
}
