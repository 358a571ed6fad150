//! Consistency models: images in one network evaluation.
//!
//! A diffusion model turns noise into an image in tens to thousands of small steps along a path. A consistency
//! model (Song, Dhariwal, Chen and Sutskever 2023, arXiv:2303.01469) is a network that jumps from any point of
//! such a path to its end: one evaluation makes an image, further ones make it better.
//!
//! 1. [`noise`] says how noisy: levels, how they change over a run, where random numbers come from.
//! 2. [`model`] puts a network, its weights and its preconditioning together into a [`model::Denoiser`].
//! 3. [`objective`] and [`train`] teach it, from a diffusion model or from images alone.
//! 4. [`sample`] draws from it.
//! 5. [`edit`] lets it change images: fill in, color, enlarge, redraw, clean, blend.
//! 6. [`eval`] judges what was drawn.
//!
//! The library never prints, never reads the clock and never opens a socket; every random number has a place
//! ([`noise::Stream`]) and is the same on every run.
//!
//! # Examples
//!
//! Sampling a distribution whose consistency function is known exactly:
//!
//! ```
//! use burn::tensor::Device;
//! use onestep::model::{Condition, GaussianMixture};
//! use onestep::noise::{SamplingLevels, SeedNoise};
//! use onestep::sample::{OdeOptions, Request, sample_ode};
//!
//! let data = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002)?;
//! let levels = SamplingLevels::karras(18, 0.002, 80.0, 7.0)?;
//! let request = Request {
//!     shape: [4, 1, 1, 2],
//!     condition: &Condition::default(),
//!     clamp: false,
//!     device: &Device::flex(),
//!     on_estimate: &mut |_| true,
//! };
//! let points = sample_ode(&data, &levels, &OdeOptions::default(), &mut SeedNoise::new(&[0, 1, 2, 3]), request)?;
//! assert_eq!(points.dims(), [4, 1, 1, 2]);
//! # Ok::<(), onestep::Error>(())
//! ```

pub mod arrays;
pub mod checkpoint;
pub mod data;
pub mod digest;
pub mod edit;
mod error;
#[cfg(feature = "eval")]
pub mod eval;
mod front;
#[cfg(feature = "formats")]
pub mod interop;
pub mod model;
pub mod noise;
#[cfg(feature = "train")]
pub mod objective;
pub mod observer;
#[cfg(any(feature = "train", feature = "eval"))]
pub mod perceptual;
#[cfg(feature = "formats")]
mod pickle;
pub mod prelude;
pub mod sample;
pub mod solver;
#[cfg(feature = "train")]
pub mod train;

/// The tensor library that all of this is built on, in the very version.
pub use burn;
pub use error::{Error, Result};
pub use front::{
    DefiniteDraw, DefiniteEdits, Draw, DrawRecord, EditRecord, Edited, Edits, LevelSearch, Model, ModelFile,
    OpenOptions, Origin, ReopenedEdit, Trial, open,
};

/// Name and version of this software, as written into checkpoints and pictures.
pub const TOOL: &str = concat!("onestep ", env!("CARGO_PKG_VERSION"));
