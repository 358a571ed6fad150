//! The small residual networks of CIFAR-10: a quick look at 32x32 images.

use burn::tensor::{Device, Tensor};
use onestep_kernels::{Conv2dOptions, Pool, PoolOptions, Rectifier, concat, pool2d};

use super::images::{batch, check_images};
use super::{Activations, FeatureNetwork, Widths};
use crate::arrays::NamedArrays;
use crate::data::Pixels;
use crate::eval::EvalError;
use crate::model::ModelError;
use crate::vision::{Arrays, Conv, Linear, digest, global_mean};

const SIZE: usize = 32;
/// Images that go through the network together; what they look like does not depend on it.
const TOGETHER: usize = 64;
const EPSILON: f64 = 1e-5;
/// Channels of the three parts of the network.
const CHANNELS: [usize; 3] = [16, 32, 64];
const CLASSES: usize = 10;
/// Of the values of a channel between 0 and 1, as the network was trained on.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Every second pixel of every second row.
const EVERY_SECOND: PoolOptions =
    PoolOptions { pool: Pool::Max, kernel: 1, stride: 2, padding: 0, rectifier: Rectifier::None };

/// A ResNet-20, -32, -44, -56 or -110 with its weights.
///
/// The features are the mean over the last 8x8 pixels, 64 of them; the logits are those of the ten classes, with the bias.
/// Trained on CIFAR-10, it tells natural from damaged images of that kind, and saturates early: a quick check, not a headline.
///
/// # Source
///
/// He et al. 2015 (arXiv:1512.03385), section 4.2, with shortcuts of option A: every second pixel, padded with channels of
/// zeros on both sides. Names and normalisation of akamaster/pytorch_resnet_cifar10, which it was compared with. One
/// departure: batch norms are multiplied into the weights, in f64.
#[derive(Debug)]
pub struct CifarResNet {
    name: String,
    stem: Conv,
    blocks: Vec<Block>,
    output: Linear,
    device: Device,
}

#[derive(Debug)]
struct Block {
    convs: [Conv; 2],
    /// Channels of zeros on both sides of the shortcut, where the block halves height and width.
    widening: Option<usize>,
}

impl CifarResNet {
    /// Whether the names of a file are those of a ResNet of CIFAR-10.
    pub fn is_in(named: &NamedArrays) -> bool {
        ["layer1.0.conv1.weight", "layer3.0.conv2.weight", "linear.weight"]
            .iter()
            .all(|name| named.contains_key(&without_module(name, named)))
    }

    /// Puts a ResNet of CIFAR-10 together from the arrays of a file, in PyTorch's layout; how deep it is, its names say.
    ///
    /// # Errors
    ///
    /// [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`], [`ModelError::WrongShape`], [`ModelError::NotFinite`].
    pub fn from_named(named: NamedArrays, device: &Device) -> Result<Self, ModelError> {
        let plain = |name: String| name.strip_prefix(MODULE).map(String::from).unwrap_or(name);
        let named: NamedArrays = (named.into_iter())
            .filter(|(name, _)| !name.ends_with(".num_batches_tracked"))
            .map(|(name, array)| (plain(name), array))
            .collect();
        let digest = digest(&named);
        let n_blocks = (0..).take_while(|n| named.contains_key(&format!("layer1.{n}.conv1.weight"))).count();
        let mut arrays = Arrays::new(named);
        let mut conv = |name: &str, norm: &str, [inputs, outputs]: [usize; 2], stride| {
            let shape = [outputs, inputs, 3, 3];
            let how = (Conv2dOptions::new(stride, [1; 4]), Rectifier::Relu);
            arrays.normed_conv([name, norm], shape, EPSILON, how, device)
        };
        let stem = conv("conv1", "bn1", [3, CHANNELS[0]], 1)?;
        let mut blocks = Vec::new();
        let mut inputs = CHANNELS[0];
        for (part, outputs) in CHANNELS.into_iter().enumerate() {
            for block in 0..n_blocks {
                let name = |inside: &str| format!("layer{}.{block}.{inside}", part + 1);
                let stride = if inputs == outputs { 1 } else { 2 };
                let convs = [
                    conv(&name("conv1"), &name("bn1"), [inputs, outputs], stride)?,
                    conv(&name("conv2"), &name("bn2"), [outputs, outputs], 1)?,
                ];
                blocks.push(Block { convs, widening: (stride == 2).then_some((outputs - inputs) / 2) });
                inputs = outputs;
            }
        }
        let weight = arrays.take("linear.weight", &[CLASSES, CHANNELS[2]])?;
        let bias = arrays.take("linear.bias", &[CLASSES])?;
        arrays.finish()?;
        let output = Linear::new(&weight, [CLASSES, CHANNELS[2]], Some(&bias), device);
        let name = format!("ResNet-{} of CIFAR-10 (weights {digest})", 6 * n_blocks + 2);
        Ok(Self { name, stem, blocks, output, device: device.clone() })
    }

    fn prepared(&self, images: &[Pixels]) -> Tensor<4> {
        batch(images, SIZE, &self.device, |image| {
            let normalised =
                |(index, &byte): (usize, &u8)| (f32::from(byte) / 255.0 - MEAN[index % 3]) / STD[index % 3];
            image.bytes().iter().enumerate().map(normalised).collect()
        })
    }
}

/// What some files put before every name.
const MODULE: &str = "module.";

fn without_module(name: &str, named: &NamedArrays) -> String {
    let long = format!("{MODULE}{name}");
    if named.contains_key(&long) { long } else { name.to_owned() }
}

impl Block {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let shortcut = match self.widening {
            None => input.clone(),
            Some(channels) => {
                let small = pool2d(input.clone(), EVERY_SECOND);
                let [images, height, width, _] = small.dims();
                let zeros = Tensor::zeros([images, height, width, channels], &small.device());
                concat(vec![zeros.clone(), small, zeros])
            }
        };
        self.convs[1].with_residual(self.convs[0].forward(input), Some(shortcut))
    }
}

impl FeatureNetwork for CifarResNet {
    fn name(&self) -> &str {
        &self.name
    }

    fn widths(&self) -> Widths {
        Widths { pooled: CHANNELS[2], spatial: None, logits: Some(CLASSES) }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        check_images(&self.name, images)?;
        if let Some(shape) = images.first().map(Pixels::shape)
            && [shape.height, shape.width] != [SIZE; 2]
        {
            let got = format!("{shape}; it was trained on {SIZE}x{SIZE} and does not resize");
            return Err(EvalError::Images { network: self.name.clone(), got });
        }
        let mut seen = Activations { logits: Some(Vec::new()), ..Default::default() };
        for images in images.chunks(TOGETHER) {
            let hidden = self.stem.forward(self.prepared(images));
            let hidden = self.blocks.iter().fold(hidden, |hidden, block| block.forward(hidden));
            let features = global_mean(hidden);
            seen.logits.get_or_insert_default().extend(self.output.forward(&features, &self.device));
            seen.pooled.extend(features);
        }
        Ok(seen)
    }
}
