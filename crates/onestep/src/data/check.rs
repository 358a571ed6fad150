//! Looking through a whole set before a long run does.

use rayon::prelude::*;

use super::hint::Glance;
use super::{DataError, Dataset, Hint, ImageShape, PassedOver, Sample};

/// What [`check()`] or [`check_headers()`] found.
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
    /// The mean of each channel, in the units of the values ([-1, 1] for images); empty where only headers were read.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel over all pixels, in the same units; empty where only headers were read.
    pub std: Vec<f64>,
    /// Every sample that could not be had.
    pub bad: Vec<BadSample>,
    /// What the source has beside them.
    pub passed_over: PassedOver,
    /// What looks wrong with the images that can be had; of headers, what their labels tell.
    pub hints: Vec<Hint>,
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

impl BadSample {
    /// Why the sample cannot be had, down to what the decoder or the operating system said, without its name.
    pub fn cause(&self) -> String {
        let mut causes = Vec::new();
        let mut error = std::error::Error::source(&self.error);
        while let Some(cause) = error {
            causes.push(cause.to_string());
            error = cause.source();
        }
        // An error often repeats what caused it.
        causes.dedup_by(|cause, error| error.contains(&**cause));
        if causes.is_empty() { self.error.to_string() } else { causes.join(": ") }
    }
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
    let mut report = CheckReport::empty(dataset);
    let mut moments = Moments::new(report.shape.channels);
    let mut glance = Glance::new(dataset);
    for index in 0..dataset.len() {
        let sample = dataset.sample(index);
        if let Ok(sample) = &sample {
            moments.add(sample);
            glance.add(sample);
        }
        report.add(dataset, index, sample.map(|sample| sample.label));
        progress(index + 1);
    }
    (report.mean, report.std) = moments.mean_and_std();
    report.hints = glance.hints(None);
    report
}

/// Looks at the header of every sample, which finds what is missing, empty, no picture, or of another size, in a small part of
/// the time that decoding takes; damage further in is for [`check()`] to find.
///
/// # Examples
///
/// ```
/// use onestep::data::{DataSpec, check_headers, open};
/// let emoji = open(&DataSpec::new("builtin:emoji"))?;
/// assert!(check_headers(&*emoji).bad.is_empty());
/// # Ok::<(), onestep::data::DataError>(())
/// ```
pub fn check_headers(dataset: &dyn Dataset) -> CheckReport {
    let mut report = CheckReport::empty(dataset);
    let found: Vec<_> = (0..dataset.len()).into_par_iter().map(|index| dataset.probe(index)).collect();
    let mut glance = Glance::new(dataset);
    for (index, label) in found.into_iter().enumerate() {
        if let Ok(label) = &label {
            glance.add_label(*label);
        }
        report.add(dataset, index, label);
    }
    report.hints = glance.hints(None);
    report
}

impl CheckReport {
    fn empty(dataset: &dyn Dataset) -> Self {
        let class_names = dataset.class_names().to_vec();
        Self {
            n_samples: dataset.len(),
            shape: dataset.shape(),
            class_counts: vec![0; class_names.len()],
            class_names,
            n_unlabelled: 0,
            mean: Vec::new(),
            std: Vec::new(),
            bad: Vec::new(),
            passed_over: dataset.passed_over(),
            hints: Vec::new(),
        }
    }

    fn add(&mut self, dataset: &dyn Dataset, index: usize, label: Result<Option<usize>, DataError>) {
        match label {
            Ok(label) => match label.and_then(|label| self.class_counts.get_mut(label)) {
                Some(count) => *count += 1,
                None => self.n_unlabelled += 1,
            },
            Err(error) => self.bad.push(BadSample { index, source: dataset.source(index), error }),
        }
    }
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
