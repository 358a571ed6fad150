//! Integration tests.

mod by_hand;
mod finite_difference;
mod floors;
mod imports;
mod invariance;
mod profile;
mod resampling;
mod support;
mod updates;
