//! What can be wrong with a perceptual network.

/// A perceptual network that cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PerceptualError {
    /// Weights that are absent, unreadable or unfit.
    #[error(transparent)]
    Vision(#[from] crate::vision::VisionError),
}
