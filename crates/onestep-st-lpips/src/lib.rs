//! Weights of shift-tolerant LPIPS with AlexNet: the built-in perceptual distance of onestep.

#![no_std]

/// A safetensors file with the weights of shift-tolerant LPIPS on AlexNet: convolutions in half precision, biases and heads in
/// single, names and layouts PyTorch's.
pub static WEIGHTS: &[u8] = include_bytes!("../st-lpips-alex.safetensors");
