//! Integration tests.

mod by_hand;
mod finite_difference;
mod golden;
mod invariance;
mod support;
