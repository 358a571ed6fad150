//! Integration tests.

mod finite_difference;
mod golden;
mod support;
