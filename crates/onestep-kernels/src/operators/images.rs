//! Images as the operators read them.

use std::borrow::Cow;

use crate::loops::{Numbers, widen};

/// Images of equal size; the rows of a matrix are the pixels of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Images<'a> {
    /// `[batch, pixels, channels]`
    pub values: &'a [f32],
    pub batch: usize,
    /// Of one image.
    pub pixels: usize,
    pub channels: usize,
}

impl<'a> Images<'a> {
    /// Images `[batch, height, width, channels]`.
    pub(crate) fn new(values: &'a [f32], [batch, height, width, channels]: [usize; 4]) -> Self {
        assert_eq!(values.len(), batch * height * width * channels);
        Self { values, batch, pixels: height * width, channels }
    }

    /// A matrix `[rows, channels]`.
    pub(crate) fn rows(values: &'a [f32], [rows, channels]: [usize; 2]) -> Self {
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
                let mut wide = vec![0.0; values.len()];
                widen(values, &mut wide);
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
    /// What is stored in f32, or is made so.
    pub(crate) fn into_full(self) -> Vec<f32> {
        match self {
            Self::Full(values) => values,
            Self::Half(values) => Values::Half(&values).widened().into_owned(),
        }
    }
}
