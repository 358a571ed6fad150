//! The five linear maps of Winograd's method, on tiles of vectors of channels.
//!
//! A tile of M x M outputs of a 3x3 convolution needs A x A inputs, A = M + 2, and A x A multiplications a pair of channels
//! instead of 9 M²: 36 instead of 144 for M = 4, 16 instead of 36 for M = 2. The one-dimensional maps are those of Toom and
//! Cook: with M = 2 through the points 0, 1, -1 and infinity, with M = 4 through 0, ±√½, ±√2 and infinity, which lose only
//! half as many digits as the whole numbers 0, ±1, ±2 do. Two dimensions are the same map along both axes.
//!
//! # Source
//!
//! Lavin & Gray 2016 (arXiv:1509.09308); on the choice of points Barabasz et al. 2018 (arXiv:1803.10986).

mod maps;
mod tiles;
mod weights;

pub(crate) use tiles::{GradientJob, InputJob, OutputJob, gradient_tiles, input_tiles, output_tiles};
pub(crate) use weights::{TapsJob, WeightJob, weight_factors, weight_taps};
