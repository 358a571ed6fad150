//! What networks see in images.
//!
//! A [`FeatureNetwork`] is a trained classifier whose last layers are taken for what an image is about. [`EfficientNetLite0`]
//! comes with the library; [`Inception`], which FID is defined by, and [`CifarResNet`] take their weights from files.

mod cifar_resnet;
mod efficientnet_lite;
mod images;
mod inception;
mod open;
mod resize;

pub use cifar_resnet::CifarResNet;
pub use efficientnet_lite::EfficientNetLite0;
pub use inception::Inception;
pub use open::{BUILTIN, INCEPTION, INCEPTION_FILES, OpenOptions, PORTRAITS, find_inception, open};
pub use resize::Resize;

use super::EvalError;
use crate::data::Pixels;

/// A network whose activations images are compared by.
///
/// Images come as bytes, because what is judged is what would be written to a file. What is done to them first (resizing,
/// normalisation) belongs to the network. An image has the same activations alone as in any batch.
pub trait FeatureNetwork: Send + Sync {
    /// What to call the network beside every number that was computed with it, with everything that changes the number: the weights, and
    /// the way images are resized where there are several.
    fn name(&self) -> &str;

    /// How many numbers the network says of an image.
    fn widths(&self) -> Widths;

    /// Looks at a batch of RGB images of one size.
    ///
    /// # Errors
    ///
    /// [`EvalError::Images`] if they are not RGB, or differ in size.
    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError>;
}

/// The widths of [`Activations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Features an image.
    pub pooled: usize,
    /// Features of places in the image, for those networks that have them.
    pub spatial: Option<usize>,
    /// Classes, for those networks that tell them.
    pub logits: Option<usize>,
}

/// What a network sees in a batch of images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Activations {
    /// `[images, pooled]`: the features that distances are taken between.
    pub pooled: Vec<f32>,
    /// `[images, spatial]`: features that still know where, for sFID.
    pub spatial: Option<Vec<f32>>,
    /// `[images, logits]`: for the Inception Score.
    pub logits: Option<Vec<f32>>,
}
