//! Integration tests of the library: one binary, one link.

mod golden;
mod networks;
