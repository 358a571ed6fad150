//! From the name of a device to the device.

use std::sync::OnceLock;

use burn::tensor::Device;
use onestep::model::{DeviceChoice, Platform, device_name};

use crate::failure::{Failure, Outcome, code};

/// Opens a device.
pub fn open(choice: DeviceChoice) -> Outcome<Device> {
    choice.open().map_err(|error| Failure::usage(&error).hint(error.hint()))
}

/// The devices that this build finds here, with what they call themselves.
pub fn found() -> Vec<String> {
    let platforms = Platform::ALL.into_iter().rev().filter(|platform| platform.is_built_in());
    let of_platform = |platform: Platform| {
        let devices = platform.devices();
        let named = devices.iter().enumerate().map(move |(number, device)| match platform {
            Platform::Cpu => "cpu".to_owned(),
            platform => format!("{}:{number} ({})", platform.name(), device_name(device)),
        });
        let none = devices.is_empty().then(|| format!("{} (none found)", platform.name()));
        named.chain(none).collect::<Vec<_>>()
    };
    platforms.flat_map(of_platform).collect()
}

/// What computes: the name of a card, or how many threads of the processor.
pub fn described(device: &Device) -> String {
    if *device == Device::flex() { format!("{} threads", threads()) } else { device_name(device) }
}

/// Threads that were asked for.
static ASKED: OnceLock<usize> = OnceLock::new();

/// Threads the CPU kernels use.
pub fn threads() -> usize {
    if let Some(&asked) = ASKED.get() {
        return asked;
    }
    std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .filter(|&n| n > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Makes the CPU kernels use so many threads; only before anything was computed.
pub fn use_threads(n: usize) -> Outcome {
    rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build_global()
        .map_err(|error| Failure::new(code::INTERNAL, format!("cannot start {n} threads: {error}")))?;
    let _ = ASKED.set(n);
    Ok(())
}
