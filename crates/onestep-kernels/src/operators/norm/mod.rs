//! Group normalisation with its affine map and activation, its tangent and its gradients.
//!
//! Each image is cut into fixed runs of pixels. The statistics of a run are taken per channel around its own mean while it
//! is in cache, and runs are merged in f64, so one pass over memory is enough and nothing cancels. A second pass applies
//! y = activation((x − mean) · factor + term) with one mean, factor and term per image and channel.

mod affine;
mod arguments;
mod gradient;
mod merged;
mod moments;
mod prologue;
mod runs;
mod tangent;

pub(crate) use affine::Affine;
pub use arguments::{Norm, NormActOptions};
pub(crate) use gradient::NormGradients;
pub use moments::Moments;
pub(crate) use moments::{TakenMoments, unit_rows};
pub(crate) use prologue::{Prologue, Source};
