//! One frame of AV1 and its colors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use re_rav1d::dav1d::pixel::YUVRange;
use re_rav1d::dav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::unsupported;
use crate::data::DataError;

/// How colors are coded, by the codes of ITU-T H.273.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    /// The code of the matrix coefficients.
    pub(super) matrix: u16,
    /// Whether all values are used, or of 8 bits 16 to 235 (chroma: 240) only.
    pub(super) full_range: bool,
}

/// The code that says nothing of the matrix; BT.601 is taken, as libavif does.
const UNSPECIFIED: u16 = 2;

/// The code that the standard leaves free.
const RESERVED: u16 = 3;

/// What the three planes of a picture mean.
enum Matrix {
    /// Green, blue and red as they are.
    Identity,
    /// Luma, and how far green lies above purple and red above blue.
    YCgCo,
    /// Luma, of which these are the parts of red and blue, and how far blue and red lie above it.
    YCbCr(f32, f32),
}

impl Matrix {
    fn of(code: u16) -> Option<Self> {
        Some(match code {
            0 => Self::Identity,
            1 => Self::YCbCr(0.2126, 0.0722),
            UNSPECIFIED | 5 | 6 => Self::YCbCr(0.299, 0.114),
            4 => Self::YCbCr(0.30, 0.11),
            7 => Self::YCbCr(0.212, 0.087),
            8 => Self::YCgCo,
            9 => Self::YCbCr(0.2627, 0.0593),
            _ => return None,
        })
    }

    /// Red, green and blue from 0 to 1, of samples.
    fn rgb(&self, range: &Range, luma: f32, [first, second]: [f32; 2]) -> [f32; 3] {
        let light = range.light(luma);
        let (u, v) = (range.tint(first), range.tint(second));
        match *self {
            Self::Identity => [range.light(second), light, range.light(first)],
            Self::YCgCo => [light - u + v, light + u, light - u - v],
            Self::YCbCr(red, blue) => {
                let (above_blue, above_red) = (2.0 * (1.0 - blue) * u, 2.0 * (1.0 - red) * v);
                let green = light - (red * above_red + blue * above_blue) / (1.0 - red - blue);
                [light + above_red, green, light + above_blue]
            }
        }
    }
}

/// Which samples stand for which light.
struct Range {
    black: f32,
    white: f32,
    /// Of chroma: no color.
    middle: f32,
    /// Of chroma: from the least to the most.
    extent: f32,
}

impl Range {
    fn new(bits: u32, is_full: bool) -> Self {
        let of_8_bits = |value: u32| (value << (bits - 8)) as f32;
        let most = ((1 << bits) - 1) as f32;
        let middle = of_8_bits(128);
        if is_full {
            Self { black: 0.0, white: most, middle, extent: most }
        } else {
            Self { black: of_8_bits(16), white: of_8_bits(235), middle, extent: of_8_bits(224) }
        }
    }

    fn light(&self, sample: f32) -> f32 {
        (sample - self.black) / (self.white - self.black)
    }

    fn tint(&self, sample: f32) -> f32 {
        (sample - self.middle) / self.extent
    }
}

/// A plane of samples, as many as there are pixels or half as many along a side.
struct Plane {
    samples: Vec<u16>,
    width: usize,
    height: usize,
    is_halved_across: bool,
    is_halved_down: bool,
}

impl Plane {
    fn of(picture: &Picture, component: PlanarImageComponent) -> Self {
        let layout = picture.pixel_layout();
        let is_luma = component == PlanarImageComponent::Y;
        let is_halved_across = !is_luma && matches!(layout, PixelLayout::I420 | PixelLayout::I422);
        let is_halved_down = !is_luma && layout == PixelLayout::I420;
        let side = |n: u32, is_halved| if is_halved { n.div_ceil(2) as usize } else { n as usize };
        let (width, height) =
            (side(picture.width(), is_halved_across), side(picture.height(), is_halved_down));
        let plane = picture.plane(component);
        let rows = plane.chunks(picture.stride(component) as usize).take(height);
        let samples = if picture.bit_depth() > 8 {
            rows.flat_map(|row| &row.as_chunks().0[..width]).map(|&bytes| u16::from_ne_bytes(bytes)).collect()
        } else {
            rows.flat_map(|row| &row[..width]).map(|&byte| byte.into()).collect()
        };
        Self { samples, width, height, is_halved_across, is_halved_down }
    }

    /// A row of pixels. What is halved lies between two pixels: three parts of the nearer sample and one of the next but that.
    fn row(&self, y: usize, n: usize) -> impl Iterator<Item = f32> {
        let line = |y: usize| &self.samples[y * self.width..][..self.width];
        let [near, far] = nearest(y, self.height, self.is_halved_down).map(line);
        (0..n).map(move |x| {
            let [here, there] = nearest(x, self.width, self.is_halved_across);
            let down = |x: usize| 3 * u32::from(near[x]) + u32::from(far[x]);
            (3 * down(here) + down(there)) as f32 / 16.0
        })
    }
}

/// The nearer and the farther of the two samples that a pixel lies between, by their places among `n`.
fn nearest(pixel: usize, n: usize, is_halved: bool) -> [usize; 2] {
    let near = pixel / 2;
    match (is_halved, pixel % 2) {
        (false, _) => [pixel; 2],
        (true, 0) => [near, near.saturating_sub(1)],
        (true, _) => [near, (near + 1).min(n - 1)],
    }
}

/// One decoded frame.
pub(super) struct Frame {
    luma: Plane,
    chroma: Option<[Plane; 2]>,
    bits: u32,
    full_range: bool,
    picture: Picture,
}

impl Frame {
    /// Decodes AV1 of one picture of this width and height.
    pub(super) fn decode(data: &[u8], size: [u32; 2], name: &str) -> Result<Self, DataError> {
        let damaged = |error: String| DataError::image(name, error);
        let picture = last_picture(data, size)
            .map_err(|error| damaged(format!("its AV1 is damaged or cut short ({error})")))?
            .ok_or_else(|| damaged("its AV1 holds no picture".to_owned()))?;
        if [picture.width(), picture.height()] != size {
            return Err(damaged("its parts differ in size".to_owned()));
        }
        let chroma = || [PlanarImageComponent::U, PlanarImageComponent::V].map(|c| Plane::of(&picture, c));
        Ok(Self {
            luma: Plane::of(&picture, PlanarImageComponent::Y),
            chroma: (picture.pixel_layout() != PixelLayout::I400).then(chroma),
            bits: picture.bit_depth() as u32,
            full_range: picture.color_range() == YUVRange::Full,
            picture,
        })
    }

    pub(super) fn is_grey(&self) -> bool {
        self.chroma.is_none()
    }

    /// Its luma alone, a byte for each pixel.
    pub(super) fn luma(&self) -> Vec<u8> {
        self.luma_of(&Range::new(self.bits, self.full_range))
    }

    /// Grey, or red, green and blue, a byte each; what the container says of their coding goes before what the frame says.
    pub(super) fn colors(&self, coding: Option<Coding>, name: &str) -> Result<Vec<u8>, DataError> {
        let range = Range::new(self.bits, coding.map_or(self.full_range, |coding| coding.full_range));
        let Some([first, second]) = &self.chroma else {
            return Ok(self.luma_of(&range));
        };
        let said = coding.map(|coding| coding.matrix).filter(|&code| code != UNSPECIFIED);
        let code = said.unwrap_or_else(|| self.matrix());
        let matrix = Matrix::of(code)
            .ok_or_else(|| unsupported(name, &format!("codes its colors by matrix {code} of H.273")))?;
        let width = self.luma.width;
        let mut bytes = Vec::with_capacity(3 * self.luma.samples.len());
        for (y, luma) in self.luma.samples.chunks(width).enumerate() {
            let chroma = first.row(y, width).zip(second.row(y, width));
            let pixels = luma.iter().zip(chroma);
            bytes.extend(pixels.flat_map(|(&y, (u, v))| matrix.rgb(&range, y.into(), [u, v]).map(byte)));
        }
        Ok(bytes)
    }

    /// The code of the matrix coefficients by the AV1 itself.
    fn matrix(&self) -> u16 {
        // The decoder panics at the one code that the standard leaves free.
        let code = catch_unwind(AssertUnwindSafe(|| self.picture.matrix_coefficients() as u16));
        code.unwrap_or(RESERVED)
    }

    fn luma_of(&self, range: &Range) -> Vec<u8> {
        self.luma.samples.iter().map(|&sample| byte(range.light(sample.into()))).collect()
    }
}

/// Rounded, and what is beyond black or white brought there.
fn byte(light: f32) -> u8 {
    (light * 255.0 + 0.5) as u8
}

/// Decodes AV1 to its last picture: what comes before it are coarser layers of the same.
fn last_picture(data: &[u8], [width, height]: [u32; 2]) -> Result<Option<Picture>, Error> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(width * height);
    // AV1 has no checksum, but ends where the standard says if nothing in it is damaged: this looks.
    settings.set_strict_std_compliance(true);
    let mut decoder = Decoder::with_settings(&settings)?;
    let mut last = None;
    let mut sent = decoder.send_data(data.to_vec(), None, None, None);
    loop {
        let is_all_sent = match sent {
            Ok(()) => true,
            Err(Error::Again) => false,
            Err(error) => return Err(error),
        };
        match decoder.get_picture() {
            Ok(picture) => last = Some(picture),
            Err(Error::Again) if is_all_sent => return Ok(last),
            Err(Error::Again) => (),
            Err(error) => return Err(error),
        }
        sent = decoder.send_pending_data();
    }
}
