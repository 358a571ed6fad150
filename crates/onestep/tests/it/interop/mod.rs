//! Files of other programs.

mod files;
mod inference;
mod torchscript;
