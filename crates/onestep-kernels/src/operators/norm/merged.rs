//! Moments of numbers, brought together from parts of them.

/// Count, mean and sum of squares around the mean.
pub(super) struct Merged {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Merged {
    /// Of parts, each of so many pixels and with mean and sum of squares of every channel.
    ///
    /// First the mean of all, then the squares around it: no division for each of many thousands of numbers.
    pub(super) fn of<'a, I: Iterator<Item = (f64, [&'a [f32]; 2])>>(parts: impl Fn() -> I) -> Self {
        let (mut count, mut sum) = (0.0, 0.0);
        for (pixels, [means, _]) in parts() {
            count += pixels * means.len() as f64;
            sum += pixels * total(means, f64::from);
        }
        let mean = sum / f64::max(count, 1.0);
        let mut squares = 0.0;
        for (pixels, [means, squares_of_part]) in parts() {
            let apart = |of_part: f32| (f64::from(of_part) - mean) * (f64::from(of_part) - mean);
            squares += total(squares_of_part, f64::from) + pixels * total(means, apart);
        }
        Self { count, mean, squares }
    }
}

/// The sum over all values, several at a time in an order that depends on their number alone.
#[inline(always)]
fn total(values: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (groups, rest) = values.as_chunks::<8>();
    for group in groups {
        for (sum, value) in sums.iter_mut().zip(group) {
            *sum += term(*value);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += term(*value);
    }
    sums.iter().sum()
}
