//! What a program needs that draws, edits, trains or judges: `use onestep::prelude::*;`.

pub use crate::data::{DataSpec, Dataset, ImageShape, Pixels};
pub use crate::model::{Denoiser, ModelKind, Network, NoiseRange, Precision};
pub use crate::observer::{Event, Flow, Observer};
pub use crate::sample::{Sampler, Samples, SamplingProfile};
pub use crate::train::{Recipe, Trainer};
pub use crate::{Draw, Model, OpenOptions};
