//! Dropout: numbers times a mask that is drawn on the way, so that it is never kept.

#![allow(unsafe_code, reason = "tasks write disjoint pieces of the output")]

use std::sync::Arc;

use crate::blocking::filled;
use crate::loops::{SIDE_BY_SIDE, WORDS, philox, philox_words};
use crate::simd::vectorised;

/// Numbers of a task: whole groups of blocks.
const PIECE: usize = 256 * WORDS;

/// Where the random words of a sample's mask lie.
///
/// Number e of the sample has word e mod 4 of [`philox()`] of this key at the counter whose lower two words are e / 4, low word
/// first, and whose upper two are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskStream {
    /// The key.
    pub key: [u32; 2],
    /// The upper two words of the counter.
    pub upper: [u32; 2],
}

/// A mask of dropout: 0 with the probability of a zero, else 1 / (1 - that probability); a function of the streams alone.
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutMask {
    /// One a sample.
    streams: Arc<[MaskStream]>,
    /// Words below it are zeros.
    threshold: u32,
    /// What the other numbers are multiplied by.
    kept: f32,
}

impl DropoutMask {
    /// A mask by the probability of a zero, `rate`, and the stream of each sample.
    ///
    /// # Panics
    ///
    /// Unless 0 ≤ `rate` < 1.
    pub fn new(rate: f64, streams: impl IntoIterator<Item = MaskStream>) -> Self {
        assert!((0.0..1.0).contains(&rate), "dropout: a rate of {rate} is not in [0, 1)");
        // Exact: a multiplication by a power of two.
        let threshold = (rate * 4_294_967_296.0) as u32;
        Self { streams: streams.into_iter().collect(), threshold, kept: (1.0 / (1.0 - rate)) as f32 }
    }

    /// Number of samples.
    pub fn batch(&self) -> usize {
        self.streams.len()
    }

    /// The stream of each sample.
    #[cfg(feature = "card")]
    pub(crate) fn streams(&self) -> &[MaskStream] {
        &self.streams
    }

    /// Words below it are zeros.
    #[cfg(feature = "card")]
    pub(crate) fn threshold(&self) -> u32 {
        self.threshold
    }

    /// What the other numbers are multiplied by.
    #[cfg(feature = "card")]
    pub(crate) fn kept(&self) -> f32 {
        self.kept
    }

    fn factor(&self, word: u32) -> f32 {
        if word < self.threshold { 0.0 } else { self.kept }
    }

    /// The mask itself, for so many numbers a sample.
    pub(crate) fn factors(&self, per_sample: usize) -> Vec<f32> {
        let of_sample = |stream: &MaskStream| {
            let &MaskStream { key, upper: [third, fourth] } = stream;
            let words = (0..)
                .flat_map(move |block: u64| philox([block as u32, (block >> 32) as u32, third, fourth], key));
            words.take(per_sample).map(|word| self.factor(word))
        };
        self.streams.iter().flat_map(of_sample).collect()
    }

    /// The numbers of all samples, one after the other, times the mask.
    pub(crate) fn apply(&self, values: &[f32]) -> Vec<f32> {
        let per_sample = values.len() / self.batch().max(1);
        assert_eq!(values.len(), per_sample * self.batch(), "a stream for each sample");
        let pieces = per_sample.div_ceil(PIECE);
        // SAFETY: the pieces of all samples cover the numbers and are disjoint, and each task writes its piece whole.
        unsafe {
            filled(values.len(), self.batch() * pieces, |task, shared| {
                let (sample, piece) = (task / pieces, task % pieces);
                let start = piece * PIECE;
                let length = PIECE.min(per_sample - start);
                let place = sample * per_sample + start;
                let output = shared.slice(place, length);
                mask_piece(
                    &values[place..place + length],
                    output,
                    (start / 4) as u64,
                    self.streams[sample],
                    [self.threshold, self.kept.to_bits()],
                );
            })
        }
    }
}

vectorised! {
    /// Writes the input times the mask from block `first` of the stream on; the rest are threshold and bits of the factor.
    fn mask_piece(input: &[f32], output: &mut [f32], first: u64, stream: MaskStream, rest: [u32; 2]) {
        let [threshold, kept] = [rest[0], rest[1]];
        let groups = output.chunks_mut(WORDS).zip(input.chunks(WORDS));
        for (group, (output, input)) in groups.enumerate() {
            let block = first.wrapping_add((group * SIDE_BY_SIDE) as u64);
            let words = philox_words(block, stream.upper, stream.key);
            for ((output, input), word) in output.iter_mut().zip(input).zip(&words) {
                // A product also where the factor is 0: what is not finite is not hidden.
                *output = input * f32::from_bits(if *word < threshold { 0 } else { kept });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(batch: usize) -> Vec<MaskStream> {
        let stream =
            |sample| MaskStream { key: [sample, 0xa409_3822 + sample], upper: [sample ^ 7, u32::MAX] };
        (0..batch as u32).map(stream).collect()
    }

    /// Word by word, as [`MaskStream`] defines it.
    fn expected(values: &[f32], streams: &[MaskStream], rate: f64) -> Vec<f32> {
        let per_sample = values.len() / streams.len();
        let masked = |(index, &value): (usize, &f32)| {
            let (sample, e) = (index / per_sample, (index % per_sample) as u64);
            let MaskStream { key, upper } = streams[sample];
            let word =
                philox([(e / 4) as u32, ((e / 4) >> 32) as u32, upper[0], upper[1]], key)[(e % 4) as usize];
            let zero = f64::from(word) < (rate * 4_294_967_296.0).floor();
            value * if zero { 0.0 } else { (1.0 / (1.0 - rate)) as f32 }
        };
        values.iter().enumerate().map(masked).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn numbers_are_multiplied_by_the_mask_of_their_place() {
        for per_sample in [1, 3, 4, 63, 64, 65, 130, PIECE - 1, PIECE, 2 * PIECE + 71] {
            for (batch, rate) in [(1, 0.13), (3, 0.5), (2, 0.999_999_999_9)] {
                let values: Vec<f32> = (0..batch * per_sample).map(|index| index as f32 - 50.0).collect();
                let streams = streams(batch);
                let mask = DropoutMask::new(rate, streams.clone());
                let expected = expected(&values, &streams, rate);
                assert_eq!(bits(&mask.apply(&values)), bits(&expected), "{batch} of {per_sample}, {rate}");
                let products: Vec<f32> = mask
                    .factors(per_sample)
                    .iter()
                    .zip(&values)
                    .map(|(factor, value)| factor * value)
                    .collect();
                assert_eq!(bits(&products), bits(&expected), "the mask by itself");
            }
        }
    }

    #[test]
    fn at_rate_zero_everything_stays() {
        let values = [1.5, -2.0, f32::INFINITY];
        assert_eq!(DropoutMask::new(0.0, streams(1)).apply(&values), values);
    }

    #[test]
    fn no_numbers_are_no_work() {
        assert_eq!(DropoutMask::new(0.3, streams(0)).apply(&[]), [0.0; 0]);
        assert_eq!(DropoutMask::new(0.3, streams(2)).apply(&[]), [0.0; 0]);
    }

    #[test]
    fn numbers_of_blocks_pass_32_bits() {
        let (stream, first) = (streams(1)[0], (1u64 << 32) - 2);
        let mut output = [0.0; 20];
        mask_piece(&[1.0; 20], &mut output, first, stream, [1 << 31, 2.0f32.to_bits()]);
        let words = (first..first + 5).flat_map(|block| {
            philox([block as u32, (block >> 32) as u32, stream.upper[0], stream.upper[1]], stream.key)
        });
        let expected: Vec<f32> = words.map(|word| if word < 1 << 31 { 0.0 } else { 2.0 }).collect();
        assert_eq!(output[..], expected);
    }
}
