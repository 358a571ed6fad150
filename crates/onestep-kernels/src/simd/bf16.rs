//! Numbers of type bf16: the first 16 bits of an f32.

use super::level::Level;

/// The arithmetic of large products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Everything in f32.
    #[default]
    F32,
    /// Both factors of a product may be rounded to bf16, which has the range of f32 and 8 bits of precision, and the products
    /// are added up in f32.
    ///
    /// It is done where it is faster: on CPUs with tiles of bf16 (AMX), on AMD's with AVX512-BF16 and on ARM's with BF16. Everywhere else,
    /// and on devices without hand-written bodies, it has no effect; [`Precision::here`] tells.
    Bf16,
}

impl Precision {
    /// The faster of both on this machine, by the instruction set that is used: see [`instructions`](crate::instructions).
    pub fn fastest() -> Self {
        if Level::best().gains_by_bf16() { Self::Bf16 } else { Self::F32 }
    }

    /// What products are computed in on the CPU of this machine where this precision is asked for.
    pub fn here(self) -> Self {
        match self {
            Self::F32 => Self::F32,
            Self::Bf16 => Self::fastest(),
        }
    }

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
