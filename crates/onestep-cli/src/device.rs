//! From the name of a device to the device.

use std::sync::OnceLock;

use burn::tensor::Device;

use crate::args::DeviceName;
use crate::failure::{Failure, Outcome, code};

/// Opens a device.
pub fn open(name: DeviceName) -> Outcome<Device> {
    match name {
        DeviceName::Cpu => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        DeviceName::Vulkan => Ok(Device::vulkan(Default::default())),
        #[cfg(feature = "metal")]
        DeviceName::Metal => Ok(Device::metal(Default::default())),
        #[cfg(feature = "webgpu")]
        DeviceName::Webgpu => Ok(Device::webgpu(Default::default())),
        #[cfg(feature = "cuda")]
        DeviceName::Cuda => Ok(Device::cuda(0)),
        #[cfg(feature = "rocm")]
        DeviceName::Rocm => Ok(Device::rocm(0)),
        #[allow(unreachable_patterns, reason = "with every GPU feature on, no name is left")]
        other => {
            let name = format!("{other:?}").to_lowercase();
            Err(Failure::usage(format!("this build cannot use the device `{name}`")).hint(format!(
                "build it in with `cargo build --release --features {name}`, or use --device cpu"
            )))
        }
    }
}

/// The devices of this build.
pub fn names() -> Vec<&'static str> {
    let mut names = vec!["cpu"];
    for (present, name) in [
        (cfg!(feature = "vulkan"), "vulkan"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "webgpu"), "webgpu"),
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "rocm"), "rocm"),
    ] {
        if present {
            names.push(name);
        }
    }
    names
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
