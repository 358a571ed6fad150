//! The Inception-v3 of 2015 that FID is defined by.
//!
//! 1. Images are resized to 299x299, in one of the published ways.
//! 2. Five convolutions and two pools bring them to 35x35; eleven mixed blocks, each of several branches side by side whose
//!    outputs are joined, bring them to 8x8x2048.
//! 3. The mean over the pixels is the features; a linear layer on top tells 1008 classes.

use burn::tensor::{Device, Tensor};
use onestep_kernels::{Conv2dOptions, Pool, PoolOptions, Rectifier, concat, pool2d};

use super::inception_names::{in_torchvision_names, is_inception};
use super::layers::{Arrays, Conv, Linear, batch, check_images, global_mean, values, weights_digest};
use super::{Activations, FeatureNetwork, Resize, Widths};
use crate::data::Pixels;
use crate::eval::EvalError;
use crate::interop::NamedArrays;
use crate::model::ModelError;

/// Height and width of what the network looks at.
const SIZE: usize = 299;
/// Images that go through the network together; what they look like does not depend on it.
const TOGETHER: usize = 8;
const EPSILON: f64 = 1e-3;
const FEATURES: usize = 2048;
const CLASSES: usize = 1008;
/// Where the features of places are taken, how many channels of it, and its height and width.
const SPATIAL: (&str, usize, usize) = ("Mixed_6d", 7, 17);

/// The network with its weights.
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

#[derive(Debug)]
enum Stage {
    Conv(Box<Conv>),
    Pool(PoolOptions),
    Mixed(Vec<Branch>),
}

/// One way through a block.
#[derive(Debug)]
enum Branch {
    Chain(Vec<Conv>),
    /// A pool alone.
    Pool(PoolOptions),
    /// A maximum and a convolution of single pixels.
    MaxConv(PoolOptions, Box<Conv>),
    /// A convolution of single pixels, and the mean of what comes out of it, cut off.
    ConvMean(Box<Conv>, PoolOptions),
    /// Convolutions one after the other, then two side by side.
    Fork(Vec<Conv>, Box<[Conv; 2]>),
}

impl Branch {
    fn forward(&self, input: &Tensor<4>, joined: &mut Vec<Tensor<4>>) {
        let chain = |convs: &[Conv]| convs.iter().fold(input.clone(), |hidden, conv| conv.forward(hidden));
        match self {
            Self::Chain(convs) => joined.push(chain(convs)),
            Self::Pool(options) => joined.push(pool2d(input.clone(), *options)),
            Self::MaxConv(options, conv) => joined.push(conv.forward(pool2d(input.clone(), *options))),
            Self::ConvMean(conv, options) => joined.push(pool2d(conv.forward(input.clone()), *options)),
            Self::Fork(convs, ends) => {
                let hidden = chain(convs);
                joined.extend(ends.iter().map(|end| end.forward(hidden.clone())));
            }
        }
    }
}

impl Inception {
    /// Whether the names of a file are those of this network, in any of the namings in use.
    pub fn is_in(named: &NamedArrays) -> bool {
        is_inception(named)
    }

    /// Puts the network together from the arrays of a file, in PyTorch's layout.
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
        let digest = weights_digest(told.map(|(name, (_, values))| (name.as_str(), values.as_slice())));
        let mut arrays = Arrays::new(named);
        let (stages, output) = Parts { arrays: &mut arrays, device }.all()?;
        arrays.finish()?;
        let name = format!("Inception-v3 of 2015 ({resize}, weights {digest})");
        Ok(Self { name, resize, stages, output, device: device.clone() })
    }

    /// The names and shapes of all its arrays, in torchvision's names and PyTorch's layout.
    pub fn arrays() -> Vec<(String, Vec<usize>)> {
        Arrays::asked_for(|arrays| Parts { arrays, device: &Device::flex() }.all().map(drop))
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
                    Stage::Conv(conv) => conv.forward(hidden),
                    Stage::Pool(options) => pool2d(hidden, *options),
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
struct Parts<'a> {
    arrays: &'a mut Arrays,
    device: &'a Device,
}

/// Which convolution: name, inputs, outputs, kernel.
type Which<'a> = (&'a str, usize, usize, [usize; 2]);

const SAME_MEAN: PoolOptions =
    PoolOptions { pool: Pool::Mean, kernel: 3, stride: 1, padding: 1, rectifier: Rectifier::Relu };
const SAME_MAX: PoolOptions = PoolOptions { pool: Pool::Max, rectifier: Rectifier::None, ..SAME_MEAN };
const HALF_MAX: PoolOptions = PoolOptions { stride: 2, padding: 0, ..SAME_MAX };

impl Parts<'_> {
    fn all(&mut self) -> Result<(Stages, Linear), ModelError> {
        let stages = self.stages()?;
        let weight = self.arrays.take("fc.weight", &[CLASSES, FEATURES])?;
        // The bias has no part in what is computed, but belongs to the file.
        self.arrays.take("fc.bias", &[CLASSES])?;
        Ok((stages, Linear::new(&weight, [CLASSES, FEATURES], None, self.device)))
    }

    fn stages(&mut self) -> Result<Stages, ModelError> {
        let valid = |stride| Conv2dOptions::new(stride, [0; 4]);
        let mut stages = Vec::new();
        for (name, inputs, outputs, kernel, options) in [
            ("Conv2d_1a_3x3", 3, 32, 3, valid(2)),
            ("Conv2d_2a_3x3", 32, 32, 3, valid(1)),
            ("Conv2d_2b_3x3", 32, 64, 3, Conv2dOptions::same(3)),
            ("Conv2d_3b_1x1", 64, 80, 1, valid(1)),
            ("Conv2d_4a_3x3", 80, 192, 3, valid(1)),
        ] {
            let conv = self.conv((name, inputs, outputs, [kernel; 2]), options, Rectifier::Relu)?;
            stages.push((name, Stage::Conv(conv.into())));
            match name {
                "Conv2d_2b_3x3" => stages.push(("pool0", Stage::Pool(HALF_MAX))),
                "Conv2d_4a_3x3" => stages.push(("pool1", Stage::Pool(HALF_MAX))),
                _ => {}
            }
        }
        for (name, inputs, pooled) in [("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)] {
            stages.push((name, Stage::Mixed(self.block_35(name, inputs, pooled)?)));
        }
        stages.push(("Mixed_6a", Stage::Mixed(self.block_35_to_17("Mixed_6a")?)));
        for (name, inner) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            stages.push((name, Stage::Mixed(self.block_17(name, inner)?)));
        }
        stages.push(("Mixed_7a", Stage::Mixed(self.block_17_to_8("Mixed_7a")?)));
        for (name, inputs, pool) in [("Mixed_7b", 1280, SAME_MEAN), ("Mixed_7c", 2048, SAME_MAX)] {
            stages.push((name, Stage::Mixed(self.block_8(name, inputs, pool)?)));
        }
        Ok(stages)
    }

    fn conv(
        &mut self,
        (name, inputs, outputs, kernel): Which,
        options: Conv2dOptions,
        rectifier: Rectifier,
    ) -> Result<Conv, ModelError> {
        let shape = [outputs, inputs, kernel[0], kernel[1]];
        let weight = self.arrays.take(&format!("{name}.conv.weight"), &shape)?;
        let [scale, offset, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{name}.bn.{part}"));
        let norm = [Some(&*scale), Some(&*offset), Some(&*mean), Some(&*variance)];
        let affine = self.arrays.batch_norm(norm, outputs, EPSILON)?;
        Ok(Conv::new(&weight, shape, &affine, (options, rectifier), self.device))
    }

    /// Convolutions that keep height and width, each reading the one before.
    fn chain(&mut self, block: &str, which: &[Which]) -> Result<Vec<Conv>, ModelError> {
        let same = |&(name, inputs, outputs, kernel): &Which| {
            let [vertical, horizontal] = kernel.map(|kernel| kernel / 2);
            let options = Conv2dOptions::new(1, [vertical, vertical, horizontal, horizontal]);
            self.conv((&format!("{block}.{name}"), inputs, outputs, kernel), options, Rectifier::Relu)
        };
        which.iter().map(same).collect()
    }

    /// The same, with a last one that halves height and width.
    fn halving(&mut self, block: &str, which: &[Which], last: Which) -> Result<Branch, ModelError> {
        let mut convs = self.chain(block, which)?;
        let (name, inputs, outputs, kernel) = last;
        let last = (&*format!("{block}.{name}"), inputs, outputs, kernel);
        convs.push(self.conv(last, Conv2dOptions::new(2, [0; 4]), Rectifier::Relu)?);
        Ok(Branch::Chain(convs))
    }

    fn pooled(
        &mut self,
        block: &str,
        inputs: usize,
        outputs: usize,
        pool: PoolOptions,
    ) -> Result<Branch, ModelError> {
        let name = format!("{block}.branch_pool");
        let mut conv =
            |rectifier| self.conv((&name, inputs, outputs, [1, 1]), Conv2dOptions::same(1), rectifier);
        Ok(match pool.pool {
            Pool::Max => Branch::MaxConv(pool, conv(Rectifier::Relu)?.into()),
            Pool::Mean => Branch::ConvMean(conv(Rectifier::None)?.into(), pool),
        })
    }

    fn block_35(&mut self, block: &str, inputs: usize, pooled: usize) -> Result<Vec<Branch>, ModelError> {
        Ok(vec![
            Branch::Chain(self.chain(block, &[("branch1x1", inputs, 64, [1, 1])])?),
            Branch::Chain(
                self.chain(block, &[("branch5x5_1", inputs, 48, [1, 1]), ("branch5x5_2", 48, 64, [5, 5])])?,
            ),
            Branch::Chain(self.chain(
                block,
                &[
                    ("branch3x3dbl_1", inputs, 64, [1, 1]),
                    ("branch3x3dbl_2", 64, 96, [3, 3]),
                    ("branch3x3dbl_3", 96, 96, [3, 3]),
                ],
            )?),
            self.pooled(block, inputs, pooled, SAME_MEAN)?,
        ])
    }

    fn block_35_to_17(&mut self, block: &str) -> Result<Vec<Branch>, ModelError> {
        let double = [("branch3x3dbl_1", 288, 64, [1, 1]), ("branch3x3dbl_2", 64, 96, [3, 3])];
        Ok(vec![
            self.halving(block, &[], ("branch3x3", 288, 384, [3, 3]))?,
            self.halving(block, &double, ("branch3x3dbl_3", 96, 96, [3, 3]))?,
            Branch::Pool(HALF_MAX),
        ])
    }

    fn block_17(&mut self, block: &str, inner: usize) -> Result<Vec<Branch>, ModelError> {
        Ok(vec![
            Branch::Chain(self.chain(block, &[("branch1x1", 768, 192, [1, 1])])?),
            Branch::Chain(self.chain(
                block,
                &[
                    ("branch7x7_1", 768, inner, [1, 1]),
                    ("branch7x7_2", inner, inner, [1, 7]),
                    ("branch7x7_3", inner, 192, [7, 1]),
                ],
            )?),
            Branch::Chain(self.chain(
                block,
                &[
                    ("branch7x7dbl_1", 768, inner, [1, 1]),
                    ("branch7x7dbl_2", inner, inner, [7, 1]),
                    ("branch7x7dbl_3", inner, inner, [1, 7]),
                    ("branch7x7dbl_4", inner, inner, [7, 1]),
                    ("branch7x7dbl_5", inner, 192, [1, 7]),
                ],
            )?),
            self.pooled(block, 768, 192, SAME_MEAN)?,
        ])
    }

    fn block_17_to_8(&mut self, block: &str) -> Result<Vec<Branch>, ModelError> {
        let seven = [
            ("branch7x7x3_1", 768, 192, [1, 1]),
            ("branch7x7x3_2", 192, 192, [1, 7]),
            ("branch7x7x3_3", 192, 192, [7, 1]),
        ];
        Ok(vec![
            self.halving(block, &[("branch3x3_1", 768, 192, [1, 1])], ("branch3x3_2", 192, 320, [3, 3]))?,
            self.halving(block, &seven, ("branch7x7x3_4", 192, 192, [3, 3]))?,
            Branch::Pool(HALF_MAX),
        ])
    }

    fn block_8(&mut self, block: &str, inputs: usize, pool: PoolOptions) -> Result<Vec<Branch>, ModelError> {
        let mut fork = |which: &[Which], wide: &str, high: &str| {
            let convs = self.chain(block, which)?;
            let wide = self.chain(block, &[(wide, 384, 384, [1, 3])])?.swap_remove(0);
            let high = self.chain(block, &[(high, 384, 384, [3, 1])])?.swap_remove(0);
            Ok(Branch::Fork(convs, [wide, high].into()))
        };
        let single = fork(&[("branch3x3_1", inputs, 384, [1, 1])], "branch3x3_2a", "branch3x3_2b")?;
        let double = [("branch3x3dbl_1", inputs, 448, [1, 1]), ("branch3x3dbl_2", 448, 384, [3, 3])];
        let double = fork(&double, "branch3x3dbl_3a", "branch3x3dbl_3b")?;
        Ok(vec![
            Branch::Chain(self.chain(block, &[("branch1x1", inputs, 320, [1, 1])])?),
            single,
            double,
            self.pooled(block, inputs, 192, pool)?,
        ])
    }
}
