//! Random numbers as a pure function of where they are used.
//!
//! Every draw is named by (seed, purpose, step, sample) and a position: there is no state to save, a
//! resumed run draws what an uninterrupted one would have drawn, and a sample does not depend on the
//! batch, the thread or the rank it is computed in.

use onestep_kernels::{MaskStream, philox};
use rayon::prelude::*;

/// What a draw is for; draws for different purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Starting weights; step = a key of the parameter's name.
    Initialize = 1,
    /// Order of the training images; step = epoch.
    Shuffle = 2,
    /// Noise levels of a training batch.
    Levels = 3,
    /// Noise added to training images.
    TrainingNoise = 4,
    /// Dropout masks; the layer is the lane.
    Dropout = 5,
    /// Random flips and other augmentation.
    Augment = 6,
    /// Noise of a sampler; sample = the seed of the image.
    Sample = 7,
    /// Class labels drawn for samples; sample = the seed of the image.
    Label = 8,
    /// Points of synthetic data sets.
    Data = 9,
    /// Tests and tools.
    Test = 10,
    /// Likelihoods; sample = the number of the image. Step 0: where in its cell a byte lies; from 1 on: probes.
    Likelihood = 11,
    /// Which training samples lose their class; sample = its number in the run.
    DropClass = 12,
    /// Guidance scales of training samples; sample = its number in the run.
    Guidance = 13,
}

/// One stream of random numbers: Philox4x32-10 with the place of use as its counter.
///
/// # Source
///
/// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": the 10-round 4x32 generator, [`philox`].
/// Normals by Box-Muller in f64.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of (seed, purpose, step, sample), at its beginning.
    pub fn new(seed: u64, purpose: Purpose, step: u64, sample: u64) -> Self {
        Self::with_lane(seed, purpose, step, sample, 0)
    }

    /// One of many streams at the same place, for example one for each dropout layer.
    pub fn with_lane(seed: u64, purpose: Purpose, step: u64, sample: u64, lane: u32) -> Self {
        // The place needs more bits than the counter has, so it is mixed into the key by one Philox
        // block of its own; two places share a key only by a 64-bit collision.
        let seed_key = [seed as u32, (seed >> 32) as u32];
        let first = philox([step as u32, (step >> 32) as u32, purpose as u32, lane], seed_key);
        let second = philox([sample as u32, (sample >> 32) as u32, first[2], first[3]], [first[0], first[1]]);
        Self { key: [second[0], second[1]], counter: [0, 0, second[2], second[3]], block: [0; 4], used: 4 }
    }

    /// The words that a stream at its beginning is going to return, for a mask of dropout.
    pub(crate) fn mask(&self) -> MaskStream {
        let &Self { key, counter: [_, _, third, fourth], .. } = self;
        MaskStream { key, upper: [third, fourth] }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            let position = (u64::from(self.counter[1]) << 32 | u64::from(self.counter[0])).wrapping_add(1);
            self.counter[0] = position as u32;
            self.counter[1] = (position >> 32) as u32;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// A number uniform on the open interval (0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        ((self.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// An integer uniform on 0..n, without bias.
    ///
    /// # Panics
    ///
    /// If `n` is zero: there is nothing to choose from.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "an index below zero does not exist");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            // Lemire's method: reject the few low words that would favor some results.
            if (wide as u64) >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// `n` normals with mean 0 and deviation 1.
    pub fn standard_normal(&mut self, n: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(n + 1);
        while values.len() < n {
            let [a, b] = self.normal_pair();
            values.push(a as f32);
            values.push(b as f32);
        }
        values.truncate(n);
        values
    }

    /// Two independent normals by Box-Muller from two 32-bit words (|z| at most 6.8).
    pub fn normal_pair(&mut self) -> [f64; 2] {
        const WORDS: f64 = 4_294_967_296.0;
        let radius = (-2.0 * ((f64::from(self.next_u32()) + 0.5) / WORDS).ln()).sqrt();
        let (sin, cos) = (f64::from(self.next_u32()) / WORDS * std::f64::consts::TAU).sin_cos();
        [radius * cos, radius * sin]
    }
}

/// `n` unit normals of every stream, one stream after the other, by as many threads as there are.
pub(crate) fn normals(streams: impl Iterator<Item = Stream>, n: usize) -> Vec<f32> {
    // So many numbers are worth waking a thread for.
    const WORTH: usize = 8 * 1024;
    let streams: Vec<Stream> = streams.collect();
    let drawn: Vec<Vec<f32>> = streams
        .into_par_iter()
        .with_min_len((WORTH / n.max(1)).max(1))
        .map(|mut stream| stream.standard_normal(n))
        .collect();
    drawn.concat()
}

/// Unit normals for a batch, one stream a sample: what samplers and editors take.
///
/// A trait, so that a test can feed recorded noise and an application its own.
pub trait NoiseSource {
    /// The next unit normals of every sample: `batch * values_per_sample` numbers, sample after sample.
    fn standard_normal(&mut self, batch: usize, values_per_sample: usize) -> Vec<f32>;
}

/// The noise of a list of seeds: a seed is an image, alone or in any batch.
#[derive(Debug, Clone)]
pub struct SeedNoise {
    seeds: Vec<u64>,
    draw: u64,
}

impl SeedNoise {
    /// Noise for one image a seed.
    pub fn new(seeds: &[u64]) -> Self {
        Self { seeds: seeds.to_vec(), draw: 0 }
    }
}

impl NoiseSource for SeedNoise {
    fn standard_normal(&mut self, batch: usize, values_per_sample: usize) -> Vec<f32> {
        assert_eq!(batch, self.seeds.len(), "one seed for each sample of the batch");
        let draw = self.draw;
        self.draw += 1;
        normals(self.seeds.iter().map(|&seed| Stream::new(seed, Purpose::Sample, draw, 0)), values_per_sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_drawn_from_the_words_in_order() {
        let mut stream = Stream::new(3, Purpose::Test, 1, 4);
        let MaskStream { key, upper: [third, fourth] } = stream.mask();
        let words: Vec<u32> = (0..40).map(|_| stream.next_u32()).collect();
        assert_eq!(
            (0..10).flat_map(|block| philox([block, 0, third, fourth], key)).collect::<Vec<_>>(),
            words
        );
    }

    #[test]
    fn places_do_not_share_numbers() {
        let first = |seed, purpose, step, sample, lane| {
            Stream::with_lane(seed, purpose, step, sample, lane).next_u64()
        };
        let base = first(1, Purpose::Test, 2, 3, 4);
        assert_eq!(base, first(1, Purpose::Test, 2, 3, 4));
        for other in [
            first(2, Purpose::Test, 2, 3, 4),
            first(1, Purpose::Data, 2, 3, 4),
            first(1, Purpose::Test, 3, 2, 4),
            first(1, Purpose::Test, 2, 4, 4),
            first(1, Purpose::Test, 2, 3, 5),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn normals_have_the_moments_of_a_unit_normal() {
        let n = 200_000;
        let values = Stream::new(7, Purpose::Test, 0, 0).standard_normal(n);
        let moment = |k: i32| values.iter().map(|&v| f64::from(v).powi(k)).sum::<f64>() / n as f64;
        // Five standard errors of each moment.
        assert!(moment(1).abs() < 5.0 * (1.0 / n as f64).sqrt());
        assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
        assert!(moment(3).abs() < 5.0 * (15.0 / n as f64).sqrt());
        assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n as f64).sqrt());
    }

    #[test]
    fn a_seed_is_the_same_noise_in_every_batch() {
        let mut alone = SeedNoise::new(&[17]);
        let mut many = SeedNoise::new(&[3, 17, 99]);
        for _ in 0..3 {
            assert_eq!(alone.standard_normal(1, 10), many.standard_normal(3, 10)[10..20]);
        }
    }

    #[test]
    fn below_reaches_every_value_evenly() {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Six standard deviations of a binomial with p = 1/7.
        assert!(counts.iter().all(|&count| (count as f64 - 10_000.0).abs() < 6.0 * 93.0), "{counts:?}");
    }
}
