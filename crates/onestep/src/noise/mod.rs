//! Noise: levels, how they change over a run, and where random numbers come from.
//!
//! Plain numbers only. A diffusion or consistency model is told how noisy its input is by σ, the
//! standard deviation of the noise that was added.
//!
//! 1. [`TrainingLevels`] and [`SamplingLevels`] are checked lists of σ.
//! 2. [`Curriculum`] says how many levels there are at a step of training.
//! 3. [`Proposal`], [`LogNormal`] and [`Gap`] pick the levels of a training sample.
//! 4. [`DiscreteSchedule`] is noise in steps, as DDPM has it.
//! 5. [`Stream`] and [`NoiseSource`] give every random number its place.

mod curriculum;
mod discrete;
mod gap;
mod levels;
mod proposal;
mod source;
mod trig;

pub use curriculum::{AdaptiveExponent, Curriculum, HalvingStage, TargetRate};
pub use discrete::{Betas, DiscreteSchedule};
pub use gap::Gap;
pub use levels::{LevelsError, SamplingLevels, TrainingLevels, karras_level, karras_levels};
pub use proposal::{LogNormal, Proposal};
pub(crate) use source::normals;
pub use source::{NoiseSource, Purpose, SeedNoise, Stream};
pub use trig::{sigma_from_trig, trig_from_sigma};
