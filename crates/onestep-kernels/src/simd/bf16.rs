//! Numbers of type bf16: the first 16 bits of an f32.

/// The arithmetic of large products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// Both factors of a product are rounded to bf16, which has the range of f32 and 8 bits of precision, and the products
    /// are added up in f32. Tensors stay f32, and so do norms, softmax, sums and the gradients of weights.
    ///
    /// Faster on CPUs that multiply bf16 (AVX512-BF16), slower elsewhere. On devices without hand-written bodies it has no
    /// effect.
    Bf16,
}

impl Precision {
    /// As it is typed and written: `f32` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// The bits of x rounded to bf16, the nearest and of two the even one.
#[inline(always)]
pub(crate) fn narrow(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding must not turn a NaN into infinity or zero.
    if bits & 0x7fff_ffff > 0x7f80_0000 { (bits >> 16) | 0x40 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::narrow;

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        let bits = |x: f32| narrow(x) << 16;
        for exact in [0.0f32, -0.0, 1.0, -2.5, 1.0078125, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(bits(exact), exact.to_bits());
        }
        // Between 1 and 1 + 2⁻⁷.
        assert_eq!(f32::from_bits(bits(1.0 + 0.00390625)), 1.0);
        assert_eq!(f32::from_bits(bits(1.0078125 + 0.00390625)), 1.015625);
        assert_eq!(f32::from_bits(bits(1.004)), 1.0078125);
        assert_eq!(f32::from_bits(bits(f32::MAX)), f32::INFINITY);
        for nan in [f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)] {
            assert!(f32::from_bits(bits(nan)).is_nan());
        }
    }
}
