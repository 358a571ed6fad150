//! The stages of Inception-v3, block by block.

use burn::tensor::{Device, Tensor};
use onestep_kernels::{Conv2dOptions, Pool, PoolOptions, Rectifier};

use super::{Stage, Stages};
use crate::model::ModelError;
use crate::vision::{Arrays, Conv, Layer};

const EPSILON: f64 = 1e-3;

/// One way through a block.
#[derive(Debug)]
pub(super) enum Branch {
    /// Layers one after the other.
    Chain(Vec<Layer>),
    /// Layers one after the other, then some side by side.
    Fork(Vec<Layer>, Vec<Layer>),
}

impl Branch {
    /// Appends what comes out of the branch.
    pub(super) fn forward(&self, input: &Tensor<4>, joined: &mut Vec<Tensor<4>>) {
        let chain =
            |layers: &[Layer]| layers.iter().fold(input.clone(), |hidden, layer| layer.forward(hidden));
        match self {
            Self::Chain(layers) => joined.push(chain(layers)),
            Self::Fork(layers, ends) => {
                let hidden = chain(layers);
                joined.extend(ends.iter().map(|end| end.forward(hidden.clone())));
            }
        }
    }
}

/// All stages in order.
pub(super) fn stages(arrays: &mut Arrays, device: &Device) -> Result<Stages, ModelError> {
    Parts { arrays, device }.all()
}

/// What the stages are made from.
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
    fn all(&mut self) -> Result<Stages, ModelError> {
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
            stages.push((name, Stage::Layer(conv.into())));
            match name {
                "Conv2d_2b_3x3" => stages.push(("pool0", Stage::Layer(Layer::Pool(HALF_MAX)))),
                "Conv2d_4a_3x3" => stages.push(("pool1", Stage::Layer(Layer::Pool(HALF_MAX)))),
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
        let names = [&*format!("{name}.conv"), &*format!("{name}.bn")];
        self.arrays.normed_conv(names, shape, EPSILON, (options, rectifier), self.device)
    }

    /// Convolutions that keep height and width, in this order.
    fn chain(&mut self, block: &str, which: &[Which]) -> Result<Vec<Layer>, ModelError> {
        let same = |&(name, inputs, outputs, kernel): &Which| {
            let [vertical, horizontal] = kernel.map(|kernel| kernel / 2);
            let options = Conv2dOptions::new(1, [vertical, vertical, horizontal, horizontal]);
            self.conv((&format!("{block}.{name}"), inputs, outputs, kernel), options, Rectifier::Relu)
                .map(Layer::from)
        };
        which.iter().map(same).collect()
    }

    /// Such convolutions, with a last one that halves height and width.
    fn halving(&mut self, block: &str, which: &[Which], last: Which) -> Result<Branch, ModelError> {
        let mut layers = self.chain(block, which)?;
        let (name, inputs, outputs, kernel) = last;
        let last = (&*format!("{block}.{name}"), inputs, outputs, kernel);
        layers.push(self.conv(last, Conv2dOptions::new(2, [0; 4]), Rectifier::Relu)?.into());
        Ok(Branch::Chain(layers))
    }

    /// A maximum and a convolution of single pixels, or such a convolution and the mean of what comes out of it, cut off.
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
        Ok(Branch::Chain(match pool.pool {
            Pool::Max => vec![Layer::Pool(pool), conv(Rectifier::Relu)?.into()],
            Pool::Mean => vec![conv(Rectifier::None)?.into(), Layer::Pool(pool)],
        }))
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
            Branch::Chain(vec![Layer::Pool(HALF_MAX)]),
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
            Branch::Chain(vec![Layer::Pool(HALF_MAX)]),
        ])
    }

    fn block_8(&mut self, block: &str, inputs: usize, pool: PoolOptions) -> Result<Vec<Branch>, ModelError> {
        let mut fork = |which: &[Which], wide: &str, high: &str| {
            let layers = self.chain(block, which)?;
            let ends = self.chain(block, &[(wide, 384, 384, [1, 3]), (high, 384, 384, [3, 1])])?;
            Ok(Branch::Fork(layers, ends))
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
