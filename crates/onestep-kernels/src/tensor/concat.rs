//! Feature maps side by side.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::extension::{KernelOps, Optional};

/// Joins feature maps of equal size channel after channel.
///
/// # Shapes
///
/// `[batch, height, width, _]` each, to `[batch, height, width, sum of their channels]`
///
/// # Panics
///
/// If there are none, or their sizes differ.
pub fn concat(parts: Vec<Tensor<4>>) -> Tensor<4> {
    let size = |part: &Tensor<4>| part.dims().first_chunk::<3>().copied();
    assert!(
        !parts.is_empty() && parts.iter().all(|part| size(part) == size(&parts[0])),
        "concat: feature maps of different sizes: {:?}",
        parts.iter().map(Tensor::dims).collect::<Vec<_>>()
    );
    if !(2..=6).contains(&parts.len()) {
        return Tensor::cat(parts, 3);
    }
    let mut parts = parts.into_iter();
    let [first, second] =
        [parts.next(), parts.next()].map(|part| part.expect("two at least").into_dispatch());
    let [third, fourth, fifth, sixth] = std::array::from_fn(|_| Optional::from_tensor(parts.next()));
    Tensor::from_dispatch(<Dispatch as KernelOps>::concat(first, second, third, fourth, fifth, sixth))
}
