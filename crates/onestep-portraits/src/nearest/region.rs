//! Parts of the picture in which something is chosen without regard to the others.

use std::collections::HashMap;

use super::ledger::{Ledger, N_COLORS, N_SKINS, Prices, Veil};
use crate::art::{Art, Layer};
use crate::paint::Palette;
use crate::pixels::PixelSet;

/// A beard in a color of the hair, both by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beard {
    pub(super) pixels: PixelSet,
    pub(super) color: u8,
}

/// Pixels that a choice paints, as places in the ledger.
#[derive(Default)]
struct Painted {
    /// Those over which no beard is ever.
    free: Vec<u16>,
    /// The others.
    beardable: Vec<Beardable>,
}

struct Beardable {
    pixel: u8,
    bare: u16,
    /// Under beards of the hair's colors, one after the other.
    bearded: Vec<u16>,
}

/// A part, or none, in a region of which something is seen.
struct Choice {
    /// From 1; 0 is none.
    number: u8,
    /// The negative logarithm of how probable it is, in one of its colors.
    surprise: f32,
    own: Painted,
    face: Painted,
    /// Where the eyes are seen through this choice: which of [`Region::views`] it is.
    view: Option<u16>,
}

/// The choices where the same pixels of the region are seen.
struct View {
    seen: PixelSet,
    /// By pixel of the region that has one: the lens over it.
    lenses: Vec<(u8, u16)>,
    choices: Vec<Choice>,
}

/// A region of the picture and all ways in which it is seen.
pub(super) struct Region {
    layer: Option<Layer>,
    pixels: PixelSet,
    beardable: PixelSet,
    views: Vec<View>,
    known: HashMap<(PixelSet, Vec<(u8, u16)>), u16>,
}

/// What a region's choices cost where no beard is, by view and choice.
pub(super) struct Bare {
    choices: Vec<([f32; N_COLORS], [f32; N_SKINS])>,
    /// Where a view's choices begin.
    starts: Vec<usize>,
}

impl Region {
    pub(super) fn new(layer: Option<Layer>, pixels: PixelSet, beardable: PixelSet) -> Self {
        Self { layer, pixels, beardable: beardable & pixels, views: Vec::new(), known: HashMap::new() }
    }

    /// Whether a beard touches anything in it.
    pub(super) fn is_under(&self, beard: PixelSet) -> bool {
        !(self.beardable & beard).is_empty()
    }

    #[cfg(test)]
    pub(super) fn pixels(&self) -> PixelSet {
        self.pixels
    }

    /// The place of the view of some pixels through some lenses; `eyes` is the region that lies under this one, if one does.
    pub(super) fn view(
        &mut self,
        art: &Art,
        ledger: &mut Ledger,
        seen: PixelSet,
        lenses: &[(u8, u16)],
        mut eyes: Option<&mut Region>,
    ) -> u16 {
        let seen = seen & self.pixels;
        let lenses: Vec<_> = lenses.iter().filter(|&&(pixel, _)| seen.contains(pixel)).copied().collect();
        let place = u16::try_from(self.views.len()).expect("some hundred views");
        let known = *self.known.entry((seen, lenses.clone())).or_insert(place);
        if known == place {
            let mut view = View { seen, lenses, choices: Vec::new() };
            let chances: Vec<_> =
                self.layer.map_or_else(|| vec![(0, 1.0)], |layer| art.chances(layer).collect());
            for (number, chance) in chances {
                let choice = self.choice(art, ledger, &view, (number, chance), eyes.as_deref_mut());
                view.choices.push(choice);
            }
            self.views.push(view);
        }
        known
    }

    fn choice(
        &self,
        art: &Art,
        ledger: &mut Ledger,
        view: &View,
        (number, chance): (u8, f64),
        eyes: Option<&mut Region>,
    ) -> Choice {
        let n_beards = art.colors(Palette::Hair).len() as u8;
        let part = self.layer.and_then(|layer| art.part(layer, number));
        let surprise = surprise(art, self.layer.filter(|_| part.is_some()), chance);
        let mut choice =
            Choice { number, surprise, own: Painted::default(), face: Painted::default(), view: None };
        let mut lenses = view.lenses.clone();
        if let Some(part) = part {
            lenses.extend(part.pixels.iter().filter(|&&(pixel, _)| !part.covered.contains(pixel)));
        }
        let covered = part.map_or(PixelSet::EMPTY, |part| part.covered);
        if let Some(part) = part {
            // A mouth is drawn over the beard, all else under it.
            let is_above = self.layer.is_some_and(|layer| layer as usize > Layer::Beard as usize);
            let beardable = if is_above { PixelSet::EMPTY } else { self.beardable };
            for &(pixel, tone) in
                part.pixels.iter().filter(|&&(pixel, _)| (covered & view.seen).contains(pixel))
            {
                let palette = self.layer.expect("a part is of a layer").palette();
                let mut entry = |veil| ledger.part(art, pixel, tone, palette, veil);
                choice.own.add(pixel, beardable, lens_over(&view.lenses, pixel), n_beards, &mut entry);
            }
        }
        let under_eyes = eyes.as_ref().map_or(PixelSet::EMPTY, |eyes| eyes.pixels);
        for pixel in view.seen.minus(covered).minus(under_eyes).iter() {
            let mut entry = |veil| ledger.face(art, pixel, veil);
            choice.face.add(pixel, self.beardable, lens_over(&lenses, pixel), n_beards, &mut entry);
        }
        choice.view = eyes.map(|eyes| eyes.view(art, ledger, view.seen.minus(covered), &lenses, None));
        choice
    }

    /// What all choices cost without a beard; `eyes` are the costs of the views of the eyes, `weight` the cost of a surprise of 1.
    pub(super) fn bare(&self, prices: &Prices, eyes: &[[f32; N_SKINS]], weight: f32) -> Bare {
        let mut bare = Bare { choices: Vec::new(), starts: Vec::with_capacity(self.views.len()) };
        for view in &self.views {
            bare.starts.push(bare.choices.len());
            for choice in &view.choices {
                let mut face = sum(choice.face.free(&prices.faces), [weight * choice.surprise; N_SKINS]);
                if let Some(view) = choice.view {
                    face = sum(face, eyes[usize::from(view)]);
                }
                bare.choices.push((choice.own.free(&prices.parts), face));
            }
        }
        bare
    }

    /// The cost of the best choice in each view, by skin.
    pub(super) fn best(&self, prices: &Prices, bare: &Bare, beard: Option<Beard>) -> Vec<[f32; N_SKINS]> {
        let of_view = |(view, &start): (&View, &usize)| {
            let mut best = [f32::INFINITY; N_SKINS];
            for (choice, free) in view.choices.iter().zip(&bare.choices[start..]) {
                let (own, face) = choice.cost(prices, free, beard);
                let own = smallest(&own);
                for (best, face) in best.iter_mut().zip(face) {
                    *best = if own + face < *best { own + face } else { *best };
                }
            }
            best
        };
        self.views.iter().zip(&bare.starts).map(of_view).collect()
    }

    /// The best choice of a view for one skin: its number, its color from 1, and the view of the eyes through it.
    pub(super) fn choose(
        &self,
        prices: &Prices,
        bare: &Bare,
        view: u16,
        beard: Option<Beard>,
        skin: usize,
    ) -> (u8, u8, Option<u16>) {
        let start = bare.starts[usize::from(view)];
        let choices = self.views[usize::from(view)].choices.iter().zip(&bare.choices[start..]);
        let costs = choices.map(|(choice, free)| {
            let (own, face) = choice.cost(prices, free, beard);
            let (color, own) = least(&own);
            (own + face[skin], choice, color)
        });
        let (_, choice, color) =
            costs.min_by(|first, second| first.0.total_cmp(&second.0)).expect("a view has choices");
        (choice.number, color as u8 + 1, choice.view)
    }

    /// What is chosen in it; nothing where there is only face, under beards or not.
    pub(super) fn layer(&self) -> Option<Layer> {
        self.layer
    }
}

impl Choice {
    fn cost(
        &self,
        prices: &Prices,
        free: &([f32; N_COLORS], [f32; N_SKINS]),
        beard: Option<Beard>,
    ) -> ([f32; N_COLORS], [f32; N_SKINS]) {
        (self.own.with(free.0, &prices.parts, beard), self.face.with(free.1, &prices.faces, beard))
    }
}

impl Painted {
    fn add(
        &mut self,
        pixel: u8,
        beardable: PixelSet,
        lens: Option<u16>,
        n_beards: u8,
        entry: &mut impl FnMut(Veil) -> u16,
    ) {
        if beardable.contains(pixel) {
            debug_assert!(lens.is_none(), "no beard grows over a lens");
            let bare = entry(Veil::Bare);
            let bearded = (0..n_beards).map(|color| entry(Veil::Beard(color))).collect();
            self.beardable.push(Beardable { pixel, bare, bearded });
        } else {
            self.free.push(entry(lens.map_or(Veil::Bare, Veil::Lens)));
        }
    }

    fn free<const N: usize>(&self, prices: &[[f32; N]]) -> [f32; N] {
        total(&self.free, prices)
    }

    fn with<const N: usize>(&self, free: [f32; N], prices: &[[f32; N]], beard: Option<Beard>) -> [f32; N] {
        self.beardable.iter().fold(free, |total, place| {
            let entry = match beard {
                Some(beard) if beard.pixels.contains(place.pixel) => place.bearded[usize::from(beard.color)],
                _ => place.bare,
            };
            sum(total, prices[usize::from(entry)])
        })
    }
}

/// The negative logarithm of how probable a part in one of its colors is; a color of what is always there surprises nobody.
pub(super) fn surprise(art: &Art, layer: Option<Layer>, chance: f64) -> f32 {
    let optional = layer.filter(|&layer| layer != Layer::Beard && art.percent(layer).is_some());
    let n_colors = optional.map_or(1, |layer| art.colors(layer.palette()).len());
    -(chance / n_colors as f64).ln() as f32
}

fn lens_over(lenses: &[(u8, u16)], pixel: u8) -> Option<u16> {
    lenses.iter().find(|&&(place, _)| place == pixel).map(|&(_, tone)| tone)
}

/// The sum of some entries.
pub(super) fn total<const N: usize>(entries: &[u16], prices: &[[f32; N]]) -> [f32; N] {
    entries.iter().fold([0.0; N], |total, &entry| sum(total, prices[usize::from(entry)]))
}

pub(super) fn sum<const N: usize>(first: [f32; N], second: [f32; N]) -> [f32; N] {
    std::array::from_fn(|place| first[place] + second[place])
}

/// The first of the smallest values, and its place.
pub(super) fn least<const N: usize>(values: &[f32; N]) -> (usize, f32) {
    let least = smallest(values);
    (values.iter().position(|&value| value == least).unwrap_or(0), least)
}

/// The smallest value.
pub(super) fn smallest<const N: usize>(values: &[f32; N]) -> f32 {
    values[1..].iter().fold(values[0], |least, &value| if value < least { value } else { least })
}
