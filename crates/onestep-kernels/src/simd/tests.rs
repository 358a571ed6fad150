//! Every instruction set does what the trait says.

#![allow(unsafe_code, reason = "vector instructions that the machine has been asked for")]

use super::{Arrays, Level, Portable, Simd, narrow};
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512, Avx512Bf16};
#[cfg(target_arch = "aarch64")]
use super::{Neon, NeonBf16};

/// Calls a function for the vectors of every level that this machine has.
macro_rules! at_every_level {
    ($check:ident) => {
        for level in Level::available() {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Amx | Level::Avx512Bf16 => $check::<Avx512Bf16>(level),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => $check::<Avx512>(level),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => $check::<Avx2>(level),
                #[cfg(target_arch = "aarch64")]
                Level::NeonBf16 => $check::<NeonBf16>(level),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => $check::<Neon>(level),
                Level::Portable => $check::<Portable>(level),
                Level::Wide => $check::<Arrays<16>>(level),
            }
        }
    };
}

fn lanes<S: Simd>(vector: S::Vector) -> Vec<f32> {
    let mut lanes = vec![0.0; S::LANES];
    // SAFETY: the buffer has a place for each lane, and whoever has a vector has the instructions.
    unsafe { S::store(lanes.as_mut_ptr(), vector) };
    lanes
}

#[test]
fn the_first_lanes_are_read_and_written_and_no_others() {
    fn check<S: Simd>(level: Level) {
        // Buffers of this size end at a forbidden page.
        let numbers: Vec<f32> = (0..256).map(|index| index as f32).collect();
        let mut target = vec![-1.0; 256];
        for count in 0..=S::LANES {
            let last = &numbers[256 - count..];
            // SAFETY: the machine has this level, and `count` numbers are there.
            let read = unsafe { S::load_first(last.as_ptr(), count) };
            let read = lanes::<S>(read);
            assert_eq!(read[..count], *last, "{level:?}");
            assert_eq!(read[count..], vec![0.0; S::LANES - count], "{level:?}");

            target.fill(-1.0);
            // SAFETY: as above, and the numbers are more than a vector has.
            unsafe { S::store_first(target[256 - count..].as_mut_ptr(), S::load(numbers.as_ptr()), count) };
            assert_eq!(target[256 - count..], numbers[..count], "{level:?}");
            target[..256 - count].iter().for_each(|x| assert_eq!(*x, -1.0, "{level:?}"));
            // SAFETY: as above.
            unsafe { S::store_first(target.as_mut_ptr(), S::load(numbers.as_ptr()), count) };
            assert_eq!(target[..count], numbers[..count], "{level:?}");
            target[count..256 - count].iter().for_each(|x| assert_eq!(*x, -1.0, "{level:?}"));
        }
    }
    at_every_level!(check);
}

#[test]
fn of_a_number_and_nan_the_second_is_taken() {
    fn check<S: Simd>(level: Level) {
        for [a, b, smaller, larger] in [
            [1.0, 2.0, 1.0, 2.0],
            [2.0, 1.0, 1.0, 2.0],
            [f32::NEG_INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY],
            [f32::NAN, 1.0, 1.0, 1.0],
            [1.0, f32::NAN, f32::NAN, f32::NAN],
        ] {
            // SAFETY: the machine has this level.
            let results = unsafe { [S::min(S::splat(a), S::splat(b)), S::max(S::splat(a), S::splat(b))] };
            for (result, expected) in results.map(lanes::<S>).iter().zip([smaller, larger]) {
                for lane in result {
                    assert_eq!(lane.to_bits() & 0x7fff_ffff, expected.to_bits() & 0x7fff_ffff, "{level:?}");
                }
            }
        }
    }
    at_every_level!(check);
}

#[test]
fn products_of_pairs_of_small_integers_are_exact() {
    fn check<S: Simd>(level: Level) {
        let pair_of = |a: usize, b: usize| narrow(a as f32) | narrow(-(b as f32)) << 16;
        let (pair, pairs) = (pair_of(3, 5), (0..S::LANES).map(|lane| pair_of(lane, lane * lane)));
        let pairs: Vec<u32> = pairs.collect();
        // SAFETY: the machine has this level, and there is a pair for each lane.
        let sums = unsafe { S::dot(S::splat_pair(&pair), S::load_pairs(pairs.as_ptr()), S::splat(7.0)) };
        let expected: Vec<f32> = (0..S::LANES).map(|lane| (7 + 3 * lane + 5 * lane * lane) as f32).collect();
        assert_eq!(lanes::<S>(sums), expected, "{level:?}");
    }
    at_every_level!(check);
}

#[test]
fn powers_of_two_are_exact() {
    fn check<S: Simd>(level: Level) {
        for n in -126..=127i32 {
            // SAFETY: the machine has this level.
            let power = unsafe { S::power_of_two(S::splat(12_582_912.0 + n as f32)) };
            assert_eq!(lanes::<S>(power), vec![2.0f32.powi(n); S::LANES], "{level:?}");
        }
    }
    at_every_level!(check);
}

#[test]
fn reciprocals_are_accurate_where_a_sigmoid_needs_them() {
    fn check<S: Simd>(level: Level) {
        for step in 0..4000 {
            let x = (step as f32 * 0.021_77).exp();
            // SAFETY: the machine has this level.
            let found = unsafe { S::reciprocal(S::splat(x)) };
            for lane in lanes::<S>(found) {
                let error = (f64::from(lane) * f64::from(x) - 1.0).abs();
                assert!(error < 2e-7, "1 / {x} is {lane} at {level:?}");
            }
        }
        // SAFETY: the machine has this level.
        let found = unsafe { S::reciprocal(S::splat(f32::NAN)) };
        assert!(lanes::<S>(found).iter().all(|lane| lane.is_nan()), "{level:?}");
    }
    at_every_level!(check);
}
