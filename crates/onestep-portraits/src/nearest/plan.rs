//! What can be seen beside what, listed once for all images.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::ledger::{Ledger, Veil};
use super::region::{Region, surprise};
use crate::art::{Art, Layer};
use crate::choices::seen;
use crate::paint::Palette;
use crate::pixels::PixelSet;

/// A hat, or none, and a hair, by their numbers.
pub(super) struct Scene {
    pub(super) hat: u8,
    pub(super) hair: u8,
    /// What is seen of the hair, in the ledger's parts.
    pub(super) hair_pixels: Vec<u16>,
    /// What is always face or white, in the ledger's faces.
    pub(super) face_pixels: Vec<u16>,
    /// For each region, how it is seen.
    pub(super) views: Vec<u16>,
}

/// Everything about the search that does not depend on the image.
pub(super) struct Plan {
    pub(super) ledger: Ledger,
    /// By number: how surprising each hat is, and its pixels, in the ledger's parts.
    pub(super) hats: Vec<(f32, Vec<u16>)>,
    /// By number from 1.
    pub(super) beards: Vec<PixelSet>,
    /// By number.
    pub(super) beard_surprises: Vec<f32>,
    pub(super) scenes: Vec<Scene>,
    pub(super) regions: Vec<Region>,
    /// The eyes, under the glasses.
    pub(super) eyes: Region,
}

impl Plan {
    pub(super) fn get() -> &'static Self {
        static PLAN: LazyLock<Plan> = LazyLock::new(|| Plan::new(Art::get()));
        &PLAN
    }

    fn new(art: &Art) -> Self {
        let touched =
            |layer: Layer| art.parts(layer).iter().fold(PixelSet::EMPTY, |all, part| all | part.touched);
        let beardable = touched(Layer::Beard);
        let mut eyes = Region::new(Some(Layer::Eyes), touched(Layer::Eyes), beardable);
        let eyewear = touched(Layer::Eyes) | touched(Layer::Glasses);
        let chosen = [
            (Layer::Accessories, touched(Layer::Accessories)),
            (Layer::Clothing, touched(Layer::Clothing)),
            (Layer::Mouth, touched(Layer::Mouth)),
            (Layer::Glasses, eyewear),
        ];
        let all_chosen = chosen.iter().fold(PixelSet::EMPTY, |all, &(_, pixels)| all | pixels);
        let cheeks = Region::new(None, beardable.minus(all_chosen), beardable);
        let mut regions = vec![cheeks];
        regions.extend(chosen.map(|(layer, pixels)| Region::new(Some(layer), pixels, beardable)));
        let rest = !(all_chosen | beardable);

        let mut ledger = Ledger::default();
        let mut hats = Vec::new();
        let mut scenes = Vec::new();
        for (hat, chance) in art.chances(Layer::Hat) {
            let pixels = art.part(Layer::Hat, hat).map_or(&[][..], |part| &part.pixels);
            let entry = |&(pixel, tone): &(u8, u16)| ledger.part(art, pixel, tone, Palette::Hat, Veil::Bare);
            let surprise = surprise(art, Some(Layer::Hat).filter(|_| hat > 0), chance);
            hats.push((surprise, pixels.iter().map(entry).collect()));
            let under_hat = seen(art, Layer::Hat, hat, PixelSet::EMPTY).cover;
            // One hair for all that look the same under the hat.
            let mut different = BTreeSet::new();
            for (hair, part) in (1..).zip(art.parts(Layer::Hair)) {
                if !different.insert(part.touched.minus(under_hat)) {
                    continue;
                }
                let of_hair = part.pixels.iter().filter(|&&(pixel, _)| !under_hat.contains(pixel));
                let entry =
                    |&(pixel, tone): &(u8, u16)| ledger.part(art, pixel, tone, Palette::Hair, Veil::Bare);
                let hair_pixels = of_hair.map(entry).collect();
                let visible = !(under_hat | part.covered);
                let face_pixels = (visible & rest).iter();
                let face_pixels = face_pixels.map(|pixel| ledger.face(art, pixel, Veil::Bare)).collect();
                let view = |region: &mut Region| {
                    let eyes = (region.layer() == Some(Layer::Glasses)).then_some(&mut eyes);
                    region.view(art, &mut ledger, visible, &[], eyes)
                };
                let views = regions.iter_mut().map(view).collect();
                scenes.push(Scene { hat, hair, hair_pixels, face_pixels, views });
            }
        }
        let beards = art.parts(Layer::Beard).iter().map(|beard| beard.touched).collect();
        let beard_surprises =
            art.chances(Layer::Beard).map(|(_, chance)| surprise(art, Some(Layer::Beard), chance)).collect();
        Self { ledger, hats, beards, beard_surprises, scenes, regions, eyes }
    }
}
