//! Consistency models: images in one network evaluation.
//!
//! A diffusion model turns noise into an image in tens to thousands of small steps along a path. A consistency
//! model (Song, Dhariwal, Chen and Sutskever 2023, arXiv:2303.01469) is a network that jumps from any point of
//! such a path to its end: one evaluation makes an image, further ones make it better.
//!
//! ```no_run
//! use onestep::prelude::*;
//!
//! let model = onestep::open("runs/emoji-cd")?;
//! model.draw().seeds(0..64).run()?.grid(8).save("grid.png")?;
//!
//! let job = Job::inpaint(Picture::open("photo.png")?, Picture::open("mask.png")?);
//! model.edit(job).candidates(6).run()?.grid(3)?.save("filled.png")?;
//! # Ok::<(), onestep::Error>(())
//! ```
//!
//! Training begins with [`train::Run`], judging with [`eval::frechet`]. What lies behind that door:
//!
//! 1. [`noise`] says how noisy: levels, how they change over a run, where random numbers come from.
//! 2. [`model`] puts a network, its weights and its preconditioning together into a [`model::Denoiser`].
//! 3. [`objective`] and [`train`] teach it, from a diffusion model or from images alone.
//! 4. [`checkpoint`] keeps it in files, and [`Model`] opens it again.
//! 5. [`sample`] draws from it.
//! 6. [`edit`] lets it change images: fill in, color, enlarge, redraw, clean, blend.
//! 7. [`eval`] judges what was drawn.
//! 8. [`observer`] watches all of it, and can stop it.
//!
//! The library never prints, never reads the clock and never opens a socket; every random number has a place
//! ([`noise::Stream`]) and is the same on every run.
//!
//! # Features
//!
//! All on by default. Without any, models are opened, drawn from and edited with.
//!
//! - `train`: recipes, runs, training methods, optimizers.
//! - `eval`: feature networks, metrics, protocols, likelihood.
//! - `formats`: data sets in archives, pictures other than PNG, weights of PyTorch; `train` and `eval` bring it along.
//! - `builtin`: the emoji, the feature network and the perceptual network that come with the library.
//! - `vulkan`, `metal`, `webgpu`, `cuda`, `rocm`: GPU runtimes, off by default.
//!
//! # Examples
//!
//! Drawing from a distribution whose denoiser is known exactly:
//!
//! ```
//! use onestep::prelude::*;
//! use onestep::model::GaussianMixture;
//!
//! let data = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002)?;
//! let shape = ImageShape { height: 1, width: 1, channels: 2 };
//! let model = Model::from_denoiser(data, shape, SamplingProfile::diffusion(NoiseRange::default()));
//! let points = model.draw().seeds(0..4).run()?;
//! assert_eq!(points.values.len(), 4 * 2);
//! # Ok::<(), onestep::Error>(())
//! ```
#![cfg_attr(
    not(all(feature = "train", feature = "eval", feature = "builtin")),
    allow(
        dead_code,
        unused_imports,
        rustdoc::broken_intra_doc_links,
        reason = "a smaller build leaves out what calls them"
    )
)]

pub mod arrays;
pub mod checkpoint;
pub mod data;
pub mod digest;
#[cfg(feature = "train")]
pub mod distributed;
pub mod edit;
mod error;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "formats")]
pub mod exchange;
pub mod file;
mod front;
#[cfg(feature = "formats")]
pub mod interop;
mod lock;
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
mod size;
pub mod solver;
#[cfg(feature = "train")]
pub mod train;
#[cfg(any(feature = "train", feature = "eval"))]
pub mod vision;

/// The tensor library that all of this is built on, in the very version.
pub use burn;
pub use error::{Error, Result};
pub use front::{
    DefiniteDraw, DefiniteEdits, Draw, DrawRecord, EditRecord, Edited, Edits, LevelSearch, Model, ModelFile,
    OpenOptions, Origin, ReopenedEdit, SampleWriter, Trial, open,
};
pub use size::ImageSize;

/// Name and version of this software, as written into checkpoints and pictures.
pub const TOOL: &str = concat!("onestep ", env!("CARGO_PKG_VERSION"));
