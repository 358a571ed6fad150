//! Which parts and colors a portrait has, and which of them are seen.

use crate::art::{Art, Layer};
use crate::paint::{Palette, Rgb};
use crate::pixels::{N_PIXELS, PixelSet};

/// A part for each layer and a color for each palette, by their numbers from 1; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Choices {
    /// By layer; the face has no choice.
    pub(crate) parts: [u8; 9],
    /// By palette.
    pub(crate) colors: [u8; 8],
}

/// What is left of a part under what covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The first part of the layer that looks the same there; 0 where nothing is left.
    pub(crate) part: u8,
    /// Whether any pixel left shows the color of the layer.
    pub(crate) shows_color: bool,
    /// What is covered from now on.
    pub(crate) cover: PixelSet,
}

/// Looks at a part under a cover.
pub(crate) fn seen(art: &Art, layer: Layer, number: u8, cover: PixelSet) -> Seen {
    let Some(part) = art.part(layer, number) else { return Seen { part: 0, shows_color: false, cover } };
    let left = part.touched.minus(cover);
    let looks_the_same = |&other: &u8| {
        let Some(candidate) = art.part(layer, other) else { return left.is_empty() };
        let those_left = |pixels: &[(u8, u16)]| {
            pixels.iter().filter(|&&(pixel, _)| !cover.contains(pixel)).copied().collect::<Vec<_>>()
        };
        candidate.touched.minus(cover) == left && those_left(&candidate.pixels) == those_left(&part.pixels)
    };
    Seen {
        part: (0..number).find(looks_the_same).unwrap_or(number),
        shows_color: !part.colored.minus(cover).is_empty(),
        cover: cover | part.covered,
    }
}

impl Choices {
    pub(crate) fn part(&self, layer: Layer) -> u8 {
        self.parts[layer as usize]
    }

    pub(crate) fn color(&self, palette: Palette) -> u8 {
        self.colors[palette as usize]
    }

    /// The same picture with the first of the parts that look the same where they are seen, and none of what is not seen.
    pub(crate) fn settled(mut self, art: &Art) -> Self {
        let mut cover = PixelSet::EMPTY;
        let mut shown = [false; 8];
        shown[Palette::Skin as usize] = true;
        for layer in Layer::CHOSEN.into_iter().rev() {
            let seen = seen(art, layer, self.part(layer), cover);
            cover = seen.cover;
            self.parts[layer as usize] = seen.part;
            shown[layer.palette() as usize] |= seen.shows_color;
        }
        for (color, is_shown) in self.colors.iter_mut().zip(shown) {
            if !is_shown {
                *color = 0;
            }
        }
        self
    }

    /// Draws the picture. A color that is none must not be seen.
    pub(crate) fn draw(&self, art: &Art) -> [Rgb; N_PIXELS] {
        let parts = Layer::CHOSEN.into_iter().filter_map(|layer| art.part(layer, self.part(layer)));
        art.draw(parts, &|palette| {
            let color = usize::from(self.color(palette)).saturating_sub(1);
            art.colors(palette)[color]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a part by its name.
    fn numbered(layer: Layer, name: &str) -> u8 {
        let place = Art::get().parts(layer).iter().position(|part| part.name == name);
        u8::try_from(place.unwrap()).unwrap() + 1
    }

    fn bare() -> Choices {
        let mut choices = Choices { parts: [1; 9], colors: [1; 8] };
        for layer in [Layer::Accessories, Layer::Glasses, Layer::Beard, Layer::Hat] {
            choices.parts[layer as usize] = 0;
        }
        choices
    }

    #[test]
    fn what_is_not_there_has_no_color() {
        let settled = bare().settled(Art::get());
        assert_eq!(settled.parts, bare().parts);
        let absent = [Palette::Accessories, Palette::Glasses, Palette::Hat];
        for palette in Palette::ALL {
            assert_eq!(settled.color(palette) == 0, absent.contains(&palette), "{palette:?}");
        }
    }

    #[test]
    fn hair_under_a_hat_is_no_hair_unless_something_of_it_is_seen() {
        let art = Art::get();
        let mut choices = bare();
        choices.parts[Layer::Hat as usize] = numbered(Layer::Hat, "variant10");
        choices.parts[Layer::Hair as usize] = numbered(Layer::Hair, "short23");
        let settled = choices.settled(art);
        assert_eq!((settled.part(Layer::Hair), settled.color(Palette::Hair)), (0, 0));
        assert_eq!(settled.draw(art), choices.draw(art));
        // A beard shows the color of the hair.
        choices.parts[Layer::Beard as usize] = 1;
        let settled = choices.settled(art);
        assert_eq!((settled.part(Layer::Hair), settled.color(Palette::Hair)), (0, 1));
        choices.parts[Layer::Hair as usize] = numbered(Layer::Hair, "long13");
        assert_eq!(choices.settled(art).part(Layer::Hair), choices.part(Layer::Hair));
    }

    #[test]
    fn a_mouth_over_a_beard_hides_what_tells_beards_apart() {
        let mut choices = bare();
        choices.parts[Layer::Mouth as usize] = numbered(Layer::Mouth, "sad06");
        choices.parts[Layer::Beard as usize] = numbered(Layer::Beard, "variant07");
        let settled = choices.settled(Art::get());
        assert_eq!(settled.part(Layer::Beard), numbered(Layer::Beard, "variant06"));
    }
}
