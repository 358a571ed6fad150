//! Consistency models.
pub mod data;
mod error;
pub mod model;
pub mod noise;
pub mod train;

pub use error::{Error, Result};
