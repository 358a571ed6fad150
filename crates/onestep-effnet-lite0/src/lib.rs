//! Weights of EfficientNet-Lite0, trained on ImageNet: the built-in feature network of onestep.

#![no_std]

/// A safetensors file with the weights of EfficientNet-Lite0: half precision, biases in single, batch norms multiplied into the
/// convolutions, names and layouts PyTorch's.
pub static WEIGHTS: &[u8] = include_bytes!("../efficientnet-lite0.safetensors");
