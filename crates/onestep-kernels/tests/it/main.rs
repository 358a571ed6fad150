//! Integration tests.

mod by_hand;
mod finite_difference;
mod invariance;
mod profile;
mod resampling;
mod support;
mod updates;
