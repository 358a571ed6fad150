//! The network that compares two images.

use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep_kernels::{PoolOptions, Rectifier};

use super::PerceptualError;
use super::layout::{PerceptualKind, Step, head_name};
use crate::arrays::NamedArrays;
use crate::model::ModelError;
use crate::vision::{Arrays, Layer, builtin, digest};

/// Weights of shift-tolerant LPIPS (BSD-2-Clause, see NOTICE), in half precision.
const ST_LPIPS: &[u8] = include_bytes!("../../../../assets/perceptual/st-lpips-alex.safetensors");

/// What images in [-1, 1] are moved and divided by: mean and deviation of ImageNet, there in [0, 1].
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Keeps the length of a pixel without any channel from dividing by zero.
const EPSILON: f64 = 1e-10;
/// Keeps the slope of a root at zero finite; too little to be seen beside [`EPSILON`].
const FLOOR: f64 = 1e-30;

/// A perceptual distance with its weights.
///
/// # Source
///
/// LPIPS: Zhang et al. 2018 (arXiv:1801.03924), version 0.1 of richzhang/PerceptualSimilarity; with average pooling as
/// `LPIPS(replace_pooling=True)` of photosynthesis-team/piq, the training loss of openai/consistency_models. The two
/// prepare their images differently in words and alike in numbers. Shift-tolerant LPIPS: Ghildyal and Liu 2022
/// (arXiv:2207.13686). There a pixel without any channel has a slope that is not a number; here it has none.
#[derive(Debug)]
pub struct PerceptualNetwork {
    kind: PerceptualKind,
    name: String,
    stages: Vec<Stage>,
    /// `[1, 1, 1, channels]` for each place where images are compared.
    heads: Vec<Tensor<4>>,
    shift: Tensor<4>,
    scale: Tensor<4>,
}

/// A step with its weights.
#[derive(Debug)]
enum Stage {
    Layer(Layer),
    Compare,
}

impl PerceptualNetwork {
    /// Shift-tolerant LPIPS with the weights that come with this library.
    ///
    /// # Errors
    ///
    /// [`PerceptualError::Vision`]: not with a library that was built whole.
    pub fn builtin(device: &Device) -> Result<Self, PerceptualError> {
        let build = |named| Self::from_named(PerceptualKind::StLpips, named, device);
        Ok(builtin("builtin:st-lpips", ST_LPIPS, build)?)
    }

    /// Puts trunk and heads together from arrays in PyTorch's names and layouts: `features.N` of torchvision (its classifier may
    /// be there and is left out), and `linK.model.1.weight` of the lpips package.
    ///
    /// # Errors
    ///
    /// [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`], [`ModelError::WrongShape`], [`ModelError::NotFinite`], each
    /// with the tensor.
    pub fn from_named(
        kind: PerceptualKind,
        mut named: NamedArrays,
        device: &Device,
    ) -> Result<Self, ModelError> {
        named.retain(|name, _| !name.starts_with("classifier."));
        let name = format!("{kind}, weights {}", digest(&named));
        let mut arrays = Arrays::new(named);
        let mut stages = Vec::new();
        for step in kind.steps() {
            stages.push(match step {
                Step::Convolution { name, shape, options, rectified } => {
                    let rectifier = if rectified { Rectifier::Relu } else { Rectifier::None };
                    Stage::Layer(arrays.conv(&name, shape, (options, rectifier), device)?.into())
                }
                Step::Rectify => Stage::Layer(Layer::Rectify),
                Step::Pool { pool, kernel, stride } => {
                    let rectifier = Rectifier::None;
                    Stage::Layer(Layer::Pool(PoolOptions { pool, kernel, stride, padding: 0, rectifier }))
                }
                Step::Blur => Stage::Layer(Layer::Blur),
                Step::Compare => Stage::Compare,
            });
        }
        let mut heads = Vec::new();
        for (place, width) in kind.widths().into_iter().enumerate() {
            let head = arrays.take(&head_name(place), &[1, width, 1, 1])?;
            heads.push(Tensor::from_data(TensorData::new(head, [1, 1, 1, width]), device));
        }
        arrays.finish()?;
        let of_color =
            |values: [f32; 3]| Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 3]), device);
        Ok(Self { kind, name, stages, heads, shift: of_color(SHIFT), scale: of_color(SCALE) })
    }

    /// This network for images in f64: slow, and exact enough to tell which pixel under a window of max pooling is the
    /// largest, and which channel is above zero.
    pub fn in_f64(&self) -> Self {
        let wide = |tensor: &Tensor<4>| tensor.clone().cast(DType::F64);
        let stages = self.stages.iter().map(|stage| match stage {
            Stage::Layer(layer) => Stage::Layer(layer.in_f64()),
            Stage::Compare => Stage::Compare,
        });
        Self {
            kind: self.kind,
            name: self.name.clone(),
            stages: stages.collect(),
            heads: self.heads.iter().map(wide).collect(),
            shift: wide(&self.shift),
            scale: wide(&self.scale),
        }
    }

    /// Which distance the network computes.
    pub fn kind(&self) -> PerceptualKind {
        self.kind
    }

    /// What to call the network beside every number that was computed with it: the kind, and what tells its weights from others.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The distance of each pair of images, which are taken as they are; see [`Distance`](crate::objective::Distance) for the
    /// resizing that training does before.
    ///
    /// # Shapes
    ///
    /// `a` and `b`: `[batch, height, width, channels]` in [-1, 1], of 3 channels, or of 1, which is taken for gray; returns
    /// `[batch]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ, the channels are not 1 or 3, or the images are smaller than [`PerceptualKind::smallest`].
    pub fn between(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        self.at_each_place(a, b).into_iter().reduce(|sum, place| sum + place).expect("five places")
    }

    /// The five parts that [`Self::between`] adds up.
    ///
    /// # Shapes
    ///
    /// Those of [`Self::between`], five times.
    ///
    /// # Panics
    ///
    /// As [`Self::between`].
    pub fn at_each_place(&self, a: Tensor<4>, b: Tensor<4>) -> Vec<Tensor<1>> {
        assert_eq!(a.dims(), b.dims(), "a perceptual distance is between images of one shape");
        let pairs = self.seen(a).into_iter().zip(self.seen(b));
        pairs.zip(&self.heads).map(|((a, b), head)| compared(a, b, head)).collect()
    }

    /// What is found in the images at each place.
    fn seen(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let [_, height, width, channels] = images.dims();
        assert!(
            matches!(channels, 1 | 3) && self.kind.activations([height, width]).is_some(),
            "{} cannot look at images of {height}x{width} with {channels} channels",
            self.name
        );
        let images = if channels == 1 { images.repeat_dim(3, 3) } else { images };
        let mut hidden = (images - self.shift.clone()) / self.scale.clone();
        let mut seen = Vec::new();
        for stage in &self.stages {
            hidden = match stage {
                Stage::Compare => {
                    seen.push(hidden.clone());
                    hidden
                }
                Stage::Layer(layer) => layer.forward(hidden),
            };
        }
        seen
    }
}

/// The mean over pixels of the weighted squared difference between channels of length one.
fn compared(a: Tensor<4>, b: Tensor<4>, head: &Tensor<4>) -> Tensor<1> {
    let [batch, height, width, channels] = a.dims();
    let difference = of_length_one(a) - of_length_one(b);
    let weighted = difference.clone() * difference * head.clone();
    let n_pixels = (height * width) as f64;
    weighted.reshape([batch, height * width * channels]).sum_dim(1).reshape([batch]) / n_pixels
}

fn of_length_one(features: Tensor<4>) -> Tensor<4> {
    let square = (features.clone() * features.clone()).sum_dim(3);
    features / ((square + FLOOR).sqrt() + EPSILON)
}
