//! Which arithmetic is faster on this machine: no table of processors knows.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::Device;
use onestep::model::{Denoiser, Precision};

use super::passes::Case;
use super::timing::{Timing, repeat};
use super::{BenchError, Result, Subject};

/// Runs of each at least.
const LEAST: usize = 3;

/// One network in two precisions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precisions {
    /// Seconds of an evaluation in f32.
    pub f32_seconds: f64,
    /// Seconds of the same in bf16.
    pub bf16_seconds: f64,
}

/// By how much one must be faster to be recommended: less is within what a machine with other things to do measures.
const NOTABLE: f64 = 1.05;

impl Precisions {
    /// Evaluates a small network in both, in turn, for about so many seconds. The middle runs count.
    ///
    /// # Errors
    ///
    /// Whatever the network meets.
    pub fn measure(subject: &Subject, case: &Case, seconds: f64) -> Result<Self> {
        let models =
            [Precision::F32, Precision::Bf16].map(|precision| subject.model.with_precision(precision));
        let timed = |index: usize| -> Result<f64> {
            let started = Instant::now();
            let images = models[index].denoise(case.noisy.clone(), &case.sigma, &case.batch.condition)?;
            black_box(images.into_data());
            Ok(started.elapsed().as_secs_f64())
        };
        // Once for each, to warm up.
        let _ = [timed(0)?, timed(1)?];
        let mut runs = [Vec::new(), Vec::new()];
        repeat(seconds, LEAST, || {
            // In turn, so that what else runs here slows both down alike.
            for (index, runs) in runs.iter_mut().enumerate() {
                runs.push(timed(index)?);
            }
            Ok::<_, BenchError>(0.0)
        })?;
        let [f32_seconds, bf16_seconds] = runs.map(|runs| Timing::of(runs).median());
        Ok(Self { f32_seconds, bf16_seconds })
    }

    /// The same for the built-in small network, as `doctor` tries it.
    ///
    /// # Errors
    ///
    /// As [`Precisions::measure`].
    pub fn of_small_network(batch: usize, seconds: f64, device: &Device) -> Result<Option<Self>> {
        let Some(subject) = Subject::named("emoji", &[], batch, device)? else { return Ok(None) };
        let case = Case::new(&subject, batch, device)?;
        Self::measure(&subject, &case, seconds).map(Some)
    }

    /// The one to use here; f32 where they are about as fast, because it is exact.
    pub fn faster(&self) -> Precision {
        if self.bf16_seconds * NOTABLE < self.f32_seconds { Precision::Bf16 } else { Precision::F32 }
    }

    /// A sentence for people.
    pub fn text(&self) -> String {
        let ratio = self.bf16_seconds / self.f32_seconds;
        match self.faster() {
            Precision::Bf16 => {
                format!("bf16 takes {ratio:.2} of the time of f32 here: --precision bf16 pays")
            }
            Precision::F32 => {
                format!("bf16 takes {ratio:.2} of the time of f32 here: f32, the default, is the one to use")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_one_is_recommended_with_its_ratio() {
        let measured = |f32_seconds: f64, bf16_seconds: f64| Precisions { f32_seconds, bf16_seconds };
        assert_eq!(
            measured(1.0, 0.6).text(),
            "bf16 takes 0.60 of the time of f32 here: --precision bf16 pays"
        );
        for bf16_seconds in [0.97, 1.0, 2.1] {
            assert_eq!(measured(1.0, bf16_seconds).faster(), Precision::F32);
        }
        assert!(measured(2.0, 4.2).text().starts_with("bf16 takes 2.10 of the time of f32 here: f32"));
    }

    #[test]
    fn both_are_measured_by_running_them() {
        let measured = Precisions::of_small_network(1, 0.0, &Device::flex()).unwrap().unwrap();
        assert!(measured.f32_seconds > 0.0 && measured.bf16_seconds > 0.0, "{measured:?}");
        assert!(measured.f32_seconds < 60.0 && measured.bf16_seconds < 60.0, "{measured:?}");
    }
}
