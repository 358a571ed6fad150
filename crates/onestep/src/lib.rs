//! Consistency models.
pub mod data;
mod error;
pub mod interop;
pub mod model;
pub mod noise;

pub use error::{Error, Result};
