//! Group normalisation with what follows it: one kernel, and two for its gradient.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::{UNITS, are_countable, cube_sum, cubes, element, in_order, unwritten};
use crate::loops::Activation;
use crate::operators::Norm;
use crate::tensor::storage::dims;

/// Tensors that a kernel of these takes at most, and what it is told besides.
const BINDINGS: u32 = 12;

/// Sizes of an input and what the kernels are compiled for.
struct Sizes {
    batch: usize,
    pixels: usize,
    channels: usize,
    /// Channels of a group.
    width: usize,
    scaled: bool,
    silu: bool,
}

impl Sizes {
    fn new(input: &CubeTensor, norm: &Norm<CubeTensor>) -> Self {
        let [batch, height, width, channels] = dims(input);
        Self {
            batch,
            pixels: height * width,
            channels,
            width: channels / norm.options.groups,
            scaled: norm.scale_shift.is_some(),
            silu: norm.options.activation == Activation::Silu,
        }
    }

    /// A cube for each group of each image.
    fn cubes(&self) -> (CubeCount, CubeDim) {
        let groups = self.channels / self.width;
        (CubeCount::new_2d(groups as u32, self.batch as u32), CubeDim::new_1d(UNITS))
    }
}

/// Gain, offset, scale and shift in order; where there is no scale, gain and offset stand in for it and the shift, and are not read.
fn parameters(norm: &Norm<CubeTensor>) -> [CubeTensor; 4] {
    let [gain, offset] = [&norm.gain, &norm.offset].map(in_order);
    match &norm.scale_shift {
        Some((scale, shift)) => [gain, offset, in_order(scale), in_order(shift)],
        None => [gain.clone(), offset.clone(), gain, offset],
    }
}

/// Whether the kernels take it: numbers of a norm in f32, an input of any type of a card, and a cube for each group of each image.
pub(super) fn takes(input: &CubeTensor, norm: &Norm<CubeTensor>) -> bool {
    let [batch, height, width, channels] = dims(input);
    let bindings = input.client.properties().hardware.max_bindings;
    let fits = batch <= 65_535 && norm.options.groups <= 65_535 && bindings >= BINDINGS;
    fits && height * width * channels > 0
        && are_countable([input])
        && norm.all().all(|t| t.dtype == DType::F32)
}

/// The output in a type, and what the gradient needs of the statistics, `[batch, groups, 3]`: the mean as one sum gives it, what that is short of the
/// mean, and 1 / deviation.
pub(super) fn forward(input: &CubeTensor, norm: &Norm<CubeTensor>, stored: DType) -> [CubeTensor; 2] {
    let sizes = Sizes::new(input, norm);
    let (input, [gain, offset, scale, shift]) = (in_order(input), parameters(norm));
    let output = unwritten(&input, input.shape(), stored);
    let statistics = unwritten(&input, [sizes.batch, norm.options.groups, 3], DType::F32);
    let (count, units) = sizes.cubes();
    let dtypes = [element(&input), element(&output)];
    norm_forward::launch(
        &output.client,
        count,
        units,
        input.into_tensor_arg(),
        gain.into_tensor_arg(),
        offset.into_tensor_arg(),
        scale.into_tensor_arg(),
        shift.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        sizes.pixels as u32,
        sizes.channels as u32,
        norm.options.epsilon as f32,
        sizes.width as u32,
        sizes.scaled,
        sizes.silu,
        dtypes,
    );
    [output, statistics]
}

/// What [`backward`] finds.
pub(super) struct Gradients {
    pub input: CubeTensor,
    pub gain: CubeTensor,
    pub offset: CubeTensor,
    pub scale: CubeTensor,
    pub shift: CubeTensor,
}

/// The gradients by that of the output and the statistics of [`forward`].
pub(super) fn backward(
    input: &CubeTensor,
    norm: &Norm<CubeTensor>,
    statistics: &CubeTensor,
    gradient: &CubeTensor,
) -> Gradients {
    let sizes = Sizes::new(input, norm);
    let (input, gradient, [gain, offset, scale, shift]) =
        (in_order(input), in_order(gradient), parameters(norm));
    let dtypes = [element(&input), element(&gradient)];
    let of_input = unwritten(&input, input.shape(), input.dtype);
    let of_samples = || unwritten(&input, [sizes.batch, sizes.channels], DType::F32);
    // Sums over the pixels of an image: of the gradient behind scale and shift, and of it times the normalised input.
    let [plain, along] = [of_samples(), of_samples()];
    let (count, units) = sizes.cubes();
    norm_backward::launch(
        &input.client,
        count,
        units,
        input.clone().into_tensor_arg(),
        gradient.into_tensor_arg(),
        gain.clone().into_tensor_arg(),
        offset.clone().into_tensor_arg(),
        scale.clone().into_tensor_arg(),
        shift.into_tensor_arg(),
        statistics.clone().into_tensor_arg(),
        of_input.clone().into_tensor_arg(),
        plain.clone().into_tensor_arg(),
        along.clone().into_tensor_arg(),
        sizes.pixels as u32,
        sizes.channels as u32,
        sizes.width as u32,
        sizes.scaled,
        sizes.silu,
        dtypes,
    );
    let of_channels = || unwritten(&input, [sizes.channels], DType::F32);
    let [of_gain, of_offset, of_scale] = [of_channels(), of_channels(), of_samples()];
    let (count, units) = cubes(&input, sizes.channels);
    norm_parameters::launch(
        &input.client,
        count,
        units,
        plain.clone().into_tensor_arg(),
        along.into_tensor_arg(),
        gain.into_tensor_arg(),
        offset.into_tensor_arg(),
        scale.into_tensor_arg(),
        of_gain.clone().into_tensor_arg(),
        of_offset.clone().into_tensor_arg(),
        of_scale.clone().into_tensor_arg(),
        sizes.batch as u32,
        sizes.channels as u32,
        sizes.scaled,
    );
    Gradients { input: of_input, gain: of_gain, offset: of_offset, scale: of_scale, shift: plain }
}

/// 1 + scale of a channel of an image.
#[cube]
fn scale_factor(scale: &Tensor<f32>, place: u32, #[comptime] scaled: bool) -> f32 {
    if scaled { 1.0f32 + scale[place as usize] } else { 1.0f32.into() }
}

/// The shift of a channel of an image.
#[cube]
fn shift_of(shift: &Tensor<f32>, place: u32, #[comptime] scaled: bool) -> f32 {
    if scaled { shift[place as usize] } else { 0.0f32.into() }
}

/// The derivative of the activation.
#[cube]
fn slope(z: f32, #[comptime] silu: bool) -> f32 {
    if silu {
        let s = 1.0f32 / (1.0f32 + (-z).exp());
        s + z * s * (1.0f32 - s)
    } else {
        1.0f32.into()
    }
}

/// A cube normalises a group of an image: the mean, what it is short of the mean, the variance (a corrected two-pass algorithm), and the
/// output.
#[cube(launch)]
fn norm_forward<F: Float, G: Float>(
    input: &Tensor<F>,
    gain: &Tensor<f32>,
    offset: &Tensor<f32>,
    scale: &Tensor<f32>,
    shift: &Tensor<f32>,
    output: &mut Tensor<G>,
    statistics: &mut Tensor<f32>,
    pixels: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] width: u32,
    #[comptime] scaled: bool,
    #[comptime] silu: bool,
    #[define(F, G)] _elements: [ElemType; 2],
) {
    let group = CUBE_POS_X;
    let image = CUBE_POS_Y;
    let first = image * pixels * channels + group * width;
    let count = pixels * width;
    let numbers = f32::cast_from(count);
    let mut shared = Shared::new_slice(comptime!(UNITS as usize));

    let mut sum = 0.0f32;
    let mut at = UNIT_POS;
    while at < count {
        sum += f32::cast_from(input[(first + at / width * channels + at % width) as usize]);
        at += CUBE_DIM;
    }
    let mean = cube_sum(sum, &mut shared) / numbers;

    // The mean of numbers far from zero is as inexact as they are large; what is left of it is a mean of small numbers.
    let mut left = 0.0f32;
    let mut squares = 0.0f32;
    let mut at = UNIT_POS;
    while at < count {
        let centred = f32::cast_from(input[(first + at / width * channels + at % width) as usize]) - mean;
        left += centred;
        squares += centred * centred;
        at += CUBE_DIM;
    }
    let rest = cube_sum(left, &mut shared) / numbers;
    let square = cube_sum(squares, &mut shared) / numbers;
    let inverse = 1.0f32 / (square - rest * rest + epsilon).sqrt();
    if UNIT_POS == 0 {
        let place = (image * (channels / width) + group) * 3;
        statistics[place as usize] = mean;
        statistics[(place + 1) as usize] = rest;
        statistics[(place + 2) as usize] = inverse;
    }

    let mut at = UNIT_POS;
    while at < count {
        let channel = group * width + at % width;
        let place = (first + at / width * channels + at % width) as usize;
        let normalised = (f32::cast_from(input[place]) - mean - rest) * inverse;
        let factor = scale_factor(scale, image * channels + channel, scaled);
        let added = shift_of(shift, image * channels + channel, scaled);
        let z = (normalised * gain[channel as usize] + offset[channel as usize]) * factor + added;
        let value = if silu { z / (1.0f32 + (-z).exp()) } else { z };
        output[place] = G::cast_from(value);
        at += CUBE_DIM;
    }
}

/// A cube sums, for each channel of a group of an image, the gradient behind scale and shift, by itself and times the normalised input, and
/// writes the gradient of the input.
#[cube(launch)]
fn norm_backward<F: Float, G: Float>(
    input: &Tensor<F>,
    gradient: &Tensor<G>,
    gain: &Tensor<f32>,
    offset: &Tensor<f32>,
    scale: &Tensor<f32>,
    shift: &Tensor<f32>,
    statistics: &Tensor<f32>,
    of_input: &mut Tensor<F>,
    plain: &mut Tensor<f32>,
    along: &mut Tensor<f32>,
    pixels: u32,
    channels: u32,
    #[comptime] width: u32,
    #[comptime] scaled: bool,
    #[comptime] silu: bool,
    #[define(F, G)] _elements: [ElemType; 2],
) {
    let group = CUBE_POS_X;
    let image = CUBE_POS_Y;
    let first = image * pixels * channels + group * width;
    let place = (image * (channels / width) + group) * 3;
    let mean = statistics[place as usize];
    let rest = statistics[(place + 1) as usize];
    let inverse = statistics[(place + 2) as usize];

    // Units side by side take channels side by side, as many as there are; the rest of them other pixels.
    let abreast = comptime!(if width < UNITS { width } else { UNITS });
    let lanes = comptime!(UNITS / abreast);
    let blocks = comptime!(width.div_ceil(abreast));
    let own = UNIT_POS % abreast;
    let lane = UNIT_POS / abreast;
    let mut of_plain = Shared::new_slice(comptime!(UNITS as usize));
    let mut of_along = Shared::new_slice(comptime!(UNITS as usize));
    let mut mean_plain = 0.0f32;
    let mut mean_along = 0.0f32;
    for block in 0..blocks {
        let in_group = block * abreast + own;
        let takes_part = lane < lanes && in_group < width;
        let channel = group * width + in_group;
        let mut sum = 0.0f32;
        let mut sum_along = 0.0f32;
        let mut weight = 0.0f32;
        if takes_part {
            let factor = scale_factor(scale, image * channels + channel, scaled);
            let added = shift_of(shift, image * channels + channel, scaled);
            let g = gain[channel as usize];
            let o = offset[channel as usize];
            weight = g * factor;
            let mut pixel = lane;
            while pixel < pixels {
                let at = (first + pixel * channels + in_group) as usize;
                let normalised = (f32::cast_from(input[at]) - mean - rest) * inverse;
                let z = (normalised * g + o) * factor + added;
                let behind = f32::cast_from(gradient[at]) * slope(z, silu);
                sum += behind;
                sum_along += behind * normalised;
                pixel += lanes;
            }
        }
        of_plain[UNIT_POS as usize] = sum;
        of_along[UNIT_POS as usize] = sum_along;
        sync_cube();
        if takes_part && lane == 0 {
            let mut total = 0.0f32;
            let mut total_along = 0.0f32;
            for other in 0..lanes {
                total += of_plain[(other * abreast + own) as usize];
                total_along += of_along[(other * abreast + own) as usize];
            }
            plain[(image * channels + channel) as usize] = total;
            along[(image * channels + channel) as usize] = total_along;
            of_plain[own as usize] = total * weight;
            of_along[own as usize] = total_along * weight;
        }
        sync_cube();
        let mut other = 0u32;
        while other < abreast && block * abreast + other < width {
            mean_plain += of_plain[other as usize];
            mean_along += of_along[other as usize];
            other += 1;
        }
        sync_cube();
    }
    let count = pixels * width;
    let numbers = f32::cast_from(count);
    mean_plain /= numbers;
    mean_along /= numbers;

    let mut at = UNIT_POS;
    while at < count {
        let channel = group * width + at % width;
        let place = (first + at / width * channels + at % width) as usize;
        let factor = scale_factor(scale, image * channels + channel, scaled);
        let added = shift_of(shift, image * channels + channel, scaled);
        let g = gain[channel as usize];
        let normalised = (f32::cast_from(input[place]) - mean - rest) * inverse;
        let z = (normalised * g + offset[channel as usize]) * factor + added;
        let behind = f32::cast_from(gradient[place]) * slope(z, silu) * g * factor;
        of_input[place] = F::cast_from((behind - mean_plain - normalised * mean_along) * inverse);
        at += CUBE_DIM;
    }
}

/// A unit adds the sums of a channel up over the images: the gradients of gain, offset and scale.
#[cube(launch)]
fn norm_parameters(
    plain: &Tensor<f32>,
    along: &Tensor<f32>,
    gain: &Tensor<f32>,
    offset: &Tensor<f32>,
    scale: &Tensor<f32>,
    of_gain: &mut Tensor<f32>,
    of_offset: &mut Tensor<f32>,
    of_scale: &mut Tensor<f32>,
    batch: u32,
    channels: u32,
    #[comptime] scaled: bool,
) {
    let channel = ABSOLUTE_POS as u32;
    if channel < channels {
        let g = gain[channel as usize];
        let o = offset[channel as usize];
        let mut sum_gain = 0.0f32;
        let mut sum_offset = 0.0f32;
        for image in 0..batch {
            let at = image * channels + channel;
            let factor = scale_factor(scale, at, scaled);
            let sum = plain[at as usize];
            let sum_along = along[at as usize];
            sum_offset += sum * factor;
            sum_gain += sum_along * factor;
            of_scale[at as usize] = sum_along * g + sum * o;
        }
        of_gain[channel as usize] = sum_gain;
        of_offset[channel as usize] = sum_offset;
    }
}
