//! Interpolation: images between two images lie at noises between two noises.

use burn::tensor::Tensor;

use crate::Result;
use crate::model::Denoiser;
use crate::noise::{NoiseSource, Purpose, SamplingLevels, Stream, normals};
use crate::sample::{Request, sample_multistep};

/// Spherical interpolation: `a` at place 0, `b` at place 1, and between them vectors of a length between theirs.
///
/// Equal (or nearly parallel) vectors are mixed linearly, where the formula would divide by zero. Between opposite ones there
/// is no one shortest way; the one taken turns through `a` with its neighbors exchanged pairwise, and never comes near
/// zero.
///
/// # Errors
///
/// None; vectors of different lengths are compared up to the shorter.
///
/// # Source
///
/// Song et al. 2023 (arXiv:2303.01469), appendix D; the weights multiply the vectors themselves, as in the notebook of
/// openai/consistency_models_cifar10, which divides by zero for equal noises.
///
/// # Examples
///
/// ```
/// let half = onestep::edit::slerp(&[1.0, 0.0], &[0.0, 1.0], 0.5);
/// assert!((half[0] - 0.5f64.sqrt()).abs() < 1e-15 && half[0] == half[1]);
/// ```
pub fn slerp(a: &[f64], b: &[f64], place: f64) -> Vec<f64> {
    /// Sines below this are all rounding.
    const SMALL: f64 = 1e-6;
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let mix = |p: f64, q: f64, b: &[f64]| a.iter().zip(b).map(|(a, b)| p * a + q * b).collect();
    let (norm_a, norm_b) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    if norm_a == 0.0 || norm_b == 0.0 {
        return mix(1.0 - place, place, b);
    }
    let unit = |x: &[f64], norm: f64| x.iter().map(|x| x / norm).collect::<Vec<_>>();
    let cosine = dot(&unit(a, norm_a), &unit(b, norm_b)).clamp(-1.0, 1.0);
    let angle = cosine.acos();
    if angle.sin() > SMALL {
        let sine = angle.sin();
        return mix(((1.0 - place) * angle).sin() / sine, (place * angle).sin() / sine, b);
    }
    if cosine > 0.0 {
        return mix(1.0 - place, place, b);
    }
    // At a right angle to `a`, and of its length unless their number is odd.
    let mut aside: Vec<f64> = a
        .chunks(2)
        .flat_map(|pair| match *pair {
            [x, y] => vec![-y, x],
            _ => vec![0.0],
        })
        .collect();
    let norm = dot(&aside, &aside).sqrt();
    let length = norm_a + place * (norm_b - norm_a);
    if norm == 0.0 {
        return mix(1.0 - place, place, b);
    }
    aside.iter_mut().for_each(|x| *x *= length / norm);
    let turn = place * std::f64::consts::PI;
    mix(turn.cos() * length / norm_a, turn.sin(), &aside)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Noise between that of two seeds, one place a sample.
///
/// Every draw is interpolated, so that multistep sampling changes as smoothly as one step does. Place 0 is exactly the first
/// seed, place 1 the second.
#[derive(Debug, Clone)]
pub struct BetweenSeeds {
    seeds: Vec<(u64, u64)>,
    places: Vec<f64>,
    draw: u64,
}

impl BetweenSeeds {
    /// The noise at these places between two seeds.
    pub fn new(first: u64, second: u64, places: &[f64]) -> Self {
        Self { seeds: vec![(first, second); places.len()], places: places.to_vec(), draw: 0 }
    }

    /// The noise near a seed: at one place on the way to each of some others.
    pub fn near(seed: u64, others: &[u64], place: f64) -> Self {
        let seeds = others.iter().map(|&other| (seed, other)).collect();
        Self { seeds, places: vec![place; others.len()], draw: 0 }
    }
}

impl NoiseSource for BetweenSeeds {
    fn standard_normal(&mut self, batch: usize, values_per_sample: usize) -> Vec<f32> {
        assert_eq!(batch, self.places.len(), "one place for each sample of the batch");
        let draw = self.draw;
        self.draw += 1;
        let noise = |seed| Stream::new(seed, Purpose::Sample, draw, 0).standard_normal(values_per_sample);
        let between =
            self.seeds.iter().zip(&self.places).flat_map(|(&(first, second), &place)| match place {
                0.0 => noise(first),
                1.0 => noise(second),
                _ => slerp(&wide(&noise(first)), &wide(&noise(second)), place)
                    .into_iter()
                    .map(|v| v as f32)
                    .collect(),
            });
        between.collect()
    }
}

/// Noise that is given for the first draw, for example by inversion; later draws are those of seeds.
#[derive(Debug, Clone)]
pub struct GivenNoise {
    first: Option<Vec<f32>>,
    seeds: Vec<u64>,
    draw: u64,
}

impl GivenNoise {
    /// `first`: `[batch, values]`, flat; one seed a sample.
    pub fn new(first: Vec<f32>, seeds: &[u64]) -> Self {
        Self { first: Some(first), seeds: seeds.to_vec(), draw: 0 }
    }

    /// The noise at places between two, by [`slerp`]; one place and one seed a sample.
    pub fn between([a, b]: [&[f32]; 2], places: &[f64], seeds: &[u64]) -> Self {
        let (a, b) = (wide(a), wide(b));
        let first = places.iter().flat_map(|&place| slerp(&a, &b, place)).map(|v| v as f32).collect();
        Self::new(first, seeds)
    }
}

impl NoiseSource for GivenNoise {
    fn standard_normal(&mut self, batch: usize, values_per_sample: usize) -> Vec<f32> {
        assert_eq!(batch, self.seeds.len(), "one seed for each sample of the batch");
        let draw = self.draw;
        self.draw += 1;
        let streams = self.seeds.iter().map(|&seed| Stream::new(seed, Purpose::Sample, draw, 0));
        self.first.take().unwrap_or_else(|| normals(streams, values_per_sample))
    }
}

/// Images on the way between two noises, at these places: 0 the first, 1 the second.
///
/// # Shapes
///
/// `a` and `b`: one unit noise each, `[height, width, channels]`, flat; one place and one seed an image of `request.shape`,
/// which the result has.
///
/// # Randomness
///
/// Beyond the first level, the noise of `seeds`; with one seed for all, only the place differs.
///
/// # Errors
///
/// Whatever `model` returns.
pub fn interpolate(
    model: &dyn Denoiser,
    levels: &SamplingLevels,
    [a, b]: [&[f32]; 2],
    places: &[f64],
    seeds: &[u64],
    request: Request<'_>,
) -> Result<Tensor<4>> {
    sample_multistep(model, levels, &mut GivenNoise::between([a, b], places, seeds), request)
}
