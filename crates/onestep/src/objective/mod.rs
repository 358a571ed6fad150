//! Objectives: what training minimizes.
//!
//! An objective sees denoisers and numbers, never a network. [`denoising()`] trains teachers;
//! [`ProgressiveDistillation`] halves the steps of one; [`Consistency`] is distillation (CD), training in
//! isolation (CT, iCT) or easy tuning (ECT) by the parts it is given:
//!
//! 1. a pair of levels, from a grid or a gap ([`LevelPairs`]);
//! 2. the path between them: a step of the teacher's ODE, or the data itself ([`Path`]);
//! 3. a [`Distance`] between the two estimates, ready to compute as [`LoadedDistance`];
//! 4. a [`Weighting`] of the levels.
//!
//! [`MidTraining`] needs no pairs: whole paths of a teacher, every point onto the end.
//!
//! [`Continuous`] is the same with the two points infinitely close together: sCD and sCT, and the continuous-time losses of
//! 2023.

mod consistency;
mod continuous;
mod denoising;
mod distance;
mod level_weighting;
mod mid_training;
mod progressive;
mod weighting;

pub use consistency::{Batch, Consistency, LevelPairs, Path};
pub use continuous::{Continuous, Direction, RateWeighting, TangentNormalization};
pub use denoising::denoising;
pub use distance::{Distance, LoadedDistance, huber_c_for};
pub use level_weighting::LevelWeighting;
pub use mid_training::MidTraining;
pub use progressive::ProgressiveDistillation;
pub use weighting::Weighting;
