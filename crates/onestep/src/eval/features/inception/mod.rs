//! The Inception-v3 of 2015 that FID is defined by.
//!
//! 1. Images are resized to 299x299, in one of the published ways.
//! 2. Five convolutions and two pools bring them to 35x35; eleven mixed blocks, each of several branches side by side whose
//!    outputs are joined, bring them to 8x8x2048.
//! 3. The mean over the pixels is the features; a linear layer on top tells 1008 classes.

mod blocks;
mod names;

use burn::tensor::{Device, Tensor};
use onestep_kernels::concat;

use super::images::{batch, check_images};
use super::{Activations, FeatureNetwork, Resize, Widths};
use crate::arrays::NamedArrays;
use crate::data::Pixels;
use crate::eval::EvalError;
use crate::model::ModelError;
use crate::vision::{Arrays, Layer, Linear, digest, global_mean, values};
use blocks::{Branch, stages};
use names::{in_torchvision_names, is_inception};

/// Height and width of what the network looks at.
const SIZE: usize = 299;
/// Images that go through the network together; what they look like does not depend on it.
const TOGETHER: usize = 8;
const FEATURES: usize = 2048;
const CLASSES: usize = 1008;
/// Where the features of places are taken, how many channels of it, and its height and width.
const SPATIAL: (&str, usize, usize) = ("Mixed_6d", 7, 17);

/// The Inception-v3 of 2015 with its weights.
///
/// # Source
///
/// Szegedy et al. 2015 (arXiv:1512.00567) in the form of TensorFlow's graph of 2015-12-05, with the peculiarities that its
/// distances depend on: mean pools inside the blocks do not count the padding, the last block takes the maximum where the
/// others take means, batch norms have an epsilon of 1e-3 and no scale, and there are 1008 classes. Compared with pytorch-fid
/// and torch-fidelity. Departures: batch norms are multiplied into the weights, in f64; and where a mean pool stands before a
/// convolution of single pixels, it comes after it, on fewer channels, which is the same but for rounding.
///
/// The features of places (sFID) are the first 7 channels of the first branch of the third 17x17 block with seven-wide
/// kernels, `mixed_6/conv` in TensorFlow's names. The logits are those of the Inception Score: without the bias.
#[derive(Debug)]
pub struct Inception {
    name: String,
    resize: Resize,
    stages: Stages,
    output: Linear,
    device: Device,
}

/// Stages by name, in order.
type Stages = Vec<(&'static str, Stage)>;

/// What has a name of its own in the published files.
#[derive(Debug)]
enum Stage {
    Layer(Layer),
    /// Branches side by side, whose outputs are joined.
    Mixed(Vec<Branch>),
}

impl Inception {
    /// Whether the names of a file are those of Inception-v3, in any of the namings in use.
    pub fn is_in(named: &NamedArrays) -> bool {
        is_inception(named)
    }

    /// Puts Inception-v3 together from the arrays of a file, in PyTorch's layout.
    ///
    /// The names are those of torchvision, as in the files of pytorch-fid and torch-fidelity, or those of TensorFlow, as in
    /// OpenAI's and NVIDIA's.
    ///
    /// # Errors
    ///
    /// [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`], [`ModelError::WrongShape`], [`ModelError::NotFinite`].
    pub fn from_named(named: NamedArrays, resize: Resize, device: &Device) -> Result<Self, ModelError> {
        let named = in_torchvision_names(named);
        // Scales of 1 are left out of some files, and mean nothing.
        let told = named.iter().filter(|(name, (_, values))| {
            !name.ends_with(".bn.weight") || values.iter().any(|&value| value != 1.0)
        });
        let digest = digest(told);
        let mut arrays = Arrays::new(named);
        let (stages, output) = parts(&mut arrays, device)?;
        arrays.finish()?;
        let name = format!("Inception-v3 of 2015 ({resize}, weights {digest})");
        Ok(Self { name, resize, stages, output, device: device.clone() })
    }

    /// The names and shapes of all arrays of Inception-v3, in torchvision's names and PyTorch's layout.
    pub fn arrays() -> Vec<(String, Vec<usize>)> {
        Arrays::asked_for(|arrays| parts(arrays, &Device::flex()).map(drop))
    }

    /// The images as the network sees them, `[images, 299, 299, 3]`, in about [-1, 1].
    fn prepared(&self, images: &[Pixels]) -> Tensor<4> {
        let normalised: fn(f32) -> f32 = match self.resize {
            Resize::Tf1 | Resize::PilBicubic => |value| (value - 128.0) / 128.0,
            Resize::PyTorch => |value| 2.0 * (value / 255.0) - 1.0,
        };
        batch(images, SIZE, &self.device, |image| {
            self.resize.resized(image, SIZE).into_iter().map(normalised).collect()
        })
    }

    /// Looks at images and shows what comes out of each stage on the way: five convolutions (`Conv2d_1a_3x3`, …), two pools
    /// (`pool0`, `pool1`) and eleven blocks (`Mixed_5b`, …), as `[images, height, width, channels]`.
    ///
    /// # Errors
    ///
    /// As [`FeatureNetwork::activations`].
    pub fn look(
        &self,
        images: &[Pixels],
        on_stage: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Result<Activations, EvalError> {
        check_images(&self.name, images)?;
        let mut seen =
            Activations { spatial: Some(Vec::new()), logits: Some(Vec::new()), ..Default::default() };
        for images in images.chunks(TOGETHER) {
            let mut hidden = self.prepared(images);
            for (name, stage) in &self.stages {
                hidden = match stage {
                    Stage::Layer(layer) => layer.forward(hidden),
                    Stage::Mixed(branches) => {
                        let mut joined = Vec::new();
                        branches.iter().for_each(|branch| branch.forward(&hidden, &mut joined));
                        if *name == SPATIAL.0 {
                            let [n_images, height, width, _] = joined[0].dims();
                            let first =
                                joined[0].clone().slice([0..n_images, 0..height, 0..width, 0..SPATIAL.1]);
                            seen.spatial.get_or_insert_default().extend(values(first));
                        }
                        concat(joined)
                    }
                };
                on_stage(name, &hidden);
            }
            let features = global_mean(hidden);
            seen.logits.get_or_insert_default().extend(self.output.forward(&features, &self.device));
            seen.pooled.extend(features);
        }
        Ok(seen)
    }
}

impl FeatureNetwork for Inception {
    fn name(&self) -> &str {
        &self.name
    }

    fn widths(&self) -> Widths {
        let (_, channels, size) = SPATIAL;
        Widths { pooled: FEATURES, spatial: Some(size * size * channels), logits: Some(CLASSES) }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        self.look(images, &mut |_, _| ())
    }
}

/// What the network is made from.
fn parts(arrays: &mut Arrays, device: &Device) -> Result<(Stages, Linear), ModelError> {
    let stages = stages(arrays, device)?;
    let weight = arrays.take("fc.weight", &[CLASSES, FEATURES])?;
    // The bias has no part in what is computed, but belongs to the file.
    arrays.take("fc.bias", &[CLASSES])?;
    Ok((stages, Linear::new(&weight, [CLASSES, FEATURES], None, device)))
}
