//! Numbers back from a device.

use std::fmt;

use burn::tensor::{Tensor, TensorData};

#[cfg(feature = "card")]
use super::profile::{self, Operation};

/// Waits for a device and reads what a tensor holds. Of a card a recording has it as an entry `read back`.
///
/// # Errors
///
/// Where the device failed at anything that it was told since it was read from last: a card that ran out of memory says so here.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<TensorData, DeviceFailure> {
    #[cfg(feature = "card")]
    let _timed = {
        let is_card = tensor.device().without_autodiff() != burn::tensor::Device::flex();
        is_card.then(|| profile::start(|| Operation::map("read back", &tensor.dims())))
    };
    tensor.try_into_data().map_err(|error| DeviceFailure::of(&error.to_string()))
}

/// Why a device could not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceFailure {
    /// It had no memory for so many bytes more, where it says how many.
    OutOfMemory(Option<u64>),
    /// Something else, in its own words.
    Other(String),
}

impl DeviceFailure {
    /// By what the framework says.
    fn of(said: &str) -> Self {
        let bytes_behind = |words: &str| {
            let (_, rest) = said.split_once(words)?;
            let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        };
        let bytes = ["out of device memory allocating", "can't allocate buffer of size:"]
            .into_iter()
            .find_map(bytes_behind);
        let full = bytes.is_some() || said.contains("out-of-memory");
        // What follows the first lines is where in the framework it happened.
        let first = || {
            said.lines().take_while(|line| !line.trim_start().starts_with("0:")).collect::<Vec<_>>().join(" ")
        };
        if full { Self::OutOfMemory(bytes) } else { Self::Other(first()) }
    }
}

impl fmt::Display for DeviceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory(None) => write!(f, "the device has no memory left"),
            Self::OutOfMemory(Some(bytes)) => {
                write!(f, "the device has no memory for {:.1} MB more", *bytes as f64 / 1e6)
            }
            Self::Other(reason) => write!(f, "the device failed: {reason}"),
        }
    }
}

impl std::error::Error for DeviceFailure {}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn what_the_framework_says_of_memory_is_understood() {
        let too_big = "An error happened during execution\nCaused by:\n  can't allocate buffer of size: 1099511627776\n 0: here";
        assert_eq!(DeviceFailure::of(too_big), DeviceFailure::OutOfMemory(Some(1 << 40)));
        let full = "Caused by:\n  out of device memory allocating 2500000 bytes\n";
        assert_eq!(DeviceFailure::of(full).to_string(), "the device has no memory for 2.5 MB more");
        let launch = "An out-of-memory error happened during launch\nCaused by:\n  hipErrorOutOfMemory";
        assert_eq!(DeviceFailure::of(launch).to_string(), "the device has no memory left");
        let other =
            DeviceFailure::of("An error happened\nCaused by:\n  a kernel trapped\n   0: frame\n   1: frame");
        assert_eq!(other.to_string(), "the device failed: An error happened Caused by:   a kernel trapped");
    }

    #[test]
    fn the_processor_is_read_from() {
        let tensor = Tensor::<1>::from_data([1.0f32, -2.5], &Device::flex());
        assert_eq!(read(tensor).unwrap().as_slice::<f32>().unwrap(), [1.0, -2.5]);
    }
}
