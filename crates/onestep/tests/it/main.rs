//! Integration tests of the library: one binary, one link.

mod checkpoint;
mod golden;
mod optimizer;
