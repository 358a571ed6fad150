//! Distributions on the plane, for models small enough to look through.
//!
//! Every point is a function of its number alone, so a set has no state and no seed. All are
//! centred and scaled to a standard deviation of 0.5, the σ_data that the recipes assume.

use std::f64::consts::{PI, TAU};

use super::fingerprint::Fingerprint;
use super::spread::split_mix;
use super::{DataError, DataSpec, Dataset, ImageShape, Sample};

/// The number of points of each set.
const N_POINTS: usize = 65_536;

/// Part of the fingerprint; to be raised if ever a formula changes.
const VERSION: usize = 1;

/// The distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Toy {
    TwoMoons,
    EightGaussians,
    Checkerboard,
    SwissRoll,
    Gaussian,
}

impl Toy {
    pub(super) const ALL: [Self; 5] =
        [Self::TwoMoons, Self::EightGaussians, Self::Checkerboard, Self::SwissRoll, Self::Gaussian];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TwoMoons => "two-moons",
            Self::EightGaussians => "eight-gaussians",
            Self::Checkerboard => "checkerboard",
            Self::SwissRoll => "swiss-roll",
            Self::Gaussian => "gaussian",
        }
    }

    fn class_names(self) -> Vec<String> {
        match self {
            Self::TwoMoons => vec!["upper".to_owned(), "lower".to_owned()],
            Self::EightGaussians => (0..8).map(|spoke| format!("{} degrees", 45 * spoke)).collect(),
            Self::Checkerboard | Self::SwissRoll | Self::Gaussian => Vec::new(),
        }
    }

    /// One point and its class.
    fn point(self, index: usize) -> ([f64; 2], Option<usize>) {
        let draw = |purpose| uniform(index, purpose);
        let [noise_x, noise_y] = normal_pair(draw(0), draw(1));
        match self {
            Self::TwoMoons => {
                // Half circles of radius 1; the second is turned, moved by (1, 0.5), and centred
                // together with the first on (0.5, 0.25). Their variance, averaged over both
                // axes and with the noise added, is 0.4996.
                let class = index % 2;
                let angle = PI * draw(2);
                let [x, y] = match class {
                    0 => [angle.cos(), angle.sin()],
                    _ => [1.0 - angle.cos(), 0.5 - angle.sin()],
                };
                let scale = 0.5 / 0.4996f64.sqrt();
                let point = [x - 0.5 + 0.05 * noise_x, y - 0.25 + 0.05 * noise_y];
                (point.map(|value| scale * value), Some(class))
            }
            Self::EightGaussians => {
                // Variance of an axis: radius^2 / 2 + deviation^2 = 0.25.
                let class = index % 8;
                let deviation: f64 = 0.08;
                let radius = (2.0 * (0.25 - deviation.powi(2))).sqrt();
                let (sin, cos) = (class as f64 * TAU / 8.0).sin_cos();
                let point = [radius * cos + deviation * noise_x, radius * sin + deviation * noise_y];
                (point, Some(class))
            }
            Self::Checkerboard => {
                // Four by four squares of which every other is filled; along each axis the points
                // are uniform, with variance side^2 / 12.
                let side = 3f64.sqrt();
                let filled = (draw(2) * 8.0) as usize;
                let row = filled / 2;
                let column = 2 * (filled % 2) + row % 2;
                let place = |cell: usize, within: f64| side * ((cell as f64 + within) / 4.0 - 0.5);
                ([place(column, draw(3)), place(row, draw(4))], None)
            }
            Self::SwissRoll => {
                // The spiral (t cos t, t sin t) for t from 1.5 π to 4.5 π: its mean is (2, 0.212),
                // its variance 43.86 and 48.32.
                let angle = 1.5 * PI * (1.0 + 2.0 * draw(2));
                let deviation: f64 = 0.35;
                let scale = 0.5 / ((43.864 + 48.319) / 2.0 + deviation.powi(2)).sqrt();
                let x = angle * angle.cos() - 2.0 + deviation * noise_x;
                let y = angle * angle.sin() - 0.2122 + deviation * noise_y;
                ([scale * x, scale * y], None)
            }
            Self::Gaussian => ([0.5 * noise_x, 0.5 * noise_y], None),
        }
    }
}

/// A [`Toy`] seen through a [`DataSpec`].
pub(super) struct ToySet {
    toy: Toy,
    len: usize,
    labels: bool,
    class_names: Vec<String>,
}

impl ToySet {
    /// Refuses what only makes sense for images.
    pub(super) fn new(toy: Toy, spec: &DataSpec) -> Result<Self, DataError> {
        let for_images =
            [("image_size", spec.image_size.is_some()), ("grey", spec.grey), ("flip", spec.flip)];
        if let Some((setting, _)) = for_images.into_iter().find(|&(_, is_set)| is_set) {
            let reason = format!("is for images, `{}` is a set of points; leave it out", spec.source);
            return Err(DataError::Setting { setting, reason });
        }
        let labels = spec.wants_given_labels(&spec.source)?;
        let class_names = if labels { toy.class_names() } else { Vec::new() };
        let len = spec.limit.unwrap_or(N_POINTS).min(N_POINTS);
        Ok(Self { toy, len, labels, class_names })
    }
}

impl Dataset for ToySet {
    fn len(&self) -> usize {
        self.len
    }

    fn shape(&self) -> ImageShape {
        ImageShape { height: 1, width: 1, channels: 2 }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        if index >= self.len {
            return Err(DataError::Index { index, len: self.len });
        }
        let (point, label) = self.toy.point(index);
        Ok(Sample { values: point.map(|value| value as f32).to_vec(), label: label.filter(|_| self.labels) })
    }

    fn source(&self, index: usize) -> String {
        format!("builtin:{}, point {index}", self.toy.name())
    }

    fn fingerprint(&self) -> String {
        // The name instead of the numbers: sines may differ in the last place between machines.
        let mut hasher = Fingerprint::new("points");
        hasher.bytes(self.toy.name().as_bytes());
        hasher.number(VERSION);
        hasher.number(self.len);
        hasher.number(usize::from(self.labels));
        hasher.finish()
    }
}

/// A number in [0, 1) that depends on a point and a purpose only.
fn uniform(index: usize, purpose: u64) -> f64 {
    (split_mix(index as u64 * 8 + purpose + 1) >> 11) as f64 / (1u64 << 53) as f64
}

/// Two independent normal numbers from two uniform ones (Box and Muller 1958).
fn normal_pair(first: f64, second: f64) -> [f64; 2] {
    // `1 - first` is never zero, so the logarithm is finite.
    let radius = (-2.0 * (1.0 - first).ln()).sqrt();
    let (sin, cos) = (TAU * second).sin_cos();
    [radius * cos, radius * sin]
}
