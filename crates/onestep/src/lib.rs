//! Consistency models.
pub mod data;
