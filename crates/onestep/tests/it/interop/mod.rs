//! Files of other programs.

mod files;
mod torchscript;
