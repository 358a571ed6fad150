//! Moments of images that were taken while they were written, for the norm that reads them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::merged::Merged;

/// Rows of an image whose moments are taken together, by its size alone: about 128 pixels.
pub(crate) fn unit_rows([height, width]: [usize; 2]) -> usize {
    (128 / width.max(1)).clamp(1, height.max(1))
}

/// Moments of images: for each unit of [`unit_rows`] rows, per channel, the mean and the sum of squares around it.
#[derive(Debug)]
pub(crate) struct TakenMoments {
    /// `[batch, units, 2, channels]`
    pub values: Vec<f32>,
    batch: usize,
    size: [usize; 2],
    channels: usize,
}

impl TakenMoments {
    /// Those of images that nothing is known of yet.
    pub(crate) fn new(batch: usize, size: [usize; 2], channels: usize) -> Self {
        let units = size[0].div_ceil(unit_rows(size));
        Self { values: vec![0.0; batch * units * 2 * channels], batch, size, channels }
    }

    fn units(&self) -> usize {
        self.size[0].div_ceil(unit_rows(self.size))
    }

    /// For each unit of an image its pixels, and the means and the sums of squares of some channels.
    fn units_of(&self, image: usize, channels: Range<usize>) -> impl Iterator<Item = (f64, [&[f32]; 2])> {
        let (unit, [height, width]) = (unit_rows(self.size), self.size);
        (0..self.units()).map(move |index| {
            let pixels = unit.min(height - index * unit) * width;
            let row = &self.values[(image * self.units() + index) * 2 * self.channels..][..2 * self.channels];
            let (means, squares) = row.split_at(self.channels);
            (pixels as f64, [&means[channels.clone()], &squares[channels.clone()]])
        })
    }
}

/// A place where a convolution leaves the moments of what it writes, for the norms that read it.
///
/// A norm needs the mean and the variance of its input, for which it has to read all of it once more; the convolution that wrote it
/// had every number in its hands. Whoever has the result of a convolution read by a norm hands one of these to both, and to
/// nothing that reads another tensor. It may stay empty, where a convolution is computed in a way that does not take them; the
/// norm then takes them itself. Clones share the place.
#[derive(Debug, Clone, Default)]
pub struct Moments(Vec<Arc<OnceLock<TakenMoments>>>);

impl Moments {
    /// An empty place.
    pub fn new() -> Self {
        Self(vec![Arc::default()])
    }

    /// The moments of feature maps that are joined channel after channel, from those of each.
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// Leaves moments in a place of one part.
    pub(crate) fn set(&self, moments: TakenMoments) {
        if let [place] = &self.0[..] {
            // What is there is of the same numbers.
            let _ = place.set(moments);
        }
    }

    /// What is known of images of this size, if all of it is.
    pub(crate) fn known(&self, [batch, height, width, channels]: [usize; 4]) -> Option<KnownMoments<'_>> {
        let parts: Option<Vec<&TakenMoments>> = self.0.iter().map(|place| place.get()).collect();
        let parts = parts?;
        let fits = |part: &&TakenMoments| part.batch == batch && part.size == [height, width];
        let total: usize = parts.iter().map(|part| part.channels).sum();
        (total == channels && parts.iter().all(fits)).then_some(KnownMoments { parts })
    }
}

impl PartialEq for Moments {
    /// Whether both are one place.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// Moments of all channels of some images.
pub(crate) struct KnownMoments<'a> {
    parts: Vec<&'a TakenMoments>,
}

impl KnownMoments<'_> {
    /// The mean and the sum of squares of some channels of an image together.
    pub(super) fn of(&self, image: usize, channels: Range<usize>) -> Merged {
        Merged::of(|| {
            let shares = self.shares(channels.clone());
            shares.flat_map(move |(part, channels)| part.units_of(image, channels))
        })
    }

    /// The parts that some channels fall into, and which of their channels those are.
    fn shares(&self, channels: Range<usize>) -> impl Iterator<Item = (&TakenMoments, Range<usize>)> {
        let mut first = 0;
        self.parts.iter().filter_map(move |part| {
            let start = first;
            first += part.channels;
            let shared = channels.start.max(start)..channels.end.min(first);
            (!shared.is_empty()).then(|| (*part, shared.start - start..shared.end - start))
        })
    }
}
