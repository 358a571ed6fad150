//! The maps along one axis of a tile: `A` numbers on the side of the products, `M` on that of the outputs.

#![allow(unsafe_code, reason = "vector instructions; callers run on machines that have them")]

use crate::simd::Simd;

const ROOT: f32 = std::f32::consts::SQRT_2;
const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Bᵀ d: A inputs to A products.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, const A: usize>(d: [S::Vector; A]) -> [S::Vector; A] {
    unsafe {
        let mut r = d;
        if A == 6 {
            let even = S::mul_add(d[2], S::splat(-2.0), d[4]);
            let odd = S::mul_add(d[3], S::splat(HALF_ROOT), S::mul(d[1], S::splat(-ROOT)));
            let even_far = S::mul_add(d[2], S::splat(-0.5), d[4]);
            let odd_far = S::mul_add(d[3], S::splat(ROOT), S::mul(d[1], S::splat(-HALF_ROOT)));
            r[0] = S::add(S::mul_add(d[2], S::splat(-2.5), d[0]), d[4]);
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
            r[5] = S::add(S::mul_add(d[3], S::splat(-2.5), d[1]), d[5]);
        } else {
            r[0] = S::sub(d[0], d[2]);
            r[1] = S::add(d[1], d[2]);
            r[2] = S::sub(d[2], d[1]);
            r[3] = S::sub(d[3], d[1]);
        }
        r
    }
}

/// Aᵀ m: A products to M outputs.
#[inline(always)]
pub(super) unsafe fn output<S: Simd, const A: usize, const M: usize>(m: [S::Vector; A]) -> [S::Vector; M] {
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let mut y = [sum; M];
        if A == 6 {
            let (sum_far, difference_far) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            y[0] = S::add(S::add(m[0], sum), sum_far);
            y[1] = S::mul_add(difference_far, S::splat(ROOT), S::mul(difference, S::splat(HALF_ROOT)));
            y[2] = S::mul_add(sum_far, S::splat(2.0), S::mul(sum, S::splat(0.5)));
            let far = S::mul_add(difference_far, S::splat(2.0 * ROOT), m[5]);
            y[3] = S::mul_add(difference, S::splat(0.5 * HALF_ROOT), far);
        } else {
            y[0] = S::add(m[0], sum);
            y[1] = S::add(difference, m[3]);
        }
        y
    }
}

/// G g: three taps to A factors.
#[inline(always)]
pub(super) unsafe fn weight<S: Simd, const A: usize>(g: [S::Vector; 3]) -> [S::Vector; A] {
    unsafe {
        let mut r = [g[0]; A];
        if A == 6 {
            let even = S::mul(S::mul_add(g[2], S::splat(0.5), g[0]), S::splat(-2.0 / 3.0));
            let odd = S::mul(g[1], S::splat(-2.0 / 3.0 * HALF_ROOT));
            let even_far = S::mul(S::mul_add(g[2], S::splat(2.0), g[0]), S::splat(1.0 / 6.0));
            let odd_far = S::mul(g[1], S::splat(ROOT / 6.0));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
        } else {
            let even = S::mul(S::add(g[0], g[2]), S::splat(0.5));
            let odd = S::mul(g[1], S::splat(0.5));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
        }
        r[A - 1] = g[2];
        r
    }
}

/// A y, the transpose of [`output`]: the gradients of M outputs to those of A products.
#[inline(always)]
pub(super) unsafe fn output_transposed<S: Simd, const A: usize, const M: usize>(
    y: [S::Vector; M],
) -> [S::Vector; A] {
    unsafe {
        let mut r = [y[0]; A];
        if A == 6 {
            let even = S::mul_add(y[2], S::splat(0.5), y[0]);
            let odd = S::mul_add(y[3], S::splat(0.5 * HALF_ROOT), S::mul(y[1], S::splat(HALF_ROOT)));
            let even_far = S::mul_add(y[2], S::splat(2.0), y[0]);
            let odd_far = S::mul_add(y[3], S::splat(2.0 * ROOT), S::mul(y[1], S::splat(ROOT)));
            r[1] = S::add(even, odd);
            r[2] = S::sub(even, odd);
            r[3] = S::add(even_far, odd_far);
            r[4] = S::sub(even_far, odd_far);
        } else {
            r[1] = S::add(y[0], y[1]);
            r[2] = S::sub(y[0], y[1]);
        }
        r[A - 1] = y[M - 1];
        r
    }
}

/// Gᵀ u, the transpose of [`weight`]: the gradients of A factors to those of three taps.
#[inline(always)]
pub(super) unsafe fn weight_transposed<S: Simd, const A: usize>(u: [S::Vector; A]) -> [S::Vector; 3] {
    unsafe {
        let (sum, difference) = (S::add(u[1], u[2]), S::sub(u[1], u[2]));
        if A == 6 {
            let (sum_far, difference_far) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
            let near = S::mul_add(sum, S::splat(-2.0 / 3.0), u[0]);
            let odd = S::mul(difference, S::splat(-2.0 / 3.0 * HALF_ROOT));
            let last = S::mul_add(S::sub(sum_far, sum), S::splat(1.0 / 3.0), u[5]);
            [
                S::mul_add(sum_far, S::splat(1.0 / 6.0), near),
                S::mul_add(difference_far, S::splat(ROOT / 6.0), odd),
                last,
            ]
        } else {
            let half = S::splat(0.5);
            [S::mul_add(sum, half, u[0]), S::mul(difference, half), S::mul_add(sum, half, u[3])]
        }
    }
}
