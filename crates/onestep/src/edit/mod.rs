//! Zero-shot editing: a consistency model changes images it was never trained to change.
//!
//! Two ideas make all of it. The sampler may start at an image instead of nowhere: noise of level σ hides everything finer
//! than σ, and the model invents it again. And every estimate may be corrected by what is known, a [`Constraint`]. Stroke
//! guidance and variations are the first alone; inpainting, colorization and super-resolution are both:
//!
//! | task | where it starts | what is put back |
//! |---|---|---|
//! | [`Inpaint`] | the image, grey where it is unknown | the known pixels |
//! | [`Colorize`] | the grey image | the luma of every pixel |
//! | [`SuperResolve`] | the image of large pixels | the mean of every patch |
//! | strokes, variations | the drawing, the image ([`Unconstrained`]) | nothing |
//! | [`denoise()`] | the noisy image itself | nothing |
//! | [`interpolate()`] | noise between two noises | nothing |
//!
//! A [`Job`] names the task and its pictures; with [`Canvas`], which brings pictures of any size to the model and back, it
//! becomes a [`Start`]; [`Editing`] runs any of them, and [`Task`] says at which levels. [`Model::edit`](crate::Model::edit) does
//! all of it.

mod canvas;
mod class;
mod colorize;
mod constraint;
mod denoise;
mod editing;
mod error;
mod inpaint;
mod interpolate;
mod invert;
mod job;
mod levels;
mod mask;
mod picture;
mod prepared;
mod start;
mod super_resolve;
mod task;

pub use canvas::{Canvas, CanvasFit};
pub use class::class_errors;
pub(crate) use class::likeliest_class;
pub use colorize::Colorize;
pub use constraint::{Constraint, Edit, Unconstrained, sample_edit};
pub use denoise::{denoise, estimate_noise};
pub use editing::Editing;
pub use error::EditError;
pub use inpaint::Inpaint;
pub use interpolate::{BetweenSeeds, GivenNoise, interpolate, slerp};
pub(crate) use invert::inversion_levels;
pub use invert::invert;
pub use job::Job;
pub use mask::MaskMarks;
pub use picture::{Picture, PictureFile};
pub(crate) use prepared::{Beginning, Prepared};
pub use start::{Start, StartImages};
pub use super_resolve::SuperResolve;
pub use task::Task;
