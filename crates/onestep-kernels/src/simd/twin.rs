//! The plain twin of the vectors that go with tiles.

#![allow(unsafe_code, reason = "raw pointers, as the trait has it")]

use super::arrays::Arrays;
use super::bf16::narrow;
use super::lines::{Line, Lines};
#[cfg(target_arch = "x86_64")]
use super::vector::Simd;

type Twin = Arrays<16>;

impl Lines for Twin {
    type Register = [u32; 16];

    unsafe fn configure() {}

    unsafe fn release() {}

    unsafe fn joined(low: [f32; 16], high: [f32; 16]) -> [u32; 16] {
        let both = [low, high].concat();
        std::array::from_fn(|pair| narrow(both[2 * pair]) | narrow(both[2 * pair + 1]) << 16)
    }

    unsafe fn paired(first: [f32; 16], second: [f32; 16]) -> [u32; 16] {
        std::array::from_fn(|lane| narrow(first[lane]) | narrow(second[lane]) << 16)
    }

    unsafe fn interleaved(first: [u32; 16], second: [u32; 16]) -> [[u32; 16]; 2] {
        let word = |line: &[u32; 16], index: usize| line[index / 2] >> (16 * (index % 2)) & 0xffff;
        [0, 4].map(|half| {
            std::array::from_fn(|lane| {
                let index = lane / 4 * 8 + half + lane % 4;
                word(&first, index) | word(&second, index) << 16
            })
        })
    }

    unsafe fn load_line(source: *const Line) -> [u32; 16] {
        // SAFETY: the caller's promise.
        unsafe { (*source).0 }
    }

    unsafe fn store_line(target: *mut Line, line: [u32; 16]) {
        // SAFETY: the caller's promise.
        unsafe { *target = Line(line) }
    }

    unsafe fn vector_of(line: [u32; 16]) -> [f32; 16] {
        line.map(f32::from_bits)
    }

    unsafe fn line_of(vector: [f32; 16]) -> [u32; 16] {
        vector.map(f32::to_bits)
    }

    unsafe fn transposed(lines: [[u32; 16]; 16]) -> [[u32; 16]; 16] {
        std::array::from_fn(|column| std::array::from_fn(|row| lines[row][column]))
    }

    unsafe fn widen(source: *const u16) -> [f32; 16] {
        // SAFETY: the caller's promise.
        std::array::from_fn(|lane| unsafe { f32::from_bits(u32::from(*source.add(lane)) << 16) })
    }

    unsafe fn exp2(x: [f32; 16]) -> [f32; 16] {
        x.map(f32::exp2)
    }

    unsafe fn silu(x: [f32; 16]) -> [f32; 16] {
        x.map(|x| x / (1.0 + (-x).exp()))
    }
}

#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;
    use crate::simd::{Amx, Level};

    /// Both ways of every method, where the machine has tiles.
    #[target_feature(enable = "avx512f,avx512bf16,avx512bw,avx512dq")]
    unsafe fn compare() {
        let numbers: [[f32; 16]; 2] =
            [1.0, -3.0].map(|factor| std::array::from_fn(|lane| factor * (lane as f32 * 0.37 - 2.9)));
        let lines: [[u32; 16]; 16] =
            std::array::from_fn(|row| std::array::from_fn(|column| (row * 16 + column) as u32 * 0x0001_0003));
        // SAFETY: the machine has what `Amx` needs, by the caller's promise; the arrays are as long as vectors and lines.
        unsafe {
            let [low, high] = numbers.map(|numbers| Amx::load(numbers.as_ptr()));
            let bits = |register| {
                let mut line = Line([0; 16]);
                Amx::store_line(&raw mut line, register);
                line.0
            };
            assert_eq!(bits(Amx::joined(low, high)), Twin::joined(numbers[0], numbers[1]));
            assert_eq!(bits(Amx::paired(low, high)), Twin::paired(numbers[0], numbers[1]));
            let registers = lines.map(Line).each_ref().map(|line| Amx::load_line(line));
            let interleaved = Amx::interleaved(registers[3], registers[5]).map(bits);
            assert_eq!(interleaved, Twin::interleaved(lines[3], lines[5]));
            assert_eq!(Amx::transposed(registers).map(bits), Twin::transposed(lines));
            assert_eq!(bits(Amx::line_of(Amx::vector_of(registers[7]))), lines[7]);
            let words = lines[9].as_ptr().cast::<u16>();
            let mut widened = [0.0f32; 16];
            Amx::store(widened.as_mut_ptr(), Amx::widen(words));
            assert_eq!(widened.map(f32::to_bits), Twin::widen(words).map(f32::to_bits));
            for scale in [0.01, 1.0, 10.0, 100.0] {
                let powers = numbers[0].map(|x| -(scale * x).abs());
                let mut found = [0.0f32; 16];
                Amx::store(found.as_mut_ptr(), Amx::exp2(Amx::load(powers.as_ptr())));
                for (found, expected) in found.into_iter().zip(Twin::exp2(powers)) {
                    assert!((found - expected).abs() <= 1e-4 * expected + 1e-37, "{found} for {expected}");
                }
                let scaled = numbers[0].map(|x| scale * x);
                let mut found = [0.0f32; 16];
                Amx::store(found.as_mut_ptr(), Amx::silu(Amx::load(scaled.as_ptr())));
                for (found, expected) in found.into_iter().zip(Twin::silu(scaled)) {
                    assert!(
                        (found - expected).abs() <= 2e-4 * expected.abs() + 1e-30,
                        "{found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn vectors_of_amx_do_as_the_plain_twin() {
        if Level::available().contains(&Level::Amx) {
            // SAFETY: the level is there only where the machine has these instructions.
            unsafe { compare() }
        }
    }
}
