//! Devices by name: what a build can use, what there is on a machine, and which one is meant.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::simd::Precision;

/// What computes: the processor, or graphics cards through one programming interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// The processor: always there.
    Cpu,
    /// Graphics cards through Vulkan (cargo feature `vulkan`).
    Vulkan,
    /// Apple's graphics cards through Metal (cargo feature `metal`).
    Metal,
    /// Graphics cards through whatever the library `wgpu` finds (cargo feature `webgpu`).
    Webgpu,
    /// NVIDIA's graphics cards through CUDA (cargo feature `cuda`).
    Cuda,
    /// AMD's graphics cards through ROCm (cargo feature `rocm`).
    Rocm,
}

impl Platform {
    /// All of them, those that know their cards best first.
    pub const ALL: [Self; 6] = [Self::Cuda, Self::Rocm, Self::Metal, Self::Vulkan, Self::Webgpu, Self::Cpu];

    /// Its name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Webgpu => "webgpu",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
        }
    }

    /// Whether this build can use it.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Webgpu => cfg!(feature = "webgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
        }
    }

    /// Its devices on this machine in the order of their numbers: cards of their own, then those of a processor, those of virtual
    /// machines, and programs that stand in for a card. Empty where the build cannot use it.
    pub fn devices(self) -> Vec<Device> {
        match self {
            Self::Cpu => vec![Device::flex()],
            #[cfg(feature = "vulkan")]
            Self::Vulkan => cards(burn::tensor::DeviceType::Vulkan),
            #[cfg(feature = "metal")]
            Self::Metal => cards(burn::tensor::DeviceType::Metal),
            // Not burn's WebGpu, which is that of a browser.
            #[cfg(all(feature = "webgpu", not(target_family = "wasm")))]
            Self::Webgpu => cards(burn::tensor::DeviceType::Wgpu),
            #[cfg(all(feature = "webgpu", target_family = "wasm"))]
            Self::Webgpu => cards(burn::tensor::DeviceType::WebGpu),
            #[cfg(feature = "cuda")]
            Self::Cuda => cards(burn::tensor::DeviceType::Cuda),
            #[cfg(feature = "rocm")]
            Self::Rocm => cards(burn::tensor::DeviceType::Rocm),
            #[allow(unreachable_patterns, reason = "with every feature on, none is left")]
            _ => Vec::new(),
        }
    }
}

#[cfg(feature = "card")]
fn cards(of: burn::tensor::DeviceType) -> Vec<Device> {
    Device::enumerate(of).into_iter().collect()
}

/// What a device calls itself: the name of a card, or that of the processor's loops.
pub fn device_name(device: &Device) -> String {
    #[cfg(feature = "card")]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    if *device == Device::flex() { "the processor".into() } else { format!("{device:?}") }
}

/// Whether a device is told to multiply numbers of type bf16 where that is asked for: the processor where its loops are faster so, a card
/// where it has units that multiply matrices of them and add up in f32.
pub fn multiplies_bf16(device: &Device) -> bool {
    if device.clone().without_autodiff() == Device::flex() {
        return Precision::Bf16.here() == Precision::Bf16;
    }
    #[cfg(feature = "card")]
    if let burn::backend::DispatchDevice::Cube(card) = device.clone().without_autodiff().as_dispatch() {
        return super::card::has_bf16(card);
    }
    false
}

/// The device that is asked for: `cpu`, a platform and perhaps a number (`vulkan`, `cuda:1`), or `auto`.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use onestep_kernels::{DeviceChoice, Platform};
///
/// let choice: DeviceChoice = "cuda:1".parse()?;
/// assert_eq!(choice, DeviceChoice::Named(Platform::Cuda, Some(1)));
/// assert_eq!("cpu".parse::<DeviceChoice>()?.open()?, Device::flex());
/// assert_eq!(DeviceChoice::default().to_string(), "cpu");
/// # Ok::<(), onestep_kernels::DeviceError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The first card of the first platform of [`Platform::ALL`] that has one, else the processor. A program that stands in for a
    /// card counts as none.
    Auto,
    /// The device of this number, or the first.
    Named(Platform, Option<usize>),
}

impl Default for DeviceChoice {
    /// The processor.
    fn default() -> Self {
        Self::Named(Platform::Cpu, None)
    }
}

impl DeviceChoice {
    /// Finds the device.
    ///
    /// # Errors
    ///
    /// Where the build cannot use the platform, where there is no such device, and where there is none of that number.
    pub fn open(self) -> Result<Device, DeviceError> {
        let Self::Named(platform, number) = self else {
            let mut cards = Platform::ALL.into_iter().flat_map(Platform::devices);
            return Ok(cards.find(|device| !stands_in(device)).unwrap_or_else(Device::flex));
        };
        if !platform.is_built_in() {
            return Err(DeviceError::NotBuiltIn(platform));
        }
        let devices = platform.devices();
        match devices.get(number.unwrap_or(0)) {
            Some(device) => Ok(device.clone()),
            None if devices.is_empty() => Err(DeviceError::Absent(platform)),
            None => Err(DeviceError::NoSuchNumber {
                platform,
                number: number.unwrap_or(0),
                found: devices.iter().map(device_name).collect(),
            }),
        }
    }
}

/// Whether a device is a program that stands in for a card.
fn stands_in(device: &Device) -> bool {
    #[cfg(feature = "vulkan")]
    if *device == Device::vulkan(burn::tensor::DeviceKind::Cpu) {
        return true;
    }
    #[cfg(feature = "webgpu")]
    if *device == Device::wgpu(burn::tensor::DeviceKind::Cpu) {
        return true;
    }
    let _ = device;
    false
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Named(platform, None) => write!(f, "{}", platform.name()),
            Self::Named(platform, Some(number)) => write!(f, "{}:{number}", platform.name()),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let unknown = || DeviceError::Unknown(text.into());
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let platform = Platform::ALL.into_iter().find(|platform| platform.name() == name);
        Ok(Self::Named(platform.ok_or_else(unknown)?, number))
    }
}

/// Why there is no such device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceError {
    /// Nothing has this name.
    Unknown(String),
    /// The build cannot use the platform.
    NotBuiltIn(Platform),
    /// The platform has no device on this machine.
    Absent(Platform),
    /// The platform has devices, and none of this number.
    NoSuchNumber {
        /// The platform.
        platform: Platform,
        /// What was asked for.
        number: usize,
        /// What there is, by number.
        found: Vec<String>,
    },
}

impl DeviceError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => {
                let names: Vec<&str> = Platform::ALL.into_iter().map(Platform::name).collect();
                format!(
                    "there are auto, {}; a number behind one tells cards apart, as in cuda:1",
                    names.join(", ")
                )
            }
            Self::NotBuiltIn(platform) => {
                let name = platform.name();
                format!("build it in with `cargo build --release --features {name}`, or use --device cpu")
            }
            Self::Absent(Platform::Vulkan) => {
                "install the driver of the card; `vulkaninfo --summary` lists what Vulkan finds".into()
            }
            Self::Absent(Platform::Cuda) => "`nvidia-smi` lists what the driver finds".into(),
            Self::Absent(_) => "install the driver of the card, or use --device cpu".into(),
            Self::NoSuchNumber { platform, found, .. } => {
                let list: Vec<String> = (found.iter().enumerate())
                    .map(|(at, name)| format!("{}:{at} ({name})", platform.name()))
                    .collect();
                format!("there are {}", list.join(", "))
            }
        }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no device is called `{name}`"),
            Self::NotBuiltIn(platform) => write!(f, "this build cannot use the device `{}`", platform.name()),
            Self::Absent(platform) => write!(f, "no device of `{}` is here", platform.name()),
            Self::NoSuchNumber { platform, number, .. } => {
                write!(f, "there is no device `{}:{number}`", platform.name())
            }
        }
    }
}

impl std::error::Error for DeviceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_are_written() {
        let named = Platform::ALL.into_iter().flat_map(|platform| {
            [None, Some(0), Some(12)].map(|number| DeviceChoice::Named(platform, number))
        });
        for choice in named.chain([DeviceChoice::Auto]) {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1:2", "auto:1", "CPU"] {
            assert_eq!(text.parse::<DeviceChoice>(), Err(DeviceError::Unknown(text.into())));
        }
    }

    #[test]
    fn the_processor_is_there_and_has_one_number() {
        assert_eq!(DeviceChoice::default().open(), Ok(Device::flex()));
        assert_eq!(DeviceChoice::Named(Platform::Cpu, Some(0)).open(), Ok(Device::flex()));
        let error = DeviceChoice::Named(Platform::Cpu, Some(1)).open().unwrap_err();
        assert_eq!(error.to_string(), "there is no device `cpu:1`");
        assert_eq!(error.hint(), "there are cpu:0 (the processor)");
    }

    #[test]
    fn what_is_not_built_in_says_how_to_build_it() {
        for platform in Platform::ALL.into_iter().filter(|platform| !platform.is_built_in()) {
            assert!(platform.devices().is_empty());
            let error = DeviceChoice::Named(platform, None).open().unwrap_err();
            assert_eq!(error, DeviceError::NotBuiltIn(platform));
            assert!(error.hint().contains(&format!("--features {}", platform.name())));
        }
    }
}
