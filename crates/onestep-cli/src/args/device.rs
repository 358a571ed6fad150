//! Where to compute.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
pub use onestep::model::DeviceChoice;
use onestep::model::Platform;

/// Reads a [`DeviceChoice`]; help and completions list the names without numbers.
#[derive(Debug, Clone, Copy)]
pub struct DeviceParser;

impl TypedValueParser for DeviceParser {
    type Value = DeviceChoice;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<DeviceChoice, Error> {
        let text = value.to_string_lossy();
        text.parse().map_err(|error: onestep::model::DeviceError| {
            let mut refusal = Error::new(ErrorKind::ValueValidation).with_cmd(command);
            if let Some(arg) = arg {
                refusal.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
            }
            refusal.insert(ContextKind::InvalidValue, ContextValue::String(text.to_string()));
            refusal.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![error.hint().into()]));
            refusal
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let help = |platform| match platform {
            Platform::Cpu => "The processor: always there",
            Platform::Vulkan => "A GPU through Vulkan (needs the cargo feature `vulkan`)",
            Platform::Metal => "A GPU through Metal (needs the cargo feature `metal`)",
            Platform::Webgpu => "A GPU through what wgpu finds (needs the cargo feature `webgpu`)",
            Platform::Cuda => "An NVIDIA GPU (needs the cargo feature `cuda`)",
            Platform::Rocm => "An AMD GPU (needs the cargo feature `rocm`)",
        };
        let auto =
            PossibleValue::new("auto").help("The best GPU that this build can use, else the processor");
        let platforms = Platform::ALL.into_iter().rev();
        let named = platforms.map(move |platform| PossibleValue::new(platform.name()).help(help(platform)));
        Some(Box::new(named.chain([auto])))
    }
}
