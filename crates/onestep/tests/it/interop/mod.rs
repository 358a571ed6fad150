//! Files of other programs.

pub mod diffusers;
mod files;
mod foreign;
mod hostile;
mod inference;
mod torchscript;
