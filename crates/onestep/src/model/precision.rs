//! The arithmetic of a network's products: what is asked for, what is computed, and its name in files.

use std::fmt;

use burn::tensor::Device;
use onestep_kernels::{Precision, instructions, multiplies_bf16};
use serde::{Deserialize, Serialize};

/// [`Precision`] as it is written into files.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "lowercase")]
pub(crate) enum PrecisionName {
    F32,
    Bf16,
}

/// The arithmetic that is asked for: what a device then computes in is [`PrecisionChoice::on`], and that is what records say.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use onestep::model::{Precision, PrecisionChoice};
///
/// let cpu = Device::flex();
/// assert_eq!(PrecisionChoice::Auto.on(&cpu), Precision::fastest());
/// assert_eq!(PrecisionChoice::from(Precision::F32).on(&cpu), Precision::F32);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PrecisionChoice {
    /// The faster one: on the CPU by its instruction set ([`Precision::fastest`]), on other devices f32, since none was timed.
    #[default]
    Auto,
    /// This one, where the device computes in it.
    Named(Precision),
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        Self::Named(precision)
    }
}

impl PrecisionChoice {
    /// What products are computed in on a device.
    pub fn on(self, device: &Device) -> Precision {
        let is_cpu = *device == Device::flex();
        match self {
            Self::Auto if is_cpu => Precision::fastest(),
            Self::Named(precision) if is_cpu => precision.here(),
            Self::Named(Precision::Bf16) if multiplies_bf16(device) => Precision::Bf16,
            Self::Auto | Self::Named(_) => Precision::F32,
        }
    }

    /// What a device computes in where it is not what was named.
    pub fn replaced_on(self, device: &Device) -> Option<ReplacedPrecision> {
        match (self, self.on(device)) {
            (Self::Named(named), computed) if named != computed => {
                let by = if *device == Device::flex() { instructions().ok() } else { None };
                Some(ReplacedPrecision { named, computed, by })
            }
            _ => None,
        }
    }
}

/// A precision that was named, and the one that is computed in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplacedPrecision {
    /// What was named.
    pub named: Precision,
    /// What is computed.
    pub computed: Precision,
    /// The instruction set of the CPU; none on other devices.
    pub by: Option<&'static str>,
}

impl fmt::Display for ReplacedPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, computed) = (self.named.name(), self.computed.name());
        match self.by {
            Some(by) => write!(f, "{named} is not faster on this processor ({by}): {computed} is computed"),
            None => write!(f, "this device does not multiply in {named}: {computed} is computed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_becomes_what_the_cpu_computes() {
        let cpu = Device::flex();
        assert_eq!(PrecisionChoice::default().on(&cpu), Precision::fastest());
        assert_eq!(PrecisionChoice::Auto.replaced_on(&cpu), None);
        for named in [Precision::F32, Precision::Bf16] {
            let choice = PrecisionChoice::from(named);
            assert_eq!(choice.on(&cpu), named.here());
            assert_eq!(choice.replaced_on(&cpu).is_some(), named != named.here());
        }
        // A device for gradients is the same device.
        assert_eq!(PrecisionChoice::Auto.on(&cpu.autodiff()), Precision::fastest());
    }

    #[test]
    fn what_is_replaced_says_by_what_and_why() {
        let (named, computed) = (Precision::Bf16, Precision::F32);
        let said = |by| ReplacedPrecision { named, computed, by }.to_string();
        assert_eq!(said(Some("avx2")), "bf16 is not faster on this processor (avx2): f32 is computed");
        assert_eq!(said(None), "this device does not multiply in bf16: f32 is computed");
    }
}
