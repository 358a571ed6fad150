//! Lines of 64 bytes, of which tiles consist: numbers of type bf16, or pairs of them.

#![allow(unsafe_code, reason = "raw pointers, as the trait has it")]

use super::vector::Simd;

/// A row of a tile: 32 numbers of type bf16, or 16 pairs of them.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line(pub [u32; 16]);

/// What an instruction set with tiles does with vectors of 16 numbers on their way into lines and back.
///
/// # Safety
///
/// As for [`Simd`]; a pointer to a line is aligned.
pub(crate) trait Lines: Simd {
    /// A line in a register.
    type Register: Copy;

    /// Makes the tiles of this thread usable, all of 16 rows of 64 bytes.
    unsafe fn configure();
    /// Gives the tiles of this thread up.
    unsafe fn release();

    /// 32 numbers, rounded.
    unsafe fn joined(low: Self::Vector, high: Self::Vector) -> Self::Register;
    /// For each lane the numbers of both vectors, rounded, as a pair.
    unsafe fn paired(first: Self::Vector, second: Self::Vector) -> Self::Register;
    /// Two lines of 32 numbers as two of pairs: with numbers counted in eights, the first has the pairs of the first four of
    /// each, the second those of the last four.
    unsafe fn interleaved(first: Self::Register, second: Self::Register) -> [Self::Register; 2];
    unsafe fn load_line(source: *const Line) -> Self::Register;
    unsafe fn store_line(target: *mut Line, line: Self::Register);
    /// The same bits as 16 numbers of type f32.
    unsafe fn vector_of(line: Self::Register) -> Self::Vector;
    /// The same bits as a line.
    unsafe fn line_of(vector: Self::Vector) -> Self::Register;
    /// Sixteen lines as a matrix of words of four bytes, transposed.
    unsafe fn transposed(lines: [Self::Register; 16]) -> [Self::Register; 16];
    /// 16 numbers of type bf16 in full.
    unsafe fn widen(source: *const u16) -> Self::Vector;
    /// 2ˣ for x up to 127, as precisely as rounding to bf16 needs: within 1e-4 relative.
    unsafe fn exp2(x: Self::Vector) -> Self::Vector;
    /// x · sigmoid(x), as precisely as rounding to bf16 needs: within 2e-4 relative.
    unsafe fn silu(x: Self::Vector) -> Self::Vector;
}
