//! Files of other programs.

pub mod diffusers;
mod files;
mod torchscript;
