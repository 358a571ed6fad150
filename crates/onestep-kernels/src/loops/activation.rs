//! What follows a product or a norm element by element.

/// The activation applied after a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// The value itself.
    None,
    /// x · sigmoid(x), also known as swish.
    Silu,
}

/// What is done to the result of a convolution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Rectifier {
    /// Nothing.
    #[default]
    None,
    /// Negative values become 0.
    Relu,
    /// Negative values become 0, values above 6 become 6.
    Relu6,
}

impl Rectifier {
    /// The smallest and the largest value that stays as it is.
    pub const fn bounds(self) -> [f32; 2] {
        match self {
            Self::None => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }
}

/// The value, or the bound that it lies beyond; NaN stays.
#[inline(always)]
pub(crate) fn cut_off(value: f32, [low, high]: [f32; 2]) -> f32 {
    let value = if low > value { low } else { value };
    if high < value { high } else { value }
}
