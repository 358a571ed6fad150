//! What a program needs that draws, edits, trains or judges: `use onestep::prelude::*;`.

pub use crate::data::{DataSpec, Dataset, ImageShape, Pixels};
pub use crate::edit::{Job, Picture};
pub use crate::front::{Model, OpenOptions};
pub use crate::model::{Denoiser, ModelKind, Network, NoiseRange, Precision, PrecisionChoice};
pub use crate::observer::{Event, Flow, Observer};
pub use crate::sample::{Sampler, Samples, SamplingProfile};
#[cfg(feature = "train")]
pub use crate::train::{Recipe, Run};
