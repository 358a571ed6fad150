//! 3x3 convolutions with stride 1 by Winograd's method, and their gradients.
//!
//! Forward, a strip of tiles at a time: pixels with their border (and whatever is done to them before the convolution) are
//! packed into a buffer in cache, mapped to tiles of products, multiplied with the mapped weights, one matrix product for each
//! of the A x A places of a tile, and mapped back with bias and residual. The data gradient is the same with the weights
//! turned round. The weight gradient is the transpose of the whole: the products of mapped inputs with mapped output
//! gradients, summed over all tiles, mapped back to taps.
//!
//! An output is a function of its own tile, so its bits depend neither on the batch nor on how strips are cut.

mod factors;
mod forward;
mod gradient;
mod inputs;
mod tiling;

pub(crate) use factors::Factors;
pub(crate) use forward::forward;
pub(crate) use gradient::weight_gradient;
pub(crate) use tiling::Tiling;
