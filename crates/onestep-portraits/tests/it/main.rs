//! What the crate promises, from outside.

mod distributions;
mod nearest;
mod portraits;
mod random;
mod splits;
