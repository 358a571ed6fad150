//! ONNX exports against the models that they are of: read back from their bytes, and evaluated by plain loops.

mod cases;
mod exports;
mod file;
mod images;
mod interpreter;
mod refusals;
mod tensor;
mod wire;
