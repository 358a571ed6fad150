//! Augmentation: images turned, stretched and moved at random, and a network that is told how.
//!
//! The labels keep the pipeline from leaking: asked without them, the network makes images as the data are.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::data::{Affine, ImageShape, flip_horizontal, warp};
use crate::noise::{Purpose, Stream};

/// Deviation of the logarithm to base 2 of a change of size or shape.
const SIZE_STD: f64 = 0.2;

/// Deviation of a shift, in sides of the image.
const SHIFT_STD: f64 = 0.125;

/// EDM's augmentation pipeline.
///
/// In a recipe: `augment = { probability = 0.12 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Probability of each kind of change but the horizontal flip, which has one half: 0.12 for CIFAR-10, 0.15 for faces.
    pub probability: f64,
}

impl Augmentation {
    /// Labels of one image: two flips, size, angle (2), stretching (2), shift (2).
    pub const N_LABELS: usize = 9;

    /// Changes one image, and returns how.
    ///
    /// # Randomness
    ///
    /// A function of (seed, sample): the same image at the same place of a run is changed in the same way.
    ///
    /// # Source
    ///
    /// Karras et al. 2022 (arXiv:2206.00364), appendix F.2 and table 6: flips, isotropic scaling, rotation,
    /// anisotropic scaling, translation; all labels are 0 for an image that is not changed. The pixels between
    /// pixels are found there by filtering at twice the resolution, here by a cubic (`warp`).
    pub fn apply(&self, values: &mut Vec<f32>, shape: ImageShape, seed: u64, sample: u64) -> Vec<f32> {
        let mut stream = Stream::with_lane(seed, Purpose::Augment, 0, sample, 1);
        // Every number is drawn whether it is used or not, so that one change does not move the others.
        let mut chance = |probability: f64| stream.uniform() < probability;
        let flip_x = chance(0.5);
        let flip_y = chance(0.5 * self.probability);
        let [scales, turns, stretches, shifts] = [(); 4].map(|()| chance(self.probability));
        let directed = chance(0.5);
        let [size, stretch] = stream.normal_pair();
        let shift = stream.normal_pair();
        let [angle, direction] = [(); 2].map(|()| (2.0 * stream.uniform() - 1.0) * PI);
        let only = |on: bool, value: f64| if on { value } else { 0.0 };
        let (size, stretch, angle) = (only(scales, size), only(stretches, stretch), only(turns, angle));
        let direction = only(directed, direction);
        let shift = shift.map(|amount| only(shifts, amount));

        if flip_x {
            flip_horizontal(values, shape);
        }
        let factor = (SIZE_STD * size).exp2();
        let longer = (SIZE_STD * stretch).exp2();
        let map = Affine::scale(factor, if flip_y { -factor } else { factor })
            .then(Affine::rotate(angle))
            .then(Affine::rotate(-direction))
            .then(Affine::scale(longer, 1.0 / longer))
            .then(Affine::rotate(direction))
            .then(Affine::translate(
                SHIFT_STD * shift[0] * shape.width as f64,
                SHIFT_STD * shift[1] * shape.height as f64,
            ));
        if flip_y || scales || turns || stretches || shifts {
            *values = warp(values, shape, map);
        }
        let flag = |on| if on { 1.0 } else { 0.0 };
        [
            flag(flip_x),
            flag(flip_y),
            size,
            angle.cos() - 1.0,
            angle.sin(),
            stretch * direction.cos(),
            stretch * direction.sin(),
            shift[0],
            shift[1],
        ]
        .map(|label| label as f32)
        .to_vec()
    }
}
