//! What is done to the sums of a product before they are stored.

use crate::loops::{Rectifier, cut_off};
use crate::simd::vectorised;

/// What is done to a sum before it is stored: factor · (sum + bias + residual), cut off at two bounds.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// `[columns]`, or `[images, columns]`.
    pub bias: Option<&'a [f32]>,
    /// Like the result.
    pub residual: Option<&'a [f32]>,
    pub factor: f32,
    /// See [`Rectifier::bounds`].
    pub bounds: [f32; 2],
}

impl<'a> Epilogue<'a> {
    /// The sums as they are.
    pub(crate) const NONE: Epilogue<'static> =
        Epilogue { bias: None, residual: None, factor: 1.0, bounds: Rectifier::None.bounds() };

    pub(crate) fn bias(bias: Option<&'a [f32]>) -> Self {
        Self { bias, ..Epilogue::NONE }
    }

    /// Whether it leaves sums as they are.
    pub(crate) fn is_none(&self) -> bool {
        let Self { bias, residual, factor, bounds } = *self;
        bias.is_none() && residual.is_none() && factor == 1.0 && bounds == Rectifier::None.bounds()
    }

    /// Panics unless everything has the right length for a result of `length` numbers.
    pub(crate) fn check(&self, images: usize, length: usize, columns: usize) {
        let fits = |bias: &[f32]| bias.len() == columns || bias.len() == images * columns;
        assert!(self.bias.is_none_or(fits), "bias");
        assert!(self.residual.is_none_or(|residual| residual.len() == length), "residual");
    }

    /// The bias of an image from `column` on, or null.
    pub(crate) fn bias_of(&self, image: usize, columns: usize, column: usize) -> *const f32 {
        self.bias.map_or(std::ptr::null(), |bias| {
            let first = if bias.len() == columns { column } else { image * columns + column };
            bias[first..].as_ptr()
        })
    }

    /// The residual of the result at `at`, or null.
    pub(crate) fn residual_at(&self, at: usize) -> *const f32 {
        self.residual.map_or(std::ptr::null(), |residual| residual[at..].as_ptr())
    }

    /// Applies it to the sums of a piece of a row of the result, which begins at `at`, where they lie.
    pub(crate) fn apply(&self, image: usize, columns: usize, at: usize, sums: &mut [f32]) {
        let piece = at % columns..at % columns + sums.len();
        let bias = self.bias.map(|bias| {
            let first = if bias.len() == columns { 0 } else { image * columns };
            &bias[first..first + columns][piece]
        });
        let residual = self.residual.map(|residual| &residual[at..at + sums.len()]);
        match (bias, residual) {
            (None, None) => scale(sums, self.factor, self.bounds),
            (Some(added), None) | (None, Some(added)) => add_scale(sums, added, self.factor, self.bounds),
            (Some(bias), Some(residual)) => {
                add_both_scale(sums, [bias, residual], self.factor, self.bounds);
            }
        }
    }
}

vectorised! {
    fn scale(sums: &mut [f32], factor: f32, bounds: [f32; 2]) {
        for sum in sums {
            *sum = cut_off(*sum * factor, bounds);
        }
    }
}

vectorised! {
    fn add_scale(sums: &mut [f32], added: &[f32], factor: f32, bounds: [f32; 2]) {
        for (sum, added) in sums.iter_mut().zip(added) {
            *sum = cut_off((*sum + added) * factor, bounds);
        }
    }
}

vectorised! {
    fn add_both_scale(sums: &mut [f32], added: [&[f32]; 2], factor: f32, bounds: [f32; 2]) {
        for ((sum, bias), residual) in sums.iter_mut().zip(added[0]).zip(added[1]) {
            *sum = cut_off((*sum + bias + residual) * factor, bounds);
        }
    }
}
