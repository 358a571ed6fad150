//! Group normalisation with the affine map and activation that follow it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::{Activation, KernelOps, Optional};

/// Normalises groups of channels of each image, applies gain and offset, an optional scale and shift per sample, and the
/// activation.
///
/// With n the input normalised to mean 0 and variance 1 over each group of channels and all pixels of one image:
/// y = activation((n · gain + offset) · (1 + scale) + shift). Statistics are taken in f32 also where the tensors are half
/// precision.
///
/// # Shapes
///
/// - `input`: `[batch, height, width, channels]`
/// - `gain`, `offset`: `[channels]`
/// - `scale_shift`: two of `[batch, channels]`
/// - result: that of `input`
///
/// # Panics
///
/// If the shapes disagree or `groups` does not divide the number of channels.
///
/// # Source
///
/// Wu & He 2018 (arXiv:1803.08494); scale and shift as `use_scale_shift_norm` in openai/guided-diffusion and `adaptive_scale`
/// in NVlabs/edm.
pub fn norm_act(
    input: Tensor<4>,
    groups: usize,
    epsilon: f64,
    gain: Tensor<1>,
    offset: Tensor<1>,
    scale_shift: Option<(Tensor<2>, Tensor<2>)>,
    activation: Activation,
) -> Tensor<4> {
    let [batch, _, _, channels] = input.dims();
    assert!(
        groups > 0 && channels % groups == 0,
        "norm_act: {groups} groups do not divide {channels} channels"
    );
    assert!(
        gain.dims() == [channels] && offset.dims() == [channels],
        "norm_act: gain {:?} and offset {:?} do not fit the input {:?}",
        gain.dims(),
        offset.dims(),
        input.dims(),
    );
    let (scale, shift) = scale_shift.unzip();
    assert!(
        [&scale, &shift].into_iter().flatten().all(|tensor| tensor.dims() == [batch, channels]),
        "norm_act: scale and shift {:?} do not fit the input {:?}",
        scale.as_ref().map(Tensor::dims),
        input.dims(),
    );
    Tensor::from_dispatch(<Dispatch as KernelOps>::norm_act(
        input.into_dispatch(),
        gain.into_dispatch(),
        offset.into_dispatch(),
        Optional::from_tensor(scale),
        Optional::from_tensor(shift),
        NormActOptions { groups, epsilon, activation },
    ))
}

/// What [`norm_act`] needs besides tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormActOptions {
    /// Number of groups the channels are cut into.
    pub groups: usize,
    /// Added to the variance before the square root.
    pub epsilon: f64,
    /// Applied last.
    pub activation: Activation,
}
