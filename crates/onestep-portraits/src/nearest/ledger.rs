//! What it costs to paint a pixel, for all colors at once.
//!
//! Everything the search adds up is the squared distance of one pixel of the image to one paint on it: a part's tone in each
//! color of its palette, or the face in each color of the skin, bare or under something thin. Which of them there are does not
//! depend on the image; they are listed once, and priced for every image.

use std::collections::HashMap;

use crate::art::{Art, Layer};
use crate::paint::{Palette, Rgb};

/// Colors of the largest palette.
pub(super) const N_COLORS: usize = 12;

/// Colors of the skin.
pub(super) const N_SKINS: usize = 8;

/// Something thin over what is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Veil {
    Bare,
    /// A lens, by its tone.
    Lens(u16),
    /// A beard, by the place of its color in the palette of the hair.
    Beard(u8),
}

/// One paint on one pixel, in several colors; where a palette has fewer, the rest are infinitely far from everything.
struct Entry<const N: usize> {
    pixel: u8,
    /// By channel.
    colors: [[f32; N]; 3],
}

/// All paints on all pixels that the search adds up.
#[derive(Default)]
pub(super) struct Ledger {
    parts: Vec<Entry<N_COLORS>>,
    faces: Vec<Entry<N_SKINS>>,
    known_parts: HashMap<(u8, u16, Palette, Veil), u16>,
    known_faces: HashMap<(u8, Veil), u16>,
}

/// The squared distances of an image to all entries.
pub(super) struct Prices {
    pub(super) parts: Vec<[f32; N_COLORS]>,
    pub(super) faces: Vec<[f32; N_SKINS]>,
}

impl Ledger {
    /// The place of a part's opaque tone on a pixel.
    pub(super) fn part(&mut self, art: &Art, pixel: u8, tone: u16, palette: Palette, veil: Veil) -> u16 {
        let place = index(self.parts.len());
        let known = *self.known_parts.entry((pixel, tone, palette, veil)).or_insert(place);
        if known == place {
            let painted = art.colors(palette).iter().map(|&color| {
                let opaque = art.tone(tone).over([0; 3], &|_| color);
                veiled(art, opaque, veil)
            });
            self.parts.push(Entry::new(pixel, painted));
        }
        known
    }

    /// The place of the face, or of the white beside it, on a pixel.
    pub(super) fn face(&mut self, art: &Art, pixel: u8, veil: Veil) -> u16 {
        let place = index(self.faces.len());
        let known = *self.known_faces.entry((pixel, veil)).or_insert(place);
        if known == place {
            let painted = art.colors(Palette::Skin).iter().map(|&skin| {
                let face = art.draw(std::iter::empty(), &|_| skin);
                veiled(art, face[usize::from(pixel)], veil)
            });
            self.faces.push(Entry::new(pixel, painted));
        }
        known
    }

    pub(super) fn price(&self, image: &[[f32; 3]]) -> Prices {
        Prices {
            parts: self.parts.iter().map(|entry| entry.price(image)).collect(),
            faces: self.faces.iter().map(|entry| entry.price(image)).collect(),
        }
    }
}

impl<const N: usize> Entry<N> {
    fn new(pixel: u8, painted: impl Iterator<Item = Rgb>) -> Self {
        let mut colors = [[f32::INFINITY; N]; 3];
        for (place, rgb) in painted.enumerate() {
            for (channel, value) in colors.iter_mut().zip(rgb) {
                channel[place] = f32::from(value);
            }
        }
        Self { pixel, colors }
    }

    fn price(&self, image: &[[f32; 3]]) -> [f32; N] {
        let [red, green, blue] = image[usize::from(self.pixel)];
        let [reds, greens, blues] = &self.colors;
        std::array::from_fn(|color| {
            let (red, green, blue) = (red - reds[color], green - greens[color], blue - blues[color]);
            red * red + green * green + blue * blue
        })
    }
}

fn veiled(art: &Art, below: Rgb, veil: Veil) -> Rgb {
    match veil {
        Veil::Bare => below,
        // A lens has no color of its own.
        Veil::Lens(tone) => art.tone(tone).over(below, &|_| unreachable!("lenses are white or black")),
        Veil::Beard(color) => {
            let hair = art.colors(Palette::Hair)[usize::from(color)];
            art.tone(beard_tone(art)).over(below, &|_| hair)
        }
    }
}

/// The tone of every pixel of every beard.
fn beard_tone(art: &Art) -> u16 {
    art.parts(Layer::Beard)[0].pixels[0].1
}

fn index(length: usize) -> u16 {
    u16::try_from(length).expect("some thousands of entries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_the_ledger_takes_them_to_be() {
        let art = Art::get();
        for beard in art.parts(Layer::Beard) {
            assert!(beard.pixels.iter().all(|&(_, tone)| tone == beard_tone(art)), "{}", beard.name);
        }
        let is_whole = |layer: Layer| art.parts(layer).iter().all(|part| part.touched == part.covered);
        for layer in [Layer::Accessories, Layer::Clothing, Layer::Eyes, Layer::Mouth, Layer::Hair, Layer::Hat]
        {
            assert!(is_whole(layer), "{layer:?} has something thin in it");
        }
        assert!(Palette::ALL.iter().all(|&palette| art.colors(palette).len() <= N_COLORS));
        assert_eq!(art.colors(Palette::Skin).len(), N_SKINS);
    }
}
