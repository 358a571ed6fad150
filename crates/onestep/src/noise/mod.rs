//! Noise: levels, how they change over a run, and where random numbers come from.

mod levels;
mod source;

pub use levels::{LevelsError, SamplingLevels, TrainingLevels, karras_levels};
pub use source::{NoiseSource, Purpose, SeedNoise, Stream};
