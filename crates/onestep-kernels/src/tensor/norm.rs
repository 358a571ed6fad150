//! Group normalisation with the affine map and activation that follow it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};
use crate::loops::Activation;
use crate::operators::{self, NormActOptions};

/// The arguments of [`norm_act`], but for the input.
///
/// # Shapes
///
/// - `gain`, `offset`: `[channels]`
/// - `scale_shift`: two of `[batch, channels]`
pub type Norm = operators::Norm<Tensor<1>, Tensor<2>>;

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
    let operators::Norm { gain, offset, scale_shift, options } =
        norm.unified(Tensor::into_dispatch, Tensor::into_dispatch);
    let (scale, shift) = scale_shift.unzip();
    let [scale, shift] = [scale, shift].map(Optional::from);
    let input = input.into_dispatch();
    Tensor::from_dispatch(<Dispatch as KernelOps>::norm_act(input, gain, offset, scale, shift, options))
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
    let of_samples = |tensor: Tensor<2>| tensor.inner().into_dispatch();
    let operators::Norm { gain, offset, scale_shift, options } =
        norm.unified(|tensor| tensor.inner().into_dispatch(), of_samples);
    let (scale, shift) = scale_shift.unzip();
    let tangents = scale_shift_tangent.map(|(scale, shift)| (of_samples(scale), of_samples(shift)));
    let (scale_tangent, shift_tangent) = tangents.unzip();
    let [scale, shift, scale_tangent, shift_tangent] =
        [scale, shift, scale_tangent, shift_tangent].map(Optional::from);
    Tensor::from_dispatch(<Dispatch as KernelOps>::norm_act_tangent(
        input,
        tangent,
        gain,
        offset,
        scale,
        shift,
        scale_tangent,
        shift_tangent,
        options,
    ))
}

impl Norm {
    /// Panics unless everything fits an input of this shape.
    pub(super) fn check(&self, input: [usize; 4]) {
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
