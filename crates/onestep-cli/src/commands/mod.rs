//! One file a verb.

pub mod bench;
pub mod data;
pub mod doctor;
pub mod edit;
#[cfg(feature = "icons")]
pub mod emoji;
pub mod eval;
pub mod export;
pub mod fetch;
pub mod import;
pub mod info;
pub mod models;
pub mod new;
pub mod recipe;
pub mod sample;
pub mod search;
pub mod shell;
pub mod studio;
pub mod tour;
pub mod train;
