//! Weights under the names of the original implementation of their network.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use burn::tensor::Tensor;
use serde::Serialize;

use super::folder::pretty;
use super::torch_zip::write_torch;
use super::{ExportError, ExportOptions};
use crate::arrays::{TensorFileError, all_finite, write_foreign};
use crate::checkpoint::ModelHeader;
use crate::data::{ending, named_beside, write_whole};
use crate::interop::{NameMap, QkvOrder};
use crate::model::network::{AdmConfig, AdmResample};
use crate::model::{Architecture, Weights};
use crate::{Result, TOOL};

/// Whom state dicts are written for, in messages.
const PROGRAM: &str = "the original implementation of its network";

/// What stands beside a file that cannot say it itself.
#[derive(Serialize)]
struct Beside<'a> {
    tool: &'a str,
    files: BTreeMap<String, String>,
    model: &'a ModelHeader,
}

/// Writes the weights of a model as a state dict: OpenAI's names for ADM, those of NVlabs/edm for DDPM++, NCSN++ and its ADM.
///
/// `path` ends with `.safetensors`, or with `.pt` or `.pth` for a file of `torch.save`, which `torch.load(weights_only=True)` reads. Such
/// a file has no place for where it is from: JSON of the same name is written beside it. One tensor at a time is in memory.
///
/// # Errors
///
/// - [`ExportError`]: a network of which there is no original, or settings that it does not have; another ending; weights that are NaN
///   or infinite.
/// - [`OutputError`](crate::data::OutputError): something that must not be written over.
/// - [`DataError::Write`](crate::data::DataError::Write); an existing file is as it was.
pub fn write_state_dict(
    header: &ModelHeader,
    weights: &Weights,
    path: &Path,
    options: &ExportOptions,
) -> Result<()> {
    let is_torch = match ending(path).as_deref() {
        Some("safetensors") => false,
        Some("pt" | "pth") => true,
        _ => return Err(ExportError::Ending { path: path.to_path_buf() }.into()),
    };
    check_known(&header.architecture)?;
    let beside = path.with_extension("json");
    options.outputs.check(path)?;
    if is_torch {
        options.outputs.check(&beside)?;
    }
    let map = NameMap::torch(&header.architecture, QkvOrder::ThreeFirst)?;
    let shapes = map.shapes();
    finite(weights)?;
    let values = map.written(values_of(weights)).map(|(_, _, values)| values);
    write_whole(path, |file| match is_torch {
        true => write_torch(file, &shapes, values),
        false => {
            // The first is what PyTorch's own readers of the format ask for.
            let metadata = BTreeMap::from([("format", "pt".to_owned()), ("tool", TOOL.to_owned())]);
            write_foreign(file, &metadata, &shapes, values).map_err(io::Error::from)
        }
    })?;
    if is_torch {
        let text = pretty(&Beside { tool: TOOL, files: named_beside(path)?, model: header });
        write_whole(&beside, |file| io::Write::write_all(file, text.as_bytes()))?;
    }
    Ok(())
}

/// The values of each parameter by its name, brought from their device when they are asked for.
pub(super) fn values_of(weights: &Weights) -> impl FnMut(&str) -> Vec<f32> {
    let tensors: HashMap<String, Tensor<1>> =
        weights.iter().map(|(spec, values)| (spec.name.clone(), values.clone())).collect();
    move |name| tensors.get(name).map(numbers).unwrap_or_default()
}

fn numbers(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.clone().inner().into_data().iter::<f32>().collect()
}

/// Refuses weights that hold NaN or infinity, before anything is written.
pub(super) fn finite(weights: &Weights) -> Result<()> {
    for (spec, values) in weights.iter() {
        all_finite(&spec.name, &numbers(values))
            .map_err(|reason: TensorFileError| ExportError::Weights { reason })?;
    }
    Ok(())
}

/// Refuses networks that the original implementation does not have.
fn check_known(architecture: &Architecture) -> Result<()> {
    let told = match architecture {
        Architecture::Song(config) => config.guidance_embedding,
        Architecture::Dhariwal(config) => config.guidance_embedding,
        Architecture::Adm(config) => config.guidance_embedding,
        Architecture::Mlp(_) | Architecture::Custom(_) => false,
    };
    if told {
        return Err(ExportError::unknown(
            PROGRAM,
            "it is told a guidance scale, and the original is told none",
        ));
    }
    match architecture {
        Architecture::Song(_) | Architecture::Dhariwal(_) => Ok(()),
        Architecture::Mlp(_) | Architecture::Custom(_) => {
            Err(ExportError::unknown(PROGRAM, "it is a network of this library, and there is no other"))
        }
        Architecture::Adm(config) => {
            let usual = AdmConfig::imagenet64();
            let same = |config: &AdmConfig| {
                (
                    config.groups,
                    config.epsilon,
                    config.middle_attention,
                    config.sinusoid_order,
                    config.sinusoid_spacing,
                )
            };
            if same(config) == same(&usual) && config.resample != AdmResample::ConvolutionPaddedBehind {
                return Ok(());
            }
            let reason = "OpenAI's U-Net has 32 groups, epsilon 1e-5, attention in the middle, cosines first and convolutions \
                          padded all around, and this one differs; write it for diffusers";
            Err(ExportError::unknown(PROGRAM, reason))
        }
    }
}
