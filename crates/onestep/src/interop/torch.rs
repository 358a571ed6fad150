//! PyTorch state dicts of the published networks.
//!
//! 1. Names: EDM's networks are wrapped in a preconditioning, hence the prefix `model.`; OpenAI's are not.
//! 2. Layouts: convolutions `[out, in, kernel_h, kernel_w]`, linear layers `[out, in]`; ours are
//!    `[kernel_h, kernel_w, in, out]` and `[in, out]`. An embedding table is the same in both.
//! 3. Order of the fused attention channels: EDM (head, width, three), OpenAI's consistency models and we (three, head, width),
//!    guided-diffusion (head, three, width). Names and shapes do not tell them apart; getting it wrong yields plausible noise.
//! 4. Constants: EDM stores its resampling filters beside the weights. We compute them from the architecture.

use super::array_file::InMemory;
use super::name_map::{Axes, Constant, Entry, Part};
use super::{InteropError, NameMap, NamedArrays};
use crate::model::network::{AdmConfig, Decoder, Encoder, SongConfig, dhariwal_heads, level_name};
use crate::model::{Architecture, ModelError, ParameterSpec};

const EDM_PREFIX: &str = "model.";
const FILTER_SUFFIX: &str = ".resample_filter";

/// In which order OpenAI's U-Net keeps the fused channels of queries, keys and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QkvOrder {
    /// (three, head, width): all queries, all keys, all values, as openai/consistency_models has it, and guided-diffusion with
    /// `use_new_attention_order`.
    #[default]
    ThreeFirst,
    /// (head, three, width): queries, keys and values of one head after the other, as guided-diffusion has it, and its published
    /// models.
    HeadsFirst,
}

impl NameMap {
    /// The state dict of the original implementation of this architecture, in PyTorch's layout.
    ///
    /// EDM's names are written with the prefix `model.` of the preconditioning around the network and found without it, too.
    /// `order` is that of OpenAI's U-Net; EDM's networks have one of their own.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the architecture itself is impossible.
    pub fn torch(architecture: &Architecture, order: QkvOrder) -> Result<Self, ModelError> {
        let network = architecture.build()?;
        let is_edm = matches!(architecture, Architecture::Song(_) | Architecture::Dhariwal(_));
        let names = |name: &str| match is_edm {
            true => vec![format!("{EDM_PREFIX}{name}"), name.to_owned()],
            false => vec![name.to_owned()],
        };
        let entry = |spec: &ParameterSpec| {
            let (shape, axes) = torch_layout(architecture, spec);
            Entry {
                ours: spec.name.clone(),
                shape: spec.shape.clone(),
                parts: vec![Part { names: names(&spec.name), shape, axes, first_of: None }],
                order: attention_order(architecture, spec, order),
            }
        };
        let constant = |(name, filter): (String, Vec<f32>)| Constant {
            names: names(&name),
            shape: vec![1, 1, filter.len(), filter.len()],
            values: outer(&filter),
            reason: format!("resampling filter {filter:?}"),
        };
        let constants = if is_edm { filters(architecture) } else { Vec::new() };
        Ok(Self {
            entries: network.parameters().iter().map(entry).collect(),
            constants: constants.into_iter().map(constant).collect(),
        })
    }
}

/// Translates a PyTorch state dict of this architecture into our names and layouts.
///
/// The prefix `model.` of EDM's files may be absent. OpenAI's attention convolutions are accepted with kernels `[1, 1]` and `[1]`;
/// their fused channels are taken to be in the order of consistency_models ([`NameMap::torch`] knows the other).
///
/// # Errors
///
/// - [`ModelError::BadArchitecture`] if the architecture itself is impossible.
/// - [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`]: all tensors of the architecture must be
///   there, and no others; EDM's filters may be absent. Names and shapes in the messages are PyTorch's.
/// - [`ModelError::WrongShape`] if a tensor has another shape.
/// - [`ModelError::WrongConstant`] if a stored filter is not that of the architecture.
/// - [`WeightsFileError`](super::WeightsFileError) for a value that is NaN or infinite.
pub fn from_torch(architecture: &Architecture, named: NamedArrays) -> Result<NamedArrays, InteropError> {
    let map = NameMap::torch(architecture, QkvOrder::default())?;
    for (name, (shape, values)) in &named {
        if shape.iter().product::<usize>() != values.len() {
            let (name, found) = (name.clone(), shape.clone());
            return Err(ModelError::WrongShape { name, expected: found.clone(), found }.into());
        }
    }
    map.translated(&mut InMemory::new("state dict", named))
}

/// Translates our weights into a PyTorch state dict that the original implementation of this architecture
/// loads: the inverse of [`from_torch`], with EDM's prefix and filters.
///
/// # Errors
///
/// [`ModelError`]: weights that are not those of the architecture.
pub fn to_torch(architecture: &Architecture, mut named: NamedArrays) -> Result<NamedArrays, ModelError> {
    let network = architecture.build()?;
    for spec in network.parameters().iter() {
        let (name, expected) = (spec.name.clone(), spec.shape.clone());
        match named.get(&name) {
            None => return Err(ModelError::MissingTensor { name, shape: expected }),
            Some((found, values)) if *found != expected || values.len() != spec.n_values() => {
                return Err(ModelError::WrongShape { name, found: found.clone(), expected });
            }
            Some(_) => {}
        }
    }
    if named.len() > network.parameters().len() {
        let known = |name: &String| network.parameters().iter().any(|spec| spec.name == *name);
        let name = named.into_keys().find(|name| !known(name)).unwrap_or_default();
        return Err(ModelError::ExtraTensor { name });
    }
    let map = NameMap::torch(architecture, QkvOrder::default())?;
    let values = |name: &str| named.remove(name).expect("seen before").1;
    Ok(map.written(values).map(|(name, shape, values)| (name, (shape, values))).collect())
}

/// The shape of a parameter in PyTorch, and the order of its numbers.
fn torch_layout(architecture: &Architecture, spec: &ParameterSpec) -> (Vec<usize>, Axes) {
    let is_table = matches!(architecture, Architecture::Adm(_)) && spec.name == "label_emb.weight";
    match spec.shape[..] {
        [n_in, n_out] if !is_table => (vec![n_out, n_in], Axes::OutputFirst),
        [height, width, n_in, n_out] => (vec![n_out, n_in, height, width], Axes::OutputFirst),
        _ => (spec.shape.clone(), Axes::Same),
    }
}

/// For each of our fused attention channels, its place in the file; none where the orders agree.
fn attention_order(architecture: &Architecture, spec: &ParameterSpec, order: QkvOrder) -> Option<Vec<usize>> {
    if !(spec.name.ends_with(".qkv.weight") || spec.name.ends_with(".qkv.bias")) {
        return None;
    }
    let channels = spec.shape.last()? / 3;
    let (heads, heads_first) = match architecture {
        Architecture::Song(_) => (1, false),
        Architecture::Dhariwal(_) => (dhariwal_heads(channels), false),
        Architecture::Adm(config) if order == QkvOrder::HeadsFirst => {
            (adm_heads(config, &spec.name, channels), true)
        }
        Architecture::Adm(_) | Architecture::Mlp(_) | Architecture::Custom(_) => return None,
    };
    let width = channels / heads;
    let place = |part: usize, head: usize, within: usize| match heads_first {
        true => (head * 3 + part) * width + within,
        false => (head * width + within) * 3 + part,
    };
    Some(
        (0..3 * channels).map(|ours| place(ours / channels, ours % channels / width, ours % width)).collect(),
    )
}

/// Number of heads of the attention whose parameter is called `name`.
fn adm_heads(config: &AdmConfig, name: &str, channels: usize) -> usize {
    config.heads.number(channels, name.starts_with("output_blocks")).max(1)
}

/// Names of the filters in EDM's state dict, without prefix, each with one axis of it.
fn filters(architecture: &Architecture) -> Vec<(String, Vec<f32>)> {
    let standard = (Encoder::Standard, Decoder::Standard);
    let (size, n_levels, (encoder, decoder), filter) = match architecture {
        Architecture::Song(SongConfig {
            image_size,
            channel_mult,
            encoder,
            decoder,
            resample_filter,
            ..
        }) => (*image_size, channel_mult.len(), (*encoder, *decoder), resample_filter.clone()),
        Architecture::Dhariwal(config) => {
            (config.image_size, config.channel_mult.len(), standard, vec![1.0, 1.0])
        }
        Architecture::Adm(_) | Architecture::Mlp(_) | Architecture::Custom(_) => return Vec::new(),
    };
    let mut names = Vec::new();
    for level in 0..n_levels {
        let name = |way: &str, part: &str| format!("{way}.{}_{part}{FILTER_SUFFIX}", level_name(size, level));
        if level > 0 {
            names.extend([name("enc", "down.conv0"), name("enc", "down.skip")]);
            match encoder {
                Encoder::Standard => {}
                Encoder::Skip => names.push(name("enc", "aux_down")),
                Encoder::Residual => names.push(name("enc", "aux_residual")),
            }
        }
        if level + 1 < n_levels {
            names.extend([name("dec", "up.conv0"), name("dec", "up.skip")]);
            if decoder == Decoder::Skip {
                names.push(name("dec", "aux_up"));
            }
        }
    }
    names.into_iter().map(|name| (name, filter.clone())).collect()
}

/// The filter as EDM stores it: outer product, normalized to a sum of 1.
fn outer(filter: &[f32]) -> Vec<f32> {
    let sum: f32 = filter.iter().sum();
    filter.iter().flat_map(|&y| filter.iter().map(move |&x| y * x / (sum * sum))).collect()
}
