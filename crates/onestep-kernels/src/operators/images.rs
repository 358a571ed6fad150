//! Images as the operators read them.

#![allow(unsafe_code, reason = "tasks write disjoint chunks of the outputs")]

use std::borrow::Cow;

use crate::blocking::{Shared, filled, filled_chunks, with_scratch};
use crate::loops::{Numbers, round, widen};

/// A type that images are stored in. Whatever it is, they are computed with in f32.
pub(crate) trait Number: Copy + Sync {
    /// Lends numbers in f32.
    fn read<R>(values: &[Self], body: impl FnOnce(&[f32]) -> R) -> R;

    /// Stores what is made in f32. The body writes all of it and reads nothing of it before.
    fn write(target: &mut [Self], body: impl FnOnce(&mut [f32]));
}

impl Number for f32 {
    fn read<R>(values: &[Self], body: impl FnOnce(&[f32]) -> R) -> R {
        body(values)
    }

    fn write(target: &mut [Self], body: impl FnOnce(&mut [f32])) {
        body(target);
    }
}

/// The bits of bf16.
impl Number for u16 {
    fn read<R>(values: &[Self], body: impl FnOnce(&[f32]) -> R) -> R {
        with_scratch(values.len(), |wide| {
            widen(values, wide);
            body(wide)
        })
    }

    fn write(target: &mut [Self], body: impl FnOnce(&mut [f32])) {
        with_scratch(target.len(), |wide| {
            body(wide);
            round(wide, target);
        });
    }
}

/// Images of equal size; the rows of a matrix are the pixels of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Images<'a, T = f32> {
    /// `[batch, pixels, channels]`
    pub values: &'a [T],
    pub batch: usize,
    /// Of one image.
    pub pixels: usize,
    pub channels: usize,
}

impl<'a, T> Images<'a, T> {
    /// Images `[batch, height, width, channels]`.
    pub(crate) fn new(values: &'a [T], [batch, height, width, channels]: [usize; 4]) -> Self {
        assert_eq!(values.len(), batch * height * width * channels);
        Self { values, batch, pixels: height * width, channels }
    }

    /// A matrix `[rows, channels]`.
    pub(crate) fn rows(values: &'a [T], [rows, channels]: [usize; 2]) -> Self {
        Self::new(values, [1, rows, 1, channels])
    }
}

/// Numbers in the type that they are stored in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values<'a> {
    /// f32.
    Full(&'a [f32]),
    /// The bits of bf16.
    Half(&'a [u16]),
}

impl<'a> Values<'a> {
    /// Numbers that are stored in f32.
    pub(crate) fn full(self) -> &'a [f32] {
        match self {
            Self::Full(values) => values,
            Self::Half(_) => unreachable!("parameters are stored in f32"),
        }
    }

    /// All of them in f32.
    pub(crate) fn widened(self) -> Cow<'a, [f32]> {
        match self {
            Self::Full(values) => Cow::Borrowed(values),
            Self::Half(values) => {
                // SAFETY: the values have as many numbers in a range as the chunk, which are all written.
                let [wide] =
                    unsafe { filled_chunks(values.len(), |range, [output]| widen(&values[range], output)) };
                Cow::Owned(wide)
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Full(values) => values.len(),
            Self::Half(values) => values.len(),
        }
    }

    /// Where those from `index` on are read.
    pub(crate) fn at(&self, index: usize) -> Numbers {
        match self {
            Self::Full(values) => Numbers::Full(values[index..].as_ptr()),
            Self::Half(values) => Numbers::Half(values[index..].as_ptr()),
        }
    }
}

/// What an operator made, in the type that it is stored in.
#[derive(Debug)]
pub(crate) enum Stored {
    /// f32.
    Full(Vec<f32>),
    /// The bits of bf16.
    Half(Vec<u16>),
}

impl Stored {
    /// What was made in f32, rounded to bf16.
    pub(crate) fn rounded(values: &[f32]) -> Self {
        const CHUNK: usize = 16 * 1024;
        let task = |index: usize, shared: Shared<u16>| {
            let range = index * CHUNK..((index + 1) * CHUNK).min(values.len());
            // SAFETY: chunks do not overlap, and each is one task's.
            round(&values[range.clone()], unsafe { shared.slice(range.start, range.len()) });
        };
        // SAFETY: the tasks are all chunks, each of which is written whole.
        Self::Half(unsafe { filled(values.len(), values.len().div_ceil(CHUNK), task) })
    }

    /// What is stored in f32, or is made so.
    pub(crate) fn into_full(self) -> Vec<f32> {
        match self {
            Self::Full(values) => values,
            Self::Half(values) => Values::Half(&values).widened().into_owned(),
        }
    }
}
