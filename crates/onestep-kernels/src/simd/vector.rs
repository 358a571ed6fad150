//! What every instruction set can do with a vector of f32.

#![allow(unsafe_code, reason = "vector instructions and raw pointers are what the trait is for")]

/// A vector of f32. All methods are inlined into functions that enable the instructions they need.
///
/// # Safety
///
/// Whoever calls a method runs on a machine that has the instructions of the set, and a pointer is valid for all lanes that
/// the method reads or writes there: [`Self::LANES`] of them, or the `count` it is given. It need not be aligned.
pub(crate) trait Simd: Copy {
    const LANES: usize;
    type Vector: Copy;
    /// Two numbers of type bf16 for all lanes, the first in the low half.
    type Pair: Copy;
    /// For each lane two numbers of type bf16, the first in the low half.
    type Pairs: Copy;

    unsafe fn splat_pair(pair: *const u32) -> Self::Pair;
    unsafe fn load_pairs(source: *const u32) -> Self::Pairs;
    /// Writes the lanes rounded to bf16, the nearest and of two the even one: as pairs of neighbours.
    unsafe fn store_rounded(target: *mut u16, vector: Self::Vector);
    /// sum + pair.0 · pairs.0 + pair.1 · pairs.1
    unsafe fn dot(pair: Self::Pair, pairs: Self::Pairs, sum: Self::Vector) -> Self::Vector;

    /// Begins to bring the line of an address near, which need not be one of the process's; or does nothing.
    #[inline(always)]
    unsafe fn prefetch(_address: *const f32) {}

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(source: *const f32) -> Self::Vector;
    unsafe fn store(target: *mut f32, vector: Self::Vector);
    /// The first `count` lanes, the rest zero; reads no further.
    unsafe fn load_first(source: *const f32, count: usize) -> Self::Vector;
    /// Writes the first `count` lanes and no further.
    unsafe fn store_first(target: *mut f32, vector: Self::Vector, count: usize);
    /// a · b + c
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// 1 / x within 2e-7 relative, for x between 1 and 8 · 10³⁷, and NaN of NaN.
    unsafe fn reciprocal(x: Self::Vector) -> Self::Vector;
    /// The smaller of both, or `b` where one of them is NaN.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of both, or `b` where one of them is NaN.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// 2ⁿ, where n between -126 and 127 was added to 1.5 · 2²³ and so lies in the low bits.
    unsafe fn power_of_two(shifted: Self::Vector) -> Self::Vector;
}
