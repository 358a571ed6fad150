//! Dropout: the mask is drawn where it is used, by the same counters as on the processor.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::{cubes, element, in_order, unwritten, words};
use crate::loops::{MULTIPLIERS, ROUNDS, WEYL};
use crate::operators::DropoutMask;

/// The numbers times the mask.
pub(super) fn apply(input: &CubeTensor, mask: &DropoutMask) -> CubeTensor {
    let input = in_order(input);
    let output = unwritten(&input, input.shape(), input.dtype);
    let per_sample = input.shape().num_elements() / mask.batch().max(1);
    if per_sample == 0 {
        return output;
    }
    let blocks = per_sample.div_ceil(4);
    let streams = words(&input, mask.streams().iter().flat_map(|stream| [stream.key, stream.upper].concat()));
    let (count, units) = cubes(&input, blocks * mask.batch());
    let dtype = element(&input);
    apply_mask::launch(
        &output.client,
        count,
        units,
        input.into_tensor_arg(),
        streams.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        blocks as u32,
        per_sample as u32,
        mask.batch() as u32,
        mask.threshold(),
        mask.kept(),
        dtype,
    );
    output
}

/// One unit draws the four words of one block; a sample has fewer than 2^32 blocks.
#[cube(launch)]
fn apply_mask<F: Float>(
    input: &Tensor<F>,
    streams: &Tensor<u32>,
    output: &mut Tensor<F>,
    blocks: u32,
    per_sample: u32,
    batch: u32,
    threshold: u32,
    kept: f32,
    #[define(F)] _element: ElemType,
) {
    let sample = ABSOLUTE_POS as u32 / blocks;
    let block = ABSOLUTE_POS as u32 % blocks;
    if sample < batch {
        let stream = (4 * sample) as usize;
        let mut key0 = streams[stream];
        let mut key1 = streams[stream + 1];
        let mut word0 = block;
        let mut word1 = 0u32;
        let mut word2 = streams[stream + 2];
        let mut word3 = streams[stream + 3];
        #[unroll]
        for _ in 0..ROUNDS {
            let high0 = word0.mul_hi(MULTIPLIERS[0]);
            let low0 = word0 * MULTIPLIERS[0];
            let high2 = word2.mul_hi(MULTIPLIERS[1]);
            let low2 = word2 * MULTIPLIERS[1];
            word0 = high2 ^ word1 ^ key0;
            word1 = low2;
            word2 = high0 ^ word3 ^ key1;
            word3 = low0;
            key0 += WEYL[0];
            key1 += WEYL[1];
        }
        masked::<F>(input, output, sample, 4 * block, per_sample, word0, threshold, kept);
        masked::<F>(input, output, sample, 4 * block + 1, per_sample, word1, threshold, kept);
        masked::<F>(input, output, sample, 4 * block + 2, per_sample, word2, threshold, kept);
        masked::<F>(input, output, sample, 4 * block + 3, per_sample, word3, threshold, kept);
    }
}

/// One number of a sample.
#[cube]
fn masked<F: Float>(
    input: &Tensor<F>,
    output: &mut Tensor<F>,
    sample: u32,
    number: u32,
    per_sample: u32,
    word: u32,
    threshold: u32,
    kept: f32,
) {
    if number < per_sample {
        let place = (sample * per_sample + number) as usize;
        // A product also where the factor is 0: what is not finite is not hidden.
        let factor = select(word < threshold, 0.0f32, kept);
        output[place] = F::cast_from(f32::cast_from(input[place]) * factor);
    }
}
