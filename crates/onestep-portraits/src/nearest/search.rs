//! One image, searched.

use super::ledger::{N_COLORS, N_SKINS, Prices};
use super::plan::{Plan, Scene};
use super::region::{Bare, Beard, Region, least, smallest, sum, total};
use crate::art::{Art, Layer};
use crate::choices::Choices;
use crate::paint::Palette;

/// What one image costs, wherever no beard has a say.
pub(super) struct Search<'a> {
    plan: &'a Plan,
    prices: &'a Prices,
    /// What a surprise of 1 costs.
    weight: f32,
    /// By number, the best color of each hat and its cost.
    hats: Vec<(usize, f32)>,
    /// By scene.
    hairs: Vec<[f32; N_COLORS]>,
    /// By scene.
    faces: Vec<[f32; N_SKINS]>,
    /// By region.
    bare: Vec<Bare>,
    eyes: Bare,
}

/// A scene with a skin and a beard, and its cost with the best of everything else.
#[derive(Clone, Copy)]
struct Found<'a> {
    cost: f32,
    scene: &'a Scene,
    skin: usize,
    hair_color: usize,
    /// Its number.
    beard: u8,
}

/// The best of all portraits.
pub(super) struct Best {
    pub(super) choices: Choices,
    /// Its squared distance, in single precision.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests compare it with the picture"))]
    pub(super) cost: f32,
}

impl<'a> Search<'a> {
    pub(super) fn new(plan: &'a Plan, prices: &'a Prices, weight: f32) -> Self {
        let eyes = plan.eyes.bare(prices, &[], weight);
        let of_eyes = plan.eyes.best(prices, &eyes, None);
        let hat = |(surprise, pixels): &(f32, Vec<u16>)| {
            let (color, cost) = least(&total(pixels, &prices.parts));
            (color, cost + weight * surprise)
        };
        Self {
            plan,
            prices,
            weight,
            hats: plan.hats.iter().map(hat).collect(),
            hairs: plan.scenes.iter().map(|scene| total(&scene.hair_pixels, &prices.parts)).collect(),
            faces: plan.scenes.iter().map(|scene| total(&scene.face_pixels, &prices.faces)).collect(),
            bare: plan.regions.iter().map(|region| region.bare(prices, &of_eyes, weight)).collect(),
            eyes,
        }
    }

    pub(super) fn best(&self) -> Best {
        let regions = self.plan.regions.iter().zip(&self.bare);
        let bare: Vec<_> =
            regions.clone().map(|(region, bare)| region.best(self.prices, bare, None)).collect();
        let mut best = self.best_scene(&self.with_regions(&self.faces, &bare, |_| true), 0, None);
        for (number, &pixels) in (1..).zip(&self.plan.beards) {
            let is_under = |region: &Region| region.is_under(pixels);
            // What the beard does not touch is the same in all its colors.
            let beside = self.with_regions(&self.faces, &bare, |region| !is_under(region));
            for color in 0..Art::get().colors(Palette::Hair).len() as u8 {
                let beard = Beard { pixels, color };
                let best_under = |(region, bare): (&Region, &Bare)| {
                    if is_under(region) { region.best(self.prices, bare, Some(beard)) } else { Vec::new() }
                };
                let under: Vec<_> = regions.clone().map(best_under).collect();
                let found =
                    self.best_scene(&self.with_regions(&beside, &under, is_under), number, Some(beard));
                if found.cost < best.cost {
                    best = found;
                }
            }
        }
        Best { choices: self.choices(best), cost: best.cost }
    }

    /// Adds to the costs of the scenes those of some regions, which are given by view.
    fn with_regions(
        &self,
        scenes: &[[f32; N_SKINS]],
        regions: &[Vec<[f32; N_SKINS]>],
        is_wanted: impl Fn(&Region) -> bool,
    ) -> Vec<[f32; N_SKINS]> {
        let mut sums = scenes.to_vec();
        for (place, (region, costs)) in self.plan.regions.iter().zip(regions).enumerate() {
            if is_wanted(region) {
                for (total, scene) in sums.iter_mut().zip(&self.plan.scenes) {
                    *total = sum(*total, costs[usize::from(scene.views[place])]);
                }
            }
        }
        sums
    }

    /// The best scene and skin, where `scenes` are the costs of all but hair and hat.
    fn best_scene(&self, scenes: &[[f32; N_SKINS]], beard_number: u8, beard: Option<Beard>) -> Found<'a> {
        let mut best = (f32::INFINITY, 0);
        for (place, ((costs, hairs), scene)) in
            scenes.iter().zip(&self.hairs).zip(&self.plan.scenes).enumerate()
        {
            let hair = beard.map_or_else(|| smallest(hairs), |beard| hairs[usize::from(beard.color)]);
            let cost = smallest(costs) + hair + self.hats[usize::from(scene.hat)].1;
            if cost < best.0 {
                best = (cost, place);
            }
        }
        let (cost, place) = best;
        Found {
            cost: cost + self.weight * self.plan.beard_surprises[usize::from(beard_number)],
            scene: &self.plan.scenes[place],
            skin: least(&scenes[place]).0,
            hair_color: beard.map_or_else(|| least(&self.hairs[place]).0, |beard| usize::from(beard.color)),
            beard: beard_number,
        }
    }

    /// Looks up what was best in what was found.
    fn choices(&self, found: Found) -> Choices {
        let mut choices = Choices { parts: [1; 9], colors: [1; 8] };
        let mut set = |layer: Layer, part: u8, color: usize| {
            choices.parts[layer as usize] = part;
            choices.colors[layer.palette() as usize] = color as u8 + 1;
        };
        set(Layer::Face, 1, found.skin);
        set(Layer::Hat, found.scene.hat, self.hats[usize::from(found.scene.hat)].0);
        set(Layer::Hair, found.scene.hair, found.hair_color);
        set(Layer::Beard, found.beard, found.hair_color);
        let beard = found.beard.checked_sub(1).map(|place| Beard {
            pixels: self.plan.beards[usize::from(place)],
            color: found.hair_color as u8,
        });
        for ((region, bare), &view) in self.plan.regions.iter().zip(&self.bare).zip(&found.scene.views) {
            let Some(layer) = region.layer() else { continue };
            let (part, color, eyes) = region.choose(self.prices, bare, view, beard, found.skin);
            set(layer, part, usize::from(color) - 1);
            if let Some(view) = eyes {
                let (part, color, _) = self.plan.eyes.choose(self.prices, &self.eyes, view, None, found.skin);
                set(Layer::Eyes, part, usize::from(color) - 1);
            }
        }
        choices
    }
}
