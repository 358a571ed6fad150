//! Perceptual distances: how different two images look to a network that was trained to see.
//!
//! 1. A trunk, the convolutional part of a classifier, looks at both images ([`Trunk`]).
//! 2. At five places of it, what it found at each pixel is scaled to length one.
//! 3. Squared differences are weighted channel by channel, by heads that were fitted to the judgement of people.
//! 4. Means over pixels are added up over the five places ([`PerceptualNetwork`]).
//!
//! LPIPS takes its weights from files ([`open()`] says which); shift-tolerant LPIPS comes with the library. Gradients flow to the
//! images, the weights are constants.

mod error;
mod layout;
mod network;
mod open;

pub use error::PerceptualError;
pub use layout::{PerceptualKind, Pooling, Trunk};
pub use network::PerceptualNetwork;
pub use open::{WeightFiles, find_weights, open};
