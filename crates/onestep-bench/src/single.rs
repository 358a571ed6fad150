//! Single operators at the sizes that image networks have.

use std::hint::black_box;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::noise::{Purpose, Stream};
use onestep_kernels::profile::{self, Entry};
use onestep_kernels::{Conv2dOptions, Convolution, Precision, attention, linear};

use super::timing::{Timing, repeat};

/// An operator with its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    /// As many outputs as inputs, padded so that height and width stay.
    Conv2d {
        /// Height and width of the kernel.
        kernel: usize,
        /// Height and width of the images.
        size: usize,
        /// Inputs, and outputs.
        channels: usize,
    },
    /// As many outputs as inputs, one row a sample.
    Linear {
        /// Inputs, and outputs.
        channels: usize,
    },
    /// Each pixel looks at each.
    Attention {
        /// Height and width of the images.
        size: usize,
        /// Channels in all.
        channels: usize,
        /// Among which they are divided.
        heads: usize,
    },
}

/// Forward pass, gradient by the data, gradient by the weights.
pub const DIRECTIONS: [&str; 3] = ["forward", "data gradient", "weight gradient"];

/// The times of an operator in each of the [`DIRECTIONS`] it has, and its operations there.
pub type Directions = [Option<(Timing, f64)>; 3];

/// Those that are measured.
pub fn all() -> Vec<Single> {
    let convolutions = [
        (3, 64, 64),
        (3, 64, 128),
        (3, 32, 64),
        (3, 32, 128),
        (3, 32, 256),
        (3, 32, 512),
        (3, 16, 128),
        (3, 16, 256),
        (3, 16, 512),
        (3, 8, 256),
        (3, 8, 512),
        (1, 32, 128),
        (1, 16, 256),
        (1, 8, 512),
    ];
    let convolutions = convolutions.map(|(kernel, size, channels)| Single::Conv2d { kernel, size, channels });
    let others = [
        Single::Attention { size: 16, channels: 256, heads: 1 },
        Single::Attention { size: 16, channels: 256, heads: 4 },
        Single::Linear { channels: 512 },
    ];
    convolutions.into_iter().chain(others).collect()
}

impl Single {
    /// The kind of operator.
    pub fn name(self) -> String {
        match self {
            Self::Conv2d { kernel, .. } => format!("conv2d {kernel}x{kernel}"),
            Self::Linear { .. } => "linear".into(),
            Self::Attention { heads: 1, .. } => "attention".into(),
            Self::Attention { heads, .. } => format!("attention, {heads} heads"),
        }
    }

    /// Sizes of its input.
    pub fn shape(self, batch: usize) -> String {
        match self {
            Self::Conv2d { size, channels, .. } | Self::Attention { size, channels, .. } => {
                format!("{batch}x{size}x{size}x{channels}")
            }
            Self::Linear { channels } => format!("{batch}x{channels}"),
        }
    }

    /// Runs it forward and backward for so many seconds.
    pub fn measure(self, precision: Precision, batch: usize, seconds: f64) -> Directions {
        let run = self.prepare(precision, batch);
        run();
        let mut runs: [Vec<f64>; 3] = Default::default();
        let mut flop = [0.0; 3];
        let repeated = repeat(seconds, 3, || {
            let ((), entries) = profile::record(&run);
            for Entry { operation, seconds } in entries {
                let Some(direction) = direction(&operation.name) else { continue };
                runs[direction].push(seconds);
                flop[direction] = operation.flop;
            }
            Ok::<f64, std::convert::Infallible>(0.0)
        });
        debug_assert!(repeated.is_ok(), "the body cannot fail");
        let mut flop = flop.into_iter();
        runs.map(|runs| {
            let flop = flop.next()?;
            (!runs.is_empty()).then(|| (Timing::of(runs), flop))
        })
    }

    /// One evaluation with its gradients.
    fn prepare(self, precision: Precision, batch: usize) -> Box<dyn Fn()> {
        match self {
            Self::Conv2d { kernel, size, channels } => {
                let input = numbers([batch, size, size, channels]);
                let weight = numbers([kernel, kernel, channels, channels]);
                Box::new(move || {
                    let options = Conv2dOptions::same(kernel);
                    let convolution = Convolution::new(input.clone(), weight.clone(), options);
                    let output = Convolution { precision, ..convolution }.forward();
                    black_box(output.sum().backward());
                })
            }
            Self::Linear { channels } => {
                let (input, weight) = (numbers([batch, channels]), numbers([channels, channels]));
                Box::new(move || {
                    black_box(linear(input.clone(), weight.clone(), None).sum().backward());
                })
            }
            Self::Attention { size, channels, heads } => {
                let qkv = numbers([batch, size * size, 3 * channels]);
                Box::new(move || {
                    black_box(attention(qkv.clone(), heads, precision).sum().backward());
                })
            }
        }
    }
}

/// Which of the [`DIRECTIONS`] a recorded operator belongs to; none for what is around the operator measured.
fn direction(name: &str) -> Option<usize> {
    let large = ["conv2d ", "linear ", "attention "].iter().any(|kind| name.starts_with(kind));
    if !large || name.ends_with("bias gradient") {
        None
    } else if name.ends_with("forward") {
        Some(0)
    } else {
        // Attention has one gradient, by all of its data.
        Some(if name.ends_with("weight gradient") { 2 } else { 1 })
    }
}

fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let values = Stream::new(2, Purpose::Test, 0, 0).standard_normal(shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_direction_is_measured_and_counted() {
        // Multiply-adds of the direct method, padding included: 2 · 4 · 4 pixels, 3 · 3 taps, 8 · 8 channels.
        let products = (2 * 4 * 4 * 9 * 8 * 8) as f64;
        let found = Single::Conv2d { kernel: 3, size: 4, channels: 8 }.measure(Precision::F32, 2, 0.0);
        for (direction, found) in DIRECTIONS.into_iter().zip(found) {
            let (timing, flop) = found.unwrap_or_else(|| panic!("no {direction}"));
            assert_eq!((timing.runs(), flop), (3, 2.0 * products), "{direction}");
        }
        let [forward, data, weight] =
            Single::Attention { size: 2, channels: 8, heads: 2 }.measure(Precision::F32, 3, 0.0);
        let product = 2.0 * (3 * 2 * 4 * 4 * 4) as f64;
        assert_eq!(forward.map(|(_, flop)| flop), Some(2.0 * product), "scores and values");
        assert_eq!(data.map(|(_, flop)| flop), Some(4.0 * product), "two products for each of those");
        assert!(weight.is_none());
    }
}
