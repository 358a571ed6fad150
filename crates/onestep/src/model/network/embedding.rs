//! Embeddings of the noise code (sinusoids of fixed frequencies, and their published orders) and of labels.

use burn::tensor::{Device, Tensor, TensorData};

use super::layers::Linear;
use crate::model::{Condition, Weights};

/// Which half of a sinusoidal embedding comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// [cos ‖ sin]: OpenAI's U-Net, diffusers, EDM's DhariwalUNet.
    CosSin,
    /// [sin ‖ cos]: EDM's SongUNet.
    SinCos,
}

/// How the frequencies 10000^(-i/…) are spaced over the half = width/2 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// 10000^(-i/half): the last frequency stays above 1/10000.
    WithoutEndpoint,
    /// 10000^(-i/(half-1)): the last frequency is 1/10000 (SongUNet).
    WithEndpoint,
}

/// The sinusoidal embedding of one number a sample, computed in f64.
///
/// # Shapes
///
/// Returns `[batch, width]`; an odd `width` ends in a zero.
///
/// # Source
///
/// Vaswani et al. 2017 (arXiv:1706.03762); the orders and spacings of the families are the second silent
/// trap of every import, hence the two arguments.
pub fn sinusoidal(codes: &[f64], width: usize, order: Order, spacing: Spacing, device: &Device) -> Tensor<2> {
    let half = width / 2;
    let steps = match spacing {
        Spacing::WithoutEndpoint => half,
        Spacing::WithEndpoint => half.saturating_sub(1).max(1),
    } as f64;
    let mut values = vec![0.0f32; codes.len() * width];
    for (row, &code) in values.chunks_exact_mut(width.max(1)).zip(codes) {
        for i in 0..half {
            let (sin, cos) = (code * (-(10_000f64.ln()) * i as f64 / steps).exp()).sin_cos();
            let (first, second) = match order {
                Order::CosSin => (cos, sin),
                Order::SinCos => (sin, cos),
            };
            row[i] = first as f32;
            row[half + i] = second as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [codes.len(), width]), device)
}

/// Sinusoids of given frequencies, [sin ‖ cos] of 2π·frequency·code: the Fourier embedding of NCSN++.
///
/// # Shapes
///
/// - `frequencies`: `[half]`, stored with the weights
/// - returns: `[batch, 2 * half]`
///
/// # Source
///
/// Tancik et al. 2020 (arXiv:2006.10739), as in Song et al. 2021 (arXiv:2011.13456); computed in f32, as there.
pub fn fourier(codes: &[f64], frequencies: Tensor<1>) -> Tensor<2> {
    let (half, device) = (frequencies.dims()[0], frequencies.device());
    let codes = codes.iter().map(|&code| code as f32).collect::<Vec<_>>();
    let codes = Tensor::<2>::from_data(TensorData::new(codes.clone(), [codes.len(), 1]), &device);
    let angles = codes * (frequencies * std::f64::consts::TAU).reshape([1, half]);
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1)
}

/// `value` at each sample's class, zero elsewhere; none without classes.
///
/// # Shapes
///
/// Returns `[batch, n_classes]`.
pub fn class_rows(
    condition: &Condition,
    n_classes: Option<usize>,
    value: f64,
    device: &Device,
) -> Option<Tensor<2>> {
    let (labels, n_classes) = condition.labels.as_ref().zip(n_classes)?;
    let mut values = vec![0.0f32; labels.len() * n_classes];
    for (row, &label) in values.chunks_exact_mut(n_classes).zip(labels) {
        row[label] = value as f32;
    }
    Some(Tensor::from_data(TensorData::new(values, [labels.len(), n_classes]), device))
}

/// Each sample's augmentation labels; none without augmentation, or for a network that takes none.
///
/// # Shapes
///
/// Returns `[batch, n_labels]`.
pub fn augment_rows(condition: &Condition, n_labels: usize, device: &Device) -> Option<Tensor<2>> {
    let labels = condition.augment.as_ref().filter(|_| n_labels > 0)?;
    Some(Tensor::from_data(TensorData::new(labels.concat(), [labels.len(), n_labels]), device))
}

/// An embedding with what `layer` makes of a condition's rows added, where the network has the layer and the
/// condition the rows: how every family is told of classes and augmentation.
///
/// # Shapes
///
/// - `embedding`: `[batch, width]`, as is the result
/// - `rows`: `[batch, n_labels]`
pub fn add_labels(
    weights: &Weights,
    embedding: Tensor<2>,
    layer: Option<&Linear>,
    rows: Option<Tensor<2>>,
) -> Tensor<2> {
    match layer.zip(rows) {
        Some((layer, rows)) => embedding + layer.forward(weights, rows),
        None => embedding,
    }
}
