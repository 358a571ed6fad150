//! Paint on pixels, in bytes, with the rounding of the renderer that the pictures are compared with.
//!
//! Pixels are bytes there too, premultiplied, and a product of two bytes is divided by 255 as `(product + 255) / 256`. A part
//! with a mask is painted on a layer of its own, which the mask thins out and which is then laid over the picture with single
//! precision.
//!
//! # Source
//!
//! tiny-skia 0.12 (`pipeline/lowp.rs`, `pipeline/highp.rs`, `mask.rs`) and resvg 0.49 (`mask.rs`), read for their formulas.

/// Red, green and blue.
pub(crate) type Rgb = [u8; 3];

/// White.
pub(crate) const WHITE: Rgb = [255; 3];

/// A palette of the part set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Palette {
    Skin,
    Accessories,
    Clothing,
    Eyes,
    Glasses,
    Mouth,
    Hair,
    Hat,
}

impl Palette {
    pub(crate) const ALL: [Self; 8] = [
        Self::Skin,
        Self::Accessories,
        Self::Clothing,
        Self::Eyes,
        Self::Glasses,
        Self::Mouth,
        Self::Hair,
        Self::Hat,
    ];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Skin => "skin",
            Self::Accessories => "accessories",
            Self::Clothing => "clothing",
            Self::Eyes => "eyes",
            Self::Glasses => "glasses",
            Self::Mouth => "mouth",
            Self::Hair => "hair",
            Self::Hat => "hat",
        }
    }
}

/// What a fill is painted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Paint {
    White,
    Black,
    /// A color that the portrait chooses from a palette.
    From(Palette),
}

impl Paint {
    fn color(self, colors: &impl Fn(Palette) -> Rgb) -> Rgb {
        match self {
            Self::White => WHITE,
            Self::Black => [0; 3],
            Self::From(palette) => colors(palette),
        }
    }
}

/// One coat of paint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Coat {
    pub(crate) paint: Paint,
    /// 255 is opaque.
    pub(crate) alpha: u8,
}

impl Coat {
    /// Lays the coat on a premultiplied pixel.
    fn over(self, below: [u8; 4], colors: &impl Fn(Palette) -> Rgb) -> [u8; 4] {
        let [red, green, blue] = self.paint.color(colors);
        let own = [red, green, blue, 255].map(|value| premultiplied(value, self.alpha));
        let left = 255 - self.alpha;
        std::array::from_fn(|channel| own[channel] + product(below[channel], left))
    }
}

/// All that a part does to one of its pixels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tone {
    /// From below to above; an opaque one is the first.
    pub(crate) coats: Vec<Coat>,
    /// The paint whose luminance says how much of the coats is seen, and the share of it in 1/1000.
    pub(crate) mask: Option<(Paint, u16)>,
}

impl Tone {
    /// Whether nothing of what was there before is seen.
    pub(crate) fn is_opaque(&self) -> bool {
        self.mask.is_none() && self.coats.first().is_some_and(|coat| coat.alpha == 255)
    }

    /// Whether a palette has a say in it.
    pub(crate) fn uses(&self, palette: Palette) -> bool {
        let paints = self.coats.iter().map(|coat| coat.paint).chain(self.mask.map(|(paint, _)| paint));
        paints.into_iter().any(|paint| paint == Paint::From(palette))
    }

    /// Paints a pixel of the picture, which is opaque.
    pub(crate) fn over(&self, below: Rgb, colors: &impl Fn(Palette) -> Rgb) -> Rgb {
        let [red, green, blue] = below;
        let Some((paint, permille)) = self.mask else {
            let painted =
                self.coats.iter().fold([red, green, blue, 255], |pixel, coat| coat.over(pixel, colors));
            return [painted[0], painted[1], painted[2]];
        };
        let layer = self.coats.iter().fold([0; 4], |pixel, coat| coat.over(pixel, colors));
        let seen = luminance(paint.color(colors), f32::from(permille) / 1000.0);
        let thinned = layer.map(|value| product(value, seen));
        let unit = |value: u8| f32::from(value) * (1.0 / 255.0);
        let left = 1.0 - unit(thinned[3]);
        std::array::from_fn(|channel| byte(unit(below[channel]) * left + unit(thinned[channel])))
    }
}

/// The byte of an opacity.
pub(crate) fn alpha_byte(opacity: f32) -> u8 {
    (opacity * 255.0 + 0.5) as u8
}

/// The product of two bytes that stand for 0 to 1.
fn product(first: u8, second: u8) -> u8 {
    ((u16::from(first) * u16::from(second) + 255) >> 8) as u8
}

/// A color's value times its opacity, rounded to nearest.
fn premultiplied(value: u8, alpha: u8) -> u8 {
    (f32::from(value) / 255.0 * (f32::from(alpha) / 255.0) * 255.0 + 0.5) as u8
}

fn byte(unit: f32) -> u8 {
    (unit.clamp(0.0, 1.0) * 255.0).round_ties_even() as u8
}

/// How much a mask of this color and opacity lets through.
fn luminance(color: Rgb, opacity: f32) -> u8 {
    let unit = |value: u8| f32::from(value) * (1.0 / 255.0);
    let [red, green, blue, alpha] =
        [color[0], color[1], color[2], 255].map(|value| f32::from(byte(unit(value) * opacity)) / 255.0);
    let luminance = red / alpha * 0.2126 + green / alpha * 0.7152 + blue / alpha * 0.0722;
    (luminance * alpha * 255.0).clamp(0.0, 255.0).ceil() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_paint_covers_and_thin_paint_mixes() {
        let tone = |coats: &[Coat]| Tone { coats: coats.to_vec(), mask: None };
        let opaque = Coat { paint: Paint::From(Palette::Hat), alpha: 255 };
        let thin = Coat { paint: Paint::White, alpha: alpha_byte(0.3) };
        let colors = |_| [10, 20, 30];
        assert_eq!(tone(&[opaque]).over(WHITE, &colors), [10, 20, 30]);
        assert!(tone(&[opaque, thin]).is_opaque() && !tone(&[thin]).is_opaque());
        // 77 + 10 · 178 / 255 and so on.
        assert_eq!(tone(&[opaque, thin]).over([0; 3], &colors), [84, 91, 98]);
        assert_eq!(tone(&[thin]).over([10, 20, 30], &colors), [84, 91, 98]);
        assert_eq!(tone(&[thin]).over(WHITE, &colors), WHITE);
    }

    #[test]
    fn a_mask_lets_through_by_its_luminance() {
        let coats = vec![Coat { paint: Paint::Black, alpha: 255 }];
        let through = |color: Rgb| {
            Tone { coats: coats.clone(), mask: Some((Paint::From(Palette::Hair), 1000)) }
                .over(WHITE, &|_| color)[0]
        };
        assert_eq!(through([0; 3]), 255);
        assert_eq!(through([255; 3]), 0);
        // Green is seen best, blue least.
        assert!(through([0, 255, 0]) < through([255, 0, 0]) && through([255, 0, 0]) < through([0, 0, 255]));
    }
}
