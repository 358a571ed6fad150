//! What cannot be edited.

/// An edit that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A mask of another size than the image.
    #[error("the mask is {found}, the image {expected}: they must be of one size")]
    MaskSize {
        /// Width and height of the mask.
        found: String,
        /// Width and height of the image.
        expected: String,
    },
    /// A mask with values other than 0 and 1.
    #[error("a mask says 1 where a pixel is known and 0 where it is not, not {value}")]
    MaskValue {
        /// The first other value.
        value: f32,
    },
    /// Patches that do not tile the image.
    #[error(
        "an image of {height} rows and {width} columns has no patches of {factor}x{factor}: the factor must divide both"
    )]
    Factor {
        /// Side of a patch.
        factor: usize,
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
    },
    /// A grey model was asked for colors.
    #[error("colors need a model of color images; this one makes images of {channels} channel(s)")]
    NoColor {
        /// Channels of the model.
        channels: usize,
    },
    /// A direction of no length, or of another number of channels.
    #[error("the known direction must have one finite number for each of {channels} channels, not all zero")]
    Direction {
        /// Channels of the image.
        channels: usize,
    },
    /// A noise level outside of what the model was made for.
    #[error(
        "the noise level {sigma} is not between {sigma_min} and {sigma_max}, which the model was made for"
    )]
    Level {
        /// The level.
        sigma: f64,
        /// Smallest level of the model.
        sigma_min: f64,
        /// Largest level of the model.
        sigma_max: f64,
    },
}
