use super::{DataError, Dataset, ImageShape, Sample};

/// What [`check()`] found.
#[derive(Debug)]
pub struct CheckReport {
    /// How many samples the set has, good and bad.
    pub n_samples: usize,
    /// The shape they share.
    pub shape: ImageShape,
    /// The names of the classes; empty when unlabelled.
    pub class_names: Vec<String>,
    /// How many good samples each class has.
    pub class_counts: Vec<usize>,
    /// How many good samples have no label.
    pub n_unlabelled: usize,
    /// The mean of each channel, in the units of the values ([-1, 1] for images).
    pub mean: Vec<f64>,
    /// The standard deviation of each channel over all pixels, in the same units.
    pub std: Vec<f64>,
    /// Every sample that could not be had.
    pub bad: Vec<BadSample>,
    /// How many files were passed over because they are not images.
    pub n_ignored: usize,
}

/// A sample that could not be had, and why.
#[derive(Debug)]
pub struct BadSample {
    /// Its number in the set.
    pub index: usize,
    /// What [`Dataset::source`] calls it.
    pub source: String,
    /// What went wrong.
    pub error: DataError,
}

/// Decodes every sample and reports all that are bad, rather than the first.
///
/// `progress` is called after each sample with the number of samples done.
///
/// # Examples
///
/// ```
/// use onestep::data::{DataSpec, check, open};
/// let moons = open(&DataSpec { limit: Some(1000), ..DataSpec::new("builtin:two-moons") })?;
/// let report = check(&*moons, |_| {});
/// assert!(report.bad.is_empty());
/// assert_eq!(report.class_counts.iter().sum::<usize>(), 1000);
/// # Ok::<(), onestep::data::DataError>(())
/// ```
pub fn check(dataset: &dyn Dataset, mut progress: impl FnMut(usize)) -> CheckReport {
    let shape = dataset.shape();
    let class_names = dataset.class_names().to_vec();
    let mut report = CheckReport {
        n_samples: dataset.len(),
        shape,
        class_counts: vec![0; class_names.len()],
        class_names,
        n_unlabelled: 0,
        mean: Vec::new(),
        std: Vec::new(),
        bad: Vec::new(),
        n_ignored: dataset.ignored(),
    };
    let mut moments = Moments::new(shape.channels);
    for index in 0..dataset.len() {
        match dataset.sample(index) {
            Ok(sample) => {
                moments.add(&sample);
                match sample.label.and_then(|label| report.class_counts.get_mut(label)) {
                    Some(count) => *count += 1,
                    None => report.n_unlabelled += 1,
                }
            }
            Err(error) => {
                report.bad.push(BadSample { index, source: dataset.source(index), error });
            }
        }
        progress(index + 1);
    }
    (report.mean, report.std) = moments.mean_and_std();
    report
}

/// Running sums of each channel. Values are of order one, so plain sums in `f64` are exact enough.
struct Moments {
    n_pixels: f64,
    sum: Vec<f64>,
    sum_of_squares: Vec<f64>,
}

impl Moments {
    fn new(channels: usize) -> Self {
        Self { n_pixels: 0.0, sum: vec![0.0; channels], sum_of_squares: vec![0.0; channels] }
    }

    fn add(&mut self, sample: &Sample) {
        let channels = self.sum.len();
        for pixel in sample.values.chunks_exact(channels) {
            for (channel, &value) in pixel.iter().enumerate() {
                let value = f64::from(value);
                self.sum[channel] += value;
                self.sum_of_squares[channel] += value * value;
            }
        }
        self.n_pixels += (sample.values.len() / channels) as f64;
    }

    fn mean_and_std(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.n_pixels.max(1.0);
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / n).collect();
        let std = self
            .sum_of_squares
            .iter()
            .zip(&mean)
            .map(|(squares, mean)| (squares / n - mean * mean).max(0.0).sqrt())
            .collect();
        (mean, std)
    }
}
