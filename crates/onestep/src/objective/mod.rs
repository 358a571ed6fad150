//! Objectives: what training minimizes.
//!
//! An objective sees denoisers and numbers, never a network. [`denoising()`] trains teachers;
//! [`ProgressiveDistillation`] halves the steps of one; [`Consistency`] is distillation (CD), training in
//! isolation (CT, iCT) or easy tuning (ECT) by the parts it is given:
//!
//! 1. a pair of levels, from a grid or a gap ([`LevelPairs`]);
//! 2. the path between them: a step of the teacher's ODE, or the data itself ([`Path`]);
//! 3. a [`Distance`] between the two estimates;
//! 4. a [`Weighting`] of the levels.

mod consistency;
mod denoising;
mod distance;
mod progressive;
mod weighting;

pub use consistency::{Batch, Consistency, LevelPairs, Path};
pub use denoising::denoising;
pub use distance::{Distance, huber_c_for};
pub use progressive::ProgressiveDistillation;
pub use weighting::Weighting;
