//! All legal portraits, counted: how many there are, and how probable every value of an attribute is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::art::{Art, Layer};
use crate::choices::{Seen, seen};
use crate::paint::Palette;
use crate::pixels::PixelSet;

/// Exact probabilities and numbers, by layer and by palette; index 0 is none.
#[derive(Debug, Clone)]
pub(crate) struct Census {
    pub(crate) parts: [Vec<f64>; 9],
    pub(crate) colors: [Vec<f64>; 8],
    pub(crate) n_portraits: u128,
}

impl Census {
    /// The census of the part set that the crate comes with.
    pub(crate) fn get() -> &'static Self {
        static CENSUS: LazyLock<Census> = LazyLock::new(|| Census::take(Art::get()));
        &CENSUS
    }

    /// Goes through all that can cover one another: hat and hair cover everything else, glasses cover eyes, mouths beards.
    /// Nothing else meets (which a test checks), so given hat and hair the rest is independent.
    fn take(art: &Art) -> Self {
        let mut census = Self {
            parts: Layer::ALL.map(|layer| vec![0.0; art.parts(layer).len() + 1]),
            colors: Palette::ALL.map(|palette| vec![0.0; art.colors(palette).len() + 1]),
            n_portraits: 0,
        };
        for (hat_number, of_hat) in art.chances(Layer::Hat) {
            let hat = seen(art, Layer::Hat, hat_number, PixelSet::EMPTY);
            census.add(art, Layer::Hat, hat, of_hat);
            let mut hairs = BTreeSet::new();
            for (hair_number, of_hair) in art.chances(Layer::Hair) {
                let hair = seen(art, Layer::Hair, hair_number, hat.cover);
                let chance = of_hat * of_hair;
                census.parts[Layer::Hair as usize][usize::from(hair.part)] += chance;
                let n_others = census.add_the_rest(art, hair, chance);
                if hairs.insert(hair.part) {
                    census.n_portraits += n_others * n_colors(art, Layer::Hat, hat);
                }
            }
        }
        let n_skins = art.colors(Palette::Skin).len();
        census.parts[Layer::Face as usize][1] = 1.0;
        census.colors[Palette::Skin as usize][1..].fill(1.0 / n_skins as f64);
        census.n_portraits *= n_skins as u128;
        // A hundred thousand terms have left their rounding in each sum.
        for chances in census.parts.iter_mut().chain(&mut census.colors) {
            let total: f64 = chances.iter().sum();
            chances.iter_mut().for_each(|chance| *chance /= total);
        }
        census
    }

    /// Counts a part with its color.
    fn add(&mut self, art: &Art, layer: Layer, seen: Seen, chance: f64) {
        self.parts[layer as usize][usize::from(seen.part)] += chance;
        if layer.palette() != Palette::Hair {
            self.add_color(art, layer.palette(), seen.shows_color, chance);
        }
    }

    fn add_color(&mut self, art: &Art, palette: Palette, is_shown: bool, chance: f64) {
        let chances = &mut self.colors[palette as usize];
        if is_shown {
            let n_colors = art.colors(palette).len();
            chances[1..].iter_mut().for_each(|color| *color += chance / n_colors as f64);
        } else {
            chances[0] += chance;
        }
    }

    /// Counts what lies under one hair, and returns in how many ways it can look.
    fn add_the_rest(&mut self, art: &Art, hair: Seen, chance: f64) -> u128 {
        let mut n_ways = 1;
        for layer in [Layer::Accessories, Layer::Clothing] {
            let mut ways = BTreeSet::new();
            for (number, of_part) in art.chances(layer) {
                let part = seen(art, layer, number, hair.cover);
                self.add(art, layer, part, chance * of_part);
                ways.insert((part.part, n_colors(art, layer, part)));
            }
            n_ways *= ways.iter().map(|(_, n_colors)| n_colors).sum::<u128>();
        }
        let mut ways = BTreeSet::new();
        for (number, of_glasses) in art.chances(Layer::Glasses) {
            let glasses = seen(art, Layer::Glasses, number, hair.cover);
            self.add(art, Layer::Glasses, glasses, chance * of_glasses);
            for (number, of_eyes) in art.chances(Layer::Eyes) {
                let eyes = seen(art, Layer::Eyes, number, glasses.cover);
                self.add(art, Layer::Eyes, eyes, chance * of_glasses * of_eyes);
                let n_colors = n_colors(art, Layer::Glasses, glasses) * n_colors(art, Layer::Eyes, eyes);
                ways.insert((glasses.part, eyes.part, n_colors));
            }
        }
        n_ways *= ways.iter().map(|(.., n_colors)| n_colors).sum::<u128>();
        let mut ways = BTreeSet::new();
        for (number, of_mouth) in art.chances(Layer::Mouth) {
            let mouth = seen(art, Layer::Mouth, number, hair.cover);
            self.add(art, Layer::Mouth, mouth, chance * of_mouth);
            for (number, of_beard) in art.chances(Layer::Beard) {
                let beard = seen(art, Layer::Beard, number, mouth.cover);
                let chance = chance * of_mouth * of_beard;
                self.add(art, Layer::Beard, beard, chance);
                let shown = Seen { shows_color: hair.shows_color || beard.shows_color, ..beard };
                self.add_color(art, Palette::Hair, shown.shows_color, chance);
                let n_colors = n_colors(art, Layer::Mouth, mouth) * n_colors(art, Layer::Hair, shown);
                ways.insert((mouth.part, beard.part, n_colors));
            }
        }
        n_ways * ways.iter().map(|(.., n_colors)| n_colors).sum::<u128>()
    }
}

fn n_colors(art: &Art, layer: Layer, seen: Seen) -> u128 {
    if seen.shows_color { art.colors(layer.palette()).len() as u128 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pixels that parts of a layer touch.
    fn touched(layer: Layer) -> PixelSet {
        let all = Art::get().parts(layer).iter().map(|part| part.touched);
        all.fold(PixelSet::EMPTY, |all, part| all | part)
    }

    #[test]
    fn what_the_census_takes_for_independent_does_not_meet() {
        let groups =
            [&[Layer::Accessories][..], &[Layer::Clothing], &[Layer::Eyes, Layer::Glasses], &[Layer::Mouth]];
        for (place, group) in groups.iter().enumerate() {
            for other in groups[..place].iter().copied().flatten() {
                for layer in *group {
                    assert!((touched(*layer) & touched(*other)).is_empty(), "{layer:?} and {other:?}");
                }
            }
        }
        // A beard hides nothing.
        assert!(Art::get().parts(Layer::Beard).iter().all(|beard| beard.covered.is_empty()));
    }

    #[test]
    fn probabilities_add_up_and_there_are_more_than_a_billion_portraits() {
        let census = Census::get();
        for chances in census.parts.iter().chain(&census.colors) {
            assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{chances:?}");
        }
        println!("{} {census:?}", census.n_portraits);
        assert!(census.n_portraits > 1_000_000_000);
    }
}
