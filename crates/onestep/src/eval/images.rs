//! Images to be judged, wherever they come from.

use std::ops::Range;

use rayon::prelude::*;
use serde_json::json;

use super::EvalError;
use crate::Result;
use crate::data::{Dataset, Pixels, Rounding};
use crate::digest;
use crate::size::ImageSize;

/// A numbered set of images in bytes.
///
/// Data sets are images, and so are drawings ([`Draw`](crate::Draw)), pictures in memory, and anything of one's own that has
/// a number and [`Images::pixels`].
pub trait Images {
    /// How many there are.
    fn n_images(&self) -> usize;

    /// Some of them, in order, in RGB.
    ///
    /// `rounding` is how values become bytes where they are not bytes already.
    ///
    /// # Errors
    ///
    /// Whatever reading or making them meets.
    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> Result<Vec<Pixels>>;

    /// Everything that decides what the images are, as text; none for those that nothing identifies, of which a part that was
    /// kept in a file cannot be gone on with.
    ///
    /// # Errors
    ///
    /// As [`Images::settled`].
    fn identity(&self, _rounding: Rounding) -> Result<Option<String>> {
        Ok(None)
    }

    /// Height and width of the images; none where they differ, or nobody knows.
    fn size(&self) -> Option<ImageSize> {
        None
    }

    /// The classes that were asked for; none where none were.
    fn classes(&self) -> Option<AskedClasses> {
        None
    }

    /// The same images with everything decided that is still open, and found fit to be judged; none where these are it.
    ///
    /// # Errors
    ///
    /// [`EvalError::Points`] for what is no images, and whatever deciding meets.
    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        Ok(None)
    }
}

/// The classes that images were made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedClasses {
    /// The class of each image, a place among the names.
    pub labels: Vec<usize>,
    /// What the classes are called.
    pub names: Vec<String>,
}

/// All images of a data set.
impl<D: Dataset + ?Sized> Images for D {
    fn n_images(&self) -> usize {
        self.len()
    }

    fn pixels(&self, range: Range<usize>, _rounding: Rounding) -> Result<Vec<Pixels>> {
        range.into_par_iter().map(|index| stored(self, index)).collect()
    }

    fn identity(&self, _rounding: Rounding) -> Result<Option<String>> {
        Ok(Some(identity_of_stored(self, "all")))
    }

    fn size(&self) -> Option<ImageSize> {
        Some(self.shape().size())
    }

    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        check_images("the data set", self.shape().channels)?;
        Ok(None)
    }
}

/// As [`open`](crate::data::open()) returns it.
impl Images for Box<dyn Dataset> {
    fn n_images(&self) -> usize {
        self.as_ref().n_images()
    }

    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> Result<Vec<Pixels>> {
        self.as_ref().pixels(range, rounding)
    }

    fn identity(&self, rounding: Rounding) -> Result<Option<String>> {
        self.as_ref().identity(rounding)
    }

    fn size(&self) -> Option<ImageSize> {
        self.as_ref().size()
    }

    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        self.as_ref().settled()
    }
}

/// Images that a function makes, in RGB: which of them, and how values become bytes.
pub struct Made<F> {
    /// How many there are.
    pub n: usize,
    /// Makes some of them.
    pub pixels: F,
}

impl<F: Fn(Range<usize>, Rounding) -> Result<Vec<Pixels>>> Images for Made<F> {
    fn n_images(&self) -> usize {
        self.n
    }

    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> Result<Vec<Pixels>> {
        (self.pixels)(range, rounding)
    }
}

/// Pictures in memory.
impl Images for Vec<Pixels> {
    fn n_images(&self) -> usize {
        self.len()
    }

    fn pixels(&self, range: Range<usize>, _rounding: Rounding) -> Result<Vec<Pixels>> {
        Ok(self[range].iter().cloned().map(Pixels::into_rgb).collect())
    }

    fn identity(&self, _rounding: Rounding) -> Result<Option<String>> {
        let told: Vec<String> =
            self.iter().map(|image| format!("{} {}", image.shape(), digest::hex(image.bytes()))).collect();
        Ok(Some(json!({ "pixels_sha256": digest::hex(told.join("\n").as_bytes()) }).to_string()))
    }

    fn size(&self) -> Option<ImageSize> {
        let size = self.first()?.size();
        self.iter().all(|image| image.size() == size).then_some(size)
    }
}

/// One image of a data set, in RGB.
pub(super) fn stored<D: Dataset + ?Sized>(set: &D, index: usize) -> Result<Pixels> {
    let values = set.sample(index)?.values;
    // Values that come from bytes are nearest to them.
    Ok(Pixels::from_values(&values, set.shape(), Rounding::Edm)?.into_rgb())
}

/// What identifies images of a data set: itself, and which of it.
pub(super) fn identity_of_stored<D: Dataset + ?Sized>(set: &D, images: &str) -> String {
    json!({ "fingerprint": set.fingerprint(), "images": images }).to_string()
}

/// Numbers as text: runs as ranges, for example `0-49999` or `3,17,20-22`.
pub fn number_ranges(numbers: &[u64]) -> String {
    let mut rest = numbers;
    let mut parts = Vec::new();
    while let Some(&first) = rest.first() {
        let n = rest.iter().zip(first..).take_while(|(number, expected)| **number == *expected).count();
        parts.push(if n == 1 { first.to_string() } else { format!("{first}-{}", rest[n - 1]) });
        rest = &rest[n..];
    }
    parts.join(",")
}

/// Refuses what cannot be judged by looking at it, by its channels; `what` is what the error calls it.
///
/// # Errors
///
/// [`EvalError::Points`].
pub fn check_images(what: &str, channels: usize) -> Result<(), EvalError> {
    if matches!(channels, 1 | 3) {
        return Ok(());
    }
    Err(EvalError::Points { what: what.into(), channels })
}
