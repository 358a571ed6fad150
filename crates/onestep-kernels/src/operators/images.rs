//! Images as the operators read them.

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
