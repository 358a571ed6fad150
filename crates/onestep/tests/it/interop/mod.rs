//! Files of other programs.

mod files;
mod foreign;
mod hostile;
mod inference;
mod torchscript;
