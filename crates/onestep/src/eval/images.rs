//! Images to be judged, wherever they come from, and how a network gets to see them.

use std::ops::Range;

use rayon::prelude::*;

use super::collection::Collection;
use super::{Activations, EvalError, FeatureNetwork};
use crate::Result;
use crate::data::{Dataset, Pixels, Rounding};
use crate::sample::{Drawing, generate};

/// A numbered set of images in bytes.
pub trait Images {
    /// Some of them, in order, in RGB.
    ///
    /// # Errors
    ///
    /// Whatever reading or making them meets.
    fn pixels(&self, range: Range<usize>) -> Result<Vec<Pixels>>;
}

/// A function that makes them, in RGB.
impl<F: Fn(Range<usize>) -> Result<Vec<Pixels>>> Images for F {
    fn pixels(&self, range: Range<usize>) -> Result<Vec<Pixels>> {
        self(range)
    }
}

/// Images of a data set: bytes, as they are in its files.
pub struct Stored<'a> {
    /// The data set.
    pub set: &'a dyn Dataset,
    /// Which of its images, by number; all of them if not given.
    pub numbers: Option<&'a [u64]>,
}

impl Images for Stored<'_> {
    fn pixels(&self, range: Range<usize>) -> Result<Vec<Pixels>> {
        let image = |place: usize| {
            let index = self.numbers.map_or(place, |numbers| numbers[place] as usize);
            let values = self.set.sample(index)?.values;
            // Values that come from bytes are nearest to them.
            Ok(Pixels::from_values(&values, self.set.shape(), Rounding::Edm)?.into_rgb())
        };
        range.into_par_iter().map(image).collect()
    }
}

/// Images drawn from a model as they are needed, one a seed: a seed is an image, whatever is drawn beside it.
#[derive(Clone, Copy)]
pub struct Generated<'a> {
    /// What is drawn.
    pub drawing: Drawing<'a>,
    /// How values become bytes.
    pub rounding: Rounding,
}

impl Images for Generated<'_> {
    fn pixels(&self, range: Range<usize>) -> Result<Vec<Pixels>> {
        let samples = generate(&self.drawing.part(range), &mut ())?;
        Ok(samples.pixels(self.rounding)?.into_iter().map(Pixels::into_rgb).collect())
    }
}

/// What happened while images were collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The images of a block are there, so many of them.
    Images(usize),
    /// The network has seen a block of so many images, and they are in the collection.
    Seen(usize),
}

/// Lets a network see those images of some blocks that a collection does not have yet.
///
/// `batch` images are seen together, which does not change what is seen. After each stage of a block `watch` is told; when it
/// answers false, the blocks so far are in the collection and the rest can be collected another time.
///
/// # Errors
///
/// What the images or the network meet, and as [`Collection::add`].
pub fn collect(
    images: &dyn Images,
    network: &dyn FeatureNetwork,
    collection: &mut Collection,
    blocks: Range<usize>,
    batch: usize,
    watch: &mut dyn FnMut(Progress, &Collection) -> Result<bool>,
) -> Result<()> {
    for block in blocks {
        if collection.has(block) {
            continue;
        }
        let range = collection.subject().block(block);
        let n = range.len();
        let pixels = images.pixels(range)?;
        if !watch(Progress::Images(n), collection)? {
            break;
        }
        collection.add(block, &see(network, &pixels, batch)?)?;
        if !watch(Progress::Seen(n), collection)? {
            break;
        }
    }
    Ok(())
}

/// What the network says of some images, a batch at a time.
fn see(network: &dyn FeatureNetwork, images: &[Pixels], batch: usize) -> Result<Activations, EvalError> {
    let mut all = Activations::default();
    for images in images.chunks(batch.max(1)) {
        let Activations { pooled, spatial, logits } = network.activations(images)?;
        all.pooled.extend(pooled);
        for (all, more) in [(&mut all.spatial, spatial), (&mut all.logits, logits)] {
            if let Some(more) = more {
                all.get_or_insert_default().extend(more);
            }
        }
    }
    Ok(all)
}
