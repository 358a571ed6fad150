//! How the trunks are laid out: a list of steps, with the places where images are compared.

use std::fmt;

use onestep_kernels::{Conv2dOptions, Pool};
use serde::{Deserialize, Serialize};

use crate::vision::BLUR;

/// Which classifier looks at the images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trunk {
    /// VGG16: the one that published consistency models were trained with.
    #[default]
    Vgg16,
    /// AlexNet: a twentieth of the work.
    AlexNet,
}

/// What becomes of neighboring pixels between the trunk's parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Neighbors become their mean, which passes gradients to all of them: what the ImageNet and LSUN models were trained with.
    #[default]
    Average,
    /// The largest neighbor stays, as the trunk was trained: what LPIPS is measured with.
    Max,
}

/// Which perceptual distance it is, but for the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PerceptualKind {
    /// LPIPS, version 0.1.
    Lpips {
        /// The classifier.
        trunk: Trunk,
        /// How pixels are pooled between the trunk's parts.
        pooling: Pooling,
    },
    /// Shift-tolerant LPIPS with AlexNet.
    StLpips,
}

impl fmt::Display for PerceptualKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lpips { trunk, pooling } => {
                let trunk = match trunk {
                    Trunk::Vgg16 => "VGG16",
                    Trunk::AlexNet => "AlexNet",
                };
                let pooling = match pooling {
                    Pooling::Average => "average",
                    Pooling::Max => "max",
                };
                write!(f, "LPIPS ({trunk}, {pooling} pooling)")
            }
            Self::StLpips => f.write_str("ST-LPIPS (AlexNet)"),
        }
    }
}

/// One step of a trunk.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// A convolution with bias, cut off at zero where `rectified`.
    Convolution {
        /// Published name.
        name: String,
        /// PyTorch's: outputs, inputs, kernel_h, kernel_w.
        shape: [usize; 4],
        options: Conv2dOptions,
        rectified: bool,
    },
    Rectify,
    Pool {
        pool: Pool,
        kernel: usize,
        stride: usize,
    },
    /// A blur that keeps every second pixel, see [`onestep_kernels::blur_downsample`].
    Blur,
    /// Here the images are compared.
    Compare,
}

/// The name of the head at one of the places where images are compared.
pub(super) fn head_name(place: usize) -> String {
    format!("lin{place}.model.1.weight")
}

impl PerceptualKind {
    /// The trunk, step by step.
    pub(super) fn steps(self) -> Vec<Step> {
        match self {
            Self::Lpips { trunk: Trunk::Vgg16, pooling } => vgg16(pooling.pool()),
            Self::Lpips { trunk: Trunk::AlexNet, pooling } => alexnet(pooling.pool()),
            Self::StLpips => shift_tolerant_alexnet(),
        }
    }

    /// Channels at each place where images are compared.
    pub(super) fn widths(self) -> Vec<usize> {
        let mut channels = 3;
        let mut widths = Vec::new();
        for step in self.steps() {
            match step {
                Step::Convolution { shape, .. } => channels = shape[0],
                Step::Compare => widths.push(channels),
                _ => {}
            }
        }
        widths
    }

    /// Height and width of the smallest image that the network can look at.
    pub fn smallest(self) -> usize {
        (1..).find(|&size| self.sizes([size, size]).is_some()).expect("every trunk ends somewhere")
    }

    /// Values of an image of this height and width that a distance keeps for its gradient; none if it is too small.
    pub fn activations(self, image: [usize; 2]) -> Option<usize> {
        let sizes = self.sizes(image)?;
        let values = |[height, width, channels]: [usize; 3]| height * width * channels;
        let of_step = |(step, size): (&Step, &[usize; 3])| match step {
            // Before and after it is cut off.
            Step::Convolution { rectified: true, .. } => 2 * values(*size),
            // The channels scaled to length one, their differences, and what these come from.
            Step::Compare => 5 * values(*size),
            _ => values(*size),
        };
        Some(self.steps().iter().zip(&sizes).map(of_step).sum())
    }

    /// The arrays of the network's weights, in the names and layouts they are published in.
    pub fn arrays(self) -> Vec<(String, Vec<usize>)> {
        let mut arrays = Vec::new();
        for step in self.steps() {
            if let Step::Convolution { name, shape, .. } = step {
                arrays.push((format!("{name}.weight"), shape.to_vec()));
                arrays.push((format!("{name}.bias"), shape[..1].to_vec()));
            }
        }
        let heads = self.widths().into_iter().enumerate();
        arrays.extend(heads.map(|(place, width)| (head_name(place), vec![1, width, 1, 1])));
        arrays
    }

    /// Number of weights of the network.
    pub fn n_weights(self) -> usize {
        self.arrays().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Height, width and channels after each step; none if nothing is left of the image on the way.
    fn sizes(self, [mut height, mut width]: [usize; 2]) -> Option<Vec<[usize; 3]>> {
        let mut channels = 3;
        let mut sizes = Vec::new();
        for step in self.steps() {
            let window = |size: usize, padding: usize, kernel: usize, stride: usize| {
                Some((size + 2 * padding).checked_sub(kernel)? / stride + 1)
            };
            let along = |size| match &step {
                Step::Convolution { shape, options, .. } => {
                    window(size, options.padding[0], shape[2], options.stride)
                }
                Step::Pool { kernel, stride, .. } => window(size, 0, *kernel, *stride),
                Step::Blur if size < BLUR.len() => None,
                Step::Blur => Some((size + BLUR.len()) / 2),
                Step::Rectify | Step::Compare => Some(size),
            };
            (height, width) = (along(height)?, along(width)?);
            if let Step::Convolution { shape, .. } = &step {
                channels = shape[0];
            }
            sizes.push([height, width, channels]);
        }
        Some(sizes)
    }
}

impl Pooling {
    fn pool(self) -> Pool {
        match self {
            Self::Average => Pool::Mean,
            Self::Max => Pool::Max,
        }
    }
}

/// VGG16 up to its last rectifier; names of torchvision.
fn vgg16(pool: Pool) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut index, mut inputs) = (0, 3);
    for (outputs, count) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        if index > 0 {
            steps.push(Step::Pool { pool, kernel: 2, stride: 2 });
            index += 1;
        }
        for _ in 0..count {
            steps.push(convolution(format!("features.{index}"), [outputs, inputs], 3, true));
            // The rectifier has a number of its own.
            index += 2;
            inputs = outputs;
        }
        steps.push(Step::Compare);
    }
    steps
}

/// AlexNet up to its last rectifier; names of torchvision.
fn alexnet(pool: Pool) -> Vec<Step> {
    let pool = || Step::Pool { pool, kernel: 3, stride: 2 };
    let first = Step::Convolution {
        name: "features.0".into(),
        shape: [64, 3, 11, 11],
        options: Conv2dOptions::new(4, [2; 4]),
        rectified: true,
    };
    vec![
        first,
        Step::Compare,
        pool(),
        convolution("features.3".into(), [192, 64], 5, true),
        Step::Compare,
        pool(),
        convolution("features.6".into(), [384, 192], 3, true),
        Step::Compare,
        convolution("features.8".into(), [256, 384], 3, true),
        Step::Compare,
        convolution("features.10".into(), [256, 256], 3, true),
        Step::Compare,
    ]
}

/// AlexNet as shift-tolerant LPIPS has it: no step without a blur, the first of which comes before its rectifier.
fn shift_tolerant_alexnet() -> Vec<Step> {
    let largest = || Step::Pool { pool: Pool::Max, kernel: 3, stride: 1 };
    let first = Step::Convolution {
        name: "net.slice1.0".into(),
        shape: [64, 3, 11, 11],
        options: Conv2dOptions::new(1, [2; 4]),
        rectified: false,
    };
    vec![
        first,
        Step::Blur,
        Step::Rectify,
        Step::Compare,
        largest(),
        Step::Blur,
        convolution("net.slice2.5".into(), [192, 64], 5, true),
        Step::Compare,
        largest(),
        Step::Blur,
        convolution("net.slice3.9".into(), [384, 192], 3, true),
        Step::Compare,
        convolution("net.slice4.11".into(), [256, 384], 3, true),
        Step::Compare,
        convolution("net.slice5.13".into(), [256, 256], 3, true),
        Step::Compare,
    ]
}

fn convolution(name: String, [outputs, inputs]: [usize; 2], kernel: usize, rectified: bool) -> Step {
    let shape = [outputs, inputs, kernel, kernel];
    Step::Convolution { name, shape, options: Conv2dOptions::same(kernel), rectified }
}
