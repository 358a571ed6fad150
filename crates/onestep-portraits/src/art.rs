//! The parts, and what each of them does to which pixels.

use std::sync::LazyLock;

use crate::paint::{Palette, Rgb, Tone, WHITE};
use crate::pixels::{N_PIXELS, PixelSet};

/// Layers of a portrait, in the order in which they are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    Face,
    Accessories,
    Clothing,
    Eyes,
    Glasses,
    Beard,
    Mouth,
    Hair,
    Hat,
}

impl Layer {
    pub(crate) const ALL: [Self; 9] = [
        Self::Face,
        Self::Accessories,
        Self::Clothing,
        Self::Eyes,
        Self::Glasses,
        Self::Beard,
        Self::Mouth,
        Self::Hair,
        Self::Hat,
    ];

    /// The layers that have several parts.
    pub(crate) const CHOSEN: [Self; 8] = [
        Self::Accessories,
        Self::Clothing,
        Self::Eyes,
        Self::Glasses,
        Self::Beard,
        Self::Mouth,
        Self::Hair,
        Self::Hat,
    ];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Accessories => "accessories",
            Self::Clothing => "clothing",
            Self::Eyes => "eyes",
            Self::Glasses => "glasses",
            Self::Beard => "beard",
            Self::Mouth => "mouth",
            Self::Hair => "hair",
            Self::Hat => "hat",
        }
    }

    /// Where its color comes from: a beard has that of the hair.
    pub(crate) fn palette(self) -> Palette {
        match self {
            Self::Face => Palette::Skin,
            Self::Accessories => Palette::Accessories,
            Self::Clothing => Palette::Clothing,
            Self::Eyes => Palette::Eyes,
            Self::Glasses => Palette::Glasses,
            Self::Mouth => Palette::Mouth,
            Self::Beard | Self::Hair => Palette::Hair,
            Self::Hat => Palette::Hat,
        }
    }
}

/// One part of a layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// How often the part set has it: some lie in it twice.
    pub(crate) weight: u32,
    /// What happens to each pixel that it touches: the pixel, and an index into [`Art::tones`].
    pub(crate) pixels: Vec<(u8, u16)>,
    /// All of them.
    pub(crate) touched: PixelSet,
    /// Those of which nothing below is seen.
    pub(crate) covered: PixelSet,
    /// Those that show the color of the layer.
    pub(crate) colored: PixelSet,
}

/// The part set.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Art {
    pub(crate) palettes: [Vec<Rgb>; 8],
    /// How many of a hundred portraits have a part of the layer.
    pub(crate) percents: [Option<u8>; 9],
    pub(crate) layers: [Vec<Part>; 9],
    pub(crate) tones: Vec<Tone>,
}

impl Art {
    /// The part set that the crate comes with.
    pub(crate) fn get() -> &'static Self {
        static ART: LazyLock<Art> = LazyLock::new(|| {
            Art::parse(include_str!("../parts.txt"))
                .unwrap_or_else(|error| unreachable!("parts.txt: {error}"))
        });
        &ART
    }

    pub(crate) fn tone(&self, tone: u16) -> &Tone {
        &self.tones[usize::from(tone)]
    }

    pub(crate) fn colors(&self, palette: Palette) -> &[Rgb] {
        &self.palettes[palette as usize]
    }

    /// The parts of a layer.
    pub(crate) fn parts(&self, layer: Layer) -> &[Part] {
        &self.layers[layer as usize]
    }

    /// A part by its number from 1; 0 is none.
    pub(crate) fn part(&self, layer: Layer, number: u8) -> Option<&Part> {
        Some(&self.parts(layer)[usize::from(number).checked_sub(1)?])
    }

    /// How many of a hundred portraits have a part of an optional layer.
    pub(crate) fn percent(&self, layer: Layer) -> Option<u8> {
        self.percents[layer as usize]
    }

    /// The numbers of a layer's parts, none among them where it is optional, with the probabilities that they are drawn with.
    pub(crate) fn chances(&self, layer: Layer) -> impl Iterator<Item = (u8, f64)> {
        let share = self.percent(layer).map_or(1.0, |percent| f64::from(percent) / 100.0);
        let total: u32 = self.parts(layer).iter().map(|part| part.weight).sum();
        let none = (share < 1.0).then_some((0, 1.0 - share));
        let of_part = move |part: &Part| share * f64::from(part.weight) / f64::from(total);
        none.into_iter().chain((1..).zip(self.parts(layer).iter().map(of_part)))
    }

    /// Draws the face and the parts over it on white, in the order given.
    pub(crate) fn draw<'a>(
        &'a self,
        parts: impl Iterator<Item = &'a Part>,
        colors: &impl Fn(Palette) -> Rgb,
    ) -> [Rgb; N_PIXELS] {
        let mut picture = [WHITE; N_PIXELS];
        for part in self.parts(Layer::Face).iter().chain(parts) {
            for &(pixel, tone) in &part.pixels {
                let below = &mut picture[usize::from(pixel)];
                *below = self.tone(tone).over(*below, colors);
            }
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_whole_part_set() {
        let art = Art::get();
        let numbers = Layer::ALL.map(|layer| {
            let parts = art.parts(layer);
            (parts.len(), parts.iter().map(|part| part.weight).sum::<u32>())
        });
        let both = |n| (n, n as u32);
        // Two of the 23 clothes are the same picture.
        let clothing = (22, 23);
        assert_eq!(
            numbers,
            [both(1), both(4), clothing, both(12), both(14), both(8), both(23), both(45), both(10)]
        );
        assert_eq!(Palette::ALL.map(|palette| art.colors(palette).len()), [8, 5, 12, 6, 6, 4, 11, 7]);
        let percents = Layer::ALL.map(|layer| art.percent(layer));
        assert_eq!(
            percents,
            [None, Some(10), None, None, Some(20), Some(5), None, None, Some(5)],
            "accessories, glasses, beard, hat"
        );
    }

    #[test]
    fn only_beards_are_masked_and_their_masks_clip_them() {
        let art = Art::get();
        for layer in Layer::ALL {
            for part in art.parts(layer) {
                let is_masked = |&(_, tone): &(u8, u16)| art.tone(tone).mask.is_some();
                assert_eq!(part.pixels.iter().any(is_masked), layer == Layer::Beard, "{}", part.name);
            }
        }
        // Without its mask a beard would fill the picture.
        assert!(art.parts(Layer::Beard).iter().all(|beard| beard.pixels.len() < 60));
    }
}
