//! Models on their way to other programs.

pub mod onnx;
