//! PyTorch state dicts of the published networks.
//!
//! 1. Names: EDM's networks are wrapped in a preconditioning, hence the prefix `model.`; OpenAI's are not.
//! 2. Layouts: convolutions `[out, in, kernel_h, kernel_w]`, linear layers `[out, in]`; ours are
//!    `[kernel_h, kernel_w, in, out]` and `[in, out]`. An embedding table is the same in both.
//! 3. Order of the fused attention channels: EDM (head, width, three), OpenAI and we (three, head, width).
//!    Names and shapes do not tell them apart; getting it wrong yields plausible noise.
//! 4. Constants: EDM stores its resampling filters beside the weights. We compute them from the architecture.

use super::NamedArrays;
use crate::model::network::{Decoder, Encoder, SongConfig, dhariwal_heads, level_name};
use crate::model::{Architecture, ModelError, ParameterSpec};

const EDM_PREFIX: &str = "model.";
const FILTER_SUFFIX: &str = ".resample_filter";

/// Translates a PyTorch state dict of this architecture into our names and layouts.
///
/// The prefix `model.` of EDM's files is taken off where it is present. OpenAI's attention convolutions are
/// accepted with kernels `[1, 1]` and `[1]`; older guided-diffusion files, which have the latter, also order
/// the fused channels (head, three, width), which cannot be seen and is not translated.
///
/// # Errors
///
/// - [`ModelError::BadArchitecture`] if the architecture itself is impossible.
/// - [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`]: all tensors of the architecture must be
///   there, and no others; EDM's filters may be absent. Shapes in the messages are PyTorch's.
/// - [`ModelError::WrongShape`] if a tensor has another shape.
/// - [`ModelError::WrongConstant`] if a stored filter is not that of the architecture.
pub fn from_torch(architecture: &Architecture, mut named: NamedArrays) -> Result<NamedArrays, ModelError> {
    if is_edm(architecture) {
        let plain = |name: String| name.strip_prefix(EDM_PREFIX).map(String::from).unwrap_or(name);
        named = named.into_iter().map(|(name, array)| (plain(name), array)).collect();
    }
    for (name, filter) in filters(architecture) {
        if let Some((shape, values)) = named.remove(&name) {
            check_filter(name, shape, &values, &filter)?;
        }
    }
    let network = architecture.build()?;
    let mut translated = NamedArrays::new();
    for spec in network.parameters().iter() {
        let axes = Axes::of(architecture, spec);
        let expected = axes.torch_shape(&spec.shape);
        let Some((shape, values)) = named.remove(&spec.name) else {
            return Err(ModelError::MissingTensor { name: spec.name.clone(), shape: expected });
        };
        if !same_kernel(&shape, &expected) || shape.iter().product::<usize>() != values.len() {
            return Err(ModelError::WrongShape { name: spec.name.clone(), found: shape, expected });
        }
        let mut values = axes.ours(&spec.shape, values);
        if let Some(order) = attention_order(architecture, spec) {
            values = gather_last(&values, &order);
        }
        translated.insert(spec.name.clone(), (spec.shape.clone(), values));
    }
    match named.into_keys().next() {
        Some(name) => Err(ModelError::ExtraTensor { name }),
        None => Ok(translated),
    }
}

/// Translates our weights into a PyTorch state dict that the original implementation of this architecture
/// loads: the inverse of [`from_torch`], with EDM's prefix and filters.
///
/// # Errors
///
/// As [`from_torch`].
pub fn to_torch(architecture: &Architecture, mut named: NamedArrays) -> Result<NamedArrays, ModelError> {
    let network = architecture.build()?;
    let mut translated = NamedArrays::new();
    for spec in network.parameters().iter() {
        let (name, expected) = (spec.name.clone(), spec.shape.clone());
        let Some((found, mut values)) = named.remove(&name) else {
            return Err(ModelError::MissingTensor { name, shape: expected });
        };
        if found != expected || values.len() != spec.n_values() {
            return Err(ModelError::WrongShape { name, found, expected });
        }
        if let Some(order) = attention_order(architecture, spec) {
            values = gather_last(&values, &inverse(&order));
        }
        let axes = Axes::of(architecture, spec);
        translated.insert(name, (axes.torch_shape(&spec.shape), axes.theirs(&spec.shape, values)));
    }
    if let Some(name) = named.into_keys().next() {
        return Err(ModelError::ExtraTensor { name });
    }
    if is_edm(architecture) {
        for (name, filter) in filters(architecture) {
            translated.insert(name, (vec![1, 1, filter.len(), filter.len()], outer(&filter)));
        }
        translated =
            translated.into_iter().map(|(name, array)| (format!("{EDM_PREFIX}{name}"), array)).collect();
    }
    Ok(translated)
}

/// How the axes of a parameter are arranged in PyTorch.
#[derive(Debug, Clone, Copy)]
enum Axes {
    /// As ours.
    Same,
    /// `[out, in]` for our `[in, out]`.
    Linear,
    /// `[out, in, kernel_h, kernel_w]` for our `[kernel_h, kernel_w, in, out]`.
    Convolution,
}

impl Axes {
    fn of(architecture: &Architecture, spec: &ParameterSpec) -> Self {
        match spec.shape.len() {
            2 if matches!(architecture, Architecture::Adm(_)) && spec.name == "label_emb.weight" => {
                Self::Same
            }
            2 => Self::Linear,
            4 => Self::Convolution,
            _ => Self::Same,
        }
    }

    fn torch_shape(self, ours: &[usize]) -> Vec<usize> {
        match (self, ours) {
            (Self::Linear, &[n_in, n_out]) => vec![n_out, n_in],
            (Self::Convolution, &[height, width, n_in, n_out]) => vec![n_out, n_in, height, width],
            _ => ours.to_vec(),
        }
    }

    /// Our shape as a matrix `[rows, n_out]` whose rows PyTorch orders by input channel first.
    fn matrix(ours: &[usize]) -> (usize, usize, usize) {
        let (&n_out, rest) = ours.split_last().expect("at least two axes");
        let (&n_in, kernel) = rest.split_last().expect("at least two axes");
        (kernel.iter().product(), n_in, n_out)
    }

    /// Values in our order from values in PyTorch's.
    fn ours(self, ours: &[usize], values: Vec<f32>) -> Vec<f32> {
        if let Self::Same = self {
            return values;
        }
        let (area, n_in, n_out) = Self::matrix(ours);
        let mut translated = Vec::with_capacity(values.len());
        for pixel in 0..area {
            for input in 0..n_in {
                translated.extend((0..n_out).map(|output| values[(output * n_in + input) * area + pixel]));
            }
        }
        translated
    }

    /// Values in PyTorch's order from values in ours.
    fn theirs(self, ours: &[usize], values: Vec<f32>) -> Vec<f32> {
        if let Self::Same = self {
            return values;
        }
        let (area, n_in, n_out) = Self::matrix(ours);
        let mut translated = Vec::with_capacity(values.len());
        for output in 0..n_out {
            for input in 0..n_in {
                translated.extend((0..area).map(|pixel| values[(pixel * n_in + input) * n_out + output]));
            }
        }
        translated
    }
}

/// Whether a shape is the expected one, or the same with a one-dimensional kernel of size 1.
fn same_kernel(found: &[usize], expected: &[usize]) -> bool {
    found == expected || matches!(expected, [.., 1, 1] if expected.len() == 4 && *found == expected[..3])
}

fn is_edm(architecture: &Architecture) -> bool {
    matches!(architecture, Architecture::Song(_) | Architecture::Dhariwal(_))
}

/// For each of our fused attention channels, its place in the file; none where the orders agree.
fn attention_order(architecture: &Architecture, spec: &ParameterSpec) -> Option<Vec<usize>> {
    if !(spec.name.ends_with(".qkv.weight") || spec.name.ends_with(".qkv.bias")) {
        return None;
    }
    let channels = spec.shape.last()? / 3;
    let heads = match architecture {
        Architecture::Song(_) => 1,
        Architecture::Dhariwal(_) => dhariwal_heads(channels),
        Architecture::Adm(_) | Architecture::Mlp(_) | Architecture::Custom(_) => return None,
    };
    let width = channels / heads;
    let place = |part: usize, head: usize, within: usize| (head * width + within) * 3 + part;
    Some(
        (0..3 * channels).map(|ours| place(ours / channels, ours % channels / width, ours % width)).collect(),
    )
}

fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (ours, &theirs) in order.iter().enumerate() {
        inverse[theirs] = ours;
    }
    inverse
}

/// Reorders the last axis.
fn gather_last(values: &[f32], order: &[usize]) -> Vec<f32> {
    values.chunks_exact(order.len()).flat_map(|row| order.iter().map(|&place| row[place])).collect()
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

fn check_filter(name: String, shape: Vec<usize>, values: &[f32], filter: &[f32]) -> Result<(), ModelError> {
    let expected = outer(filter);
    if shape != [1, 1, filter.len(), filter.len()] {
        return Err(ModelError::WrongShape {
            name,
            found: shape,
            expected: vec![1, 1, filter.len(), filter.len()],
        });
    }
    let same = |(found, expected): (&f32, &f32)| (found - expected).abs() <= 1e-6;
    if values.len() == expected.len() && values.iter().zip(&expected).all(same) {
        Ok(())
    } else {
        Err(ModelError::WrongConstant { name, reason: format!("resampling filter {filter:?}") })
    }
}
