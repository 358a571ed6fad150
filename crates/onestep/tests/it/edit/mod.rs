//! Editing against golden numbers, and what every edit promises.

mod canvas;
mod golden_edits;
mod jobs;
mod promises;
