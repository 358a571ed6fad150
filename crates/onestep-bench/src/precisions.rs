//! Which arithmetic `--precision auto` takes on this machine, checked by trying both.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::Device;
use onestep::model::{Denoiser, Precision, PrecisionChoice};

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

/// By how much one must be slower to be advised against: less is within what a machine with other things to do measures.
const NOTABLE: f64 = 1.05;

impl Precisions {
    /// Evaluates a network in both, in turn, for about so many seconds. The middle runs count.
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
}

/// What `auto` takes on a device, and what a measurement says of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoPrecision {
    /// What it takes.
    pub takes: Precision,
    /// The instruction set that decides it; none on devices other than the CPU.
    pub by: Option<&'static str>,
    /// Both precisions; none where the device computes f32 in either, so that there is nothing to compare.
    pub measured: Option<Precisions>,
}

impl AutoPrecision {
    /// Asks what `auto` takes on a device, and tries the built-in small network in both precisions for about so many seconds.
    ///
    /// # Errors
    ///
    /// As [`Precisions::measure`].
    pub fn check(batch: usize, seconds: f64, device: &Device) -> Result<Self> {
        let takes = PrecisionChoice::Auto.on(device);
        let by = if *device == Device::flex() { onestep_kernels::instructions().ok() } else { None };
        let has_bf16 = PrecisionChoice::from(Precision::Bf16).on(device) == Precision::Bf16;
        let subject = if has_bf16 { Subject::named("emoji", &[], batch, device)? } else { None };
        let measured = match subject {
            Some(subject) => {
                let case = Case::new(&subject, batch, device)?;
                Some(Precisions::measure(&subject, &case, seconds)?)
            }
            None => None,
        };
        Ok(Self { takes, by, measured })
    }

    /// A sentence for people: what it takes and why, what was measured, and what to type where that says otherwise.
    pub fn text(&self) -> String {
        let takes = self.takes.name();
        let Some(Precisions { f32_seconds, bf16_seconds }) = self.measured else {
            return match self.by {
                Some(by) => format!("auto takes {takes}: bf16 has no effect with the loops of {by}"),
                None => format!("auto takes {takes}: bf16 has no effect on this device"),
            };
        };
        let (other, ratio) = match self.takes {
            Precision::F32 => (Precision::Bf16, f32_seconds / bf16_seconds),
            Precision::Bf16 => (Precision::F32, bf16_seconds / f32_seconds),
        };
        let (other, by) = (other.name(), self.by.map_or_else(String::new, |by| format!(" ({by})")));
        if ratio > NOTABLE {
            return format!(
                "auto takes {takes}{by}, but that took {ratio:.2} of the time of {other} on a small network: use --precision {other}"
            );
        }
        format!("auto takes {takes}{by}: {ratio:.2} of the time of {other} on a small network")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_confirmed_or_contradicted_with_its_ratio() {
        let said = |takes, by, f32_seconds, bf16_seconds| {
            let measured = Some(Precisions { f32_seconds, bf16_seconds });
            AutoPrecision { takes, by, measured }.text()
        };
        let amx = Some("amx");
        assert_eq!(
            said(Precision::Bf16, amx, 1.0, 0.6),
            "auto takes bf16 (amx): 0.60 of the time of f32 on a small network"
        );
        // What is within the noise contradicts nothing.
        assert_eq!(
            said(Precision::Bf16, amx, 1.0, 1.04),
            "auto takes bf16 (amx): 1.04 of the time of f32 on a small network"
        );
        assert_eq!(
            said(Precision::Bf16, amx, 2.0, 4.2),
            "auto takes bf16 (amx), but that took 2.10 of the time of f32 on a small network: use --precision f32"
        );
        assert_eq!(
            said(Precision::F32, None, 1.0, 0.5),
            "auto takes f32, but that took 2.00 of the time of bf16 on a small network: use --precision bf16"
        );
    }

    #[test]
    fn without_bf16_there_is_no_ratio_of_f32_with_itself() {
        let said = |by| AutoPrecision { takes: Precision::F32, by, measured: None }.text();
        assert_eq!(said(Some("avx2")), "auto takes f32: bf16 has no effect with the loops of avx2");
        assert_eq!(said(None), "auto takes f32: bf16 has no effect on this device");
    }

    #[test]
    fn both_are_measured_by_running_them_where_both_are_computed() {
        let found = AutoPrecision::check(1, 0.0, &Device::flex()).unwrap();
        assert_eq!(found.takes, Precision::fastest());
        assert_eq!(found.measured.is_some(), Precision::Bf16.here() == Precision::Bf16);
        if let Some(measured) = found.measured {
            assert!(measured.f32_seconds > 0.0 && measured.bf16_seconds > 0.0, "{measured:?}");
            assert!(measured.f32_seconds < 60.0 && measured.bf16_seconds < 60.0, "{measured:?}");
        }
    }
}
