//! Moments of numbers, brought together from parts of them.

/// Count, mean and sum of squares around the mean, merged pairwise (Chan et al. 1979).
#[derive(Default)]
pub(super) struct Merged {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Merged {
    pub(super) fn merge(&mut self, count: f64, mean: f64, squares: f64) {
        let total = self.count + count;
        let difference = mean - self.mean;
        self.squares += squares + difference * difference * self.count * count / total;
        self.mean += difference * count / total;
        self.count = total;
    }
}
