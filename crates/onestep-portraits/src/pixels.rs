//! Sets of pixels.

use std::ops::{BitAnd, BitOr, Not};

/// Pixels of a side of a portrait.
pub(crate) const SIDE: usize = 16;

/// Pixels of a portrait.
pub(crate) const N_PIXELS: usize = SIDE * SIDE;

/// A set of pixels of a portrait, by their numbers: row by row, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct PixelSet([u64; 4]);

impl PixelSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);

    pub(crate) fn insert(&mut self, pixel: u8) {
        self.0[usize::from(pixel / 64)] |= 1 << (pixel % 64);
    }

    pub(crate) fn contains(self, pixel: u8) -> bool {
        self.0[usize::from(pixel / 64)] >> (pixel % 64) & 1 == 1
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self & !other
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |&pixel| self.contains(pixel))
    }
}

impl FromIterator<u8> for PixelSet {
    fn from_iter<I: IntoIterator<Item = u8>>(pixels: I) -> Self {
        let mut set = Self::EMPTY;
        for pixel in pixels {
            set.insert(pixel);
        }
        set
    }
}

impl BitAnd for PixelSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }
}

impl BitOr for PixelSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }
}

impl Not for PixelSet {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}
