//! Embeddings of the noise code: sinusoids of fixed frequencies, and their published orders.

use burn::tensor::{Device, Tensor, TensorData};

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
