//! Group normalisation with the affine map and activation that follow it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::conv2d::Norm;
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
    let options = NormActOptions { groups, epsilon, activation };
    let norm = Norm { gain, offset, scale_shift, options };
    norm.check(input.dims());
    let (scale, shift) = norm.scale_shift.unzip();
    Tensor::from_dispatch(<Dispatch as KernelOps>::norm_act(
        input.into_dispatch(),
        norm.gain.into_dispatch(),
        norm.offset.into_dispatch(),
        Optional::from_tensor(scale),
        Optional::from_tensor(shift),
        options,
    ))
}

/// The derivative of [`norm_act()`] along one direction of its input, and of its scale and shift where they have one.
///
/// In closed form, from the statistics of the input. Nothing is differentiable here: gradients do not pass through it.
///
/// # Shapes
///
/// As [`norm_act()`]; `tangent` is like `input`, `scale_shift_tangent` like `scale_shift`, without which it is not used.
///
/// # Panics
///
/// If the shapes disagree or `groups` does not divide the number of channels.
pub fn norm_act_tangent(
    [input, tangent]: [Tensor<4>; 2],
    norm: Norm,
    scale_shift_tangent: Option<(Tensor<2>, Tensor<2>)>,
) -> Tensor<4> {
    norm.check(input.dims());
    assert_eq!(input.dims(), tangent.dims(), "norm_act_tangent: input and tangent");
    let samples = [input.dims()[0], input.dims()[3]];
    assert!(
        scale_shift_tangent.iter().all(|(scale, shift)| [scale.dims(), shift.dims()] == [samples; 2]),
        "norm_act_tangent: tangents of scale and shift do not fit the input {:?}",
        input.dims()
    );
    let [input, tangent] = [input, tangent].map(|tensor| tensor.inner().into_dispatch());
    let still = |tensor: Option<Tensor<2>>| Optional::from_tensor(tensor.map(Tensor::inner));
    let (scale, shift) = norm.scale_shift.unzip();
    let (scale_tangent, shift_tangent) = scale_shift_tangent.unzip();
    Tensor::from_dispatch(<Dispatch as KernelOps>::norm_act_tangent(
        input,
        tangent,
        norm.gain.inner().into_dispatch(),
        norm.offset.inner().into_dispatch(),
        still(scale),
        still(shift),
        still(scale_tangent),
        still(shift_tangent),
        norm.options,
    ))
}

impl Norm {
    /// Panics unless everything fits an input of this shape.
    pub(crate) fn check(&self, input: [usize; 4]) {
        let ([batch, _, _, channels], groups) = (input, self.options.groups);
        assert!(
            groups > 0 && channels % groups == 0,
            "norm_act: {groups} groups do not divide {channels} channels"
        );
        assert!(
            self.gain.dims() == [channels] && self.offset.dims() == [channels],
            "norm_act: gain {:?} and offset {:?} do not fit the input {input:?}",
            self.gain.dims(),
            self.offset.dims(),
        );
        let scale_shift = self.scale_shift.iter().flat_map(|(scale, shift)| [scale, shift]);
        assert!(
            scale_shift.clone().all(|tensor| tensor.dims() == [batch, channels]),
            "norm_act: scale and shift {:?} do not fit the input {input:?}",
            scale_shift.map(Tensor::dims).collect::<Vec<_>>(),
        );
    }
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
