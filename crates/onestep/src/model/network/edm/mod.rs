//! EDM's networks: DDPM++ and NCSN++ of Song et al. and ADM of Dhariwal and Nichol, as EDM reimplemented them.
//!
//! All are one U-Net with other settings. Stages carry the size of their feature maps in their names: `enc.32x32_block0`,
//! `dec.16x16_up`. Besides the main path, the skip and residual encoders feed shrunken copies of the input into each level,
//! and the skip decoder adds up an image from every level. Parameters carry the published names without the prefix `model.`
//! of the preconditioning around them; the fused attention channels are kept in the order (three, head, width).

mod dhariwal;
mod plan;
mod settings;
mod song;

pub use dhariwal::DhariwalConfig;
pub(crate) use dhariwal::heads as dhariwal_heads;
pub(crate) use plan::level_name;
pub use plan::{Decoder, Encoder};
pub use song::{NoiseEmbedding, SongConfig};
