//! Products of half the bits against those of f32, on the card that `ONESTEP_TEST_DEVICE` names; skipped without one.
//!
//! The half type is what the card has: bf16, which training asks for, or f16, which goes the same way through the same kernels. Both are
//! tried also where a card has no units that multiply matrices of them: products are added up in the half type there, which is why
//! [`precision::half`](super::precision::half) takes none then, and why several roundings are allowed here.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Cube, DType, DispatchDevice, Shape, TensorData, TensorMetadata,
};
use burn_cubecl::CubeDevice;
use burn_cubecl::tensor::CubeTensor;

use super::{Convolution, Norm, autodiff, composed, convolved};
use crate::loops::Activation;
use crate::operators::{Conv2dOptions, NormActOptions};
use crate::simd::Precision;
use crate::tensor::device::DeviceChoice;

type Tracked = Autodiff<Cube>;

/// The card, and the largest error of a number of its half type.
fn card() -> Option<(CubeDevice, DType, f64)> {
    let named = std::env::var("ONESTEP_TEST_DEVICE").ok()?;
    let device = named.parse::<DeviceChoice>().unwrap().open().unwrap();
    let DispatchDevice::Cube(device) = device.as_dispatch().clone() else { return None };
    let halves = [(DType::BF16, 2f64.powi(-8)), (DType::F16, 2f64.powi(-11))];
    let half = halves.into_iter().find(|(dtype, _)| Cube::supports_dtype(&device, *dtype));
    let (dtype, error) = half?;
    Some((device, dtype, error))
}

/// Numbers in [-1, 1).
fn numbers(shape: &[usize], seed: u64, device: &CubeDevice) -> CubeTensor {
    let mut state = seed + 0x9e37_79b9;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Cube::float_from_data(TensorData::new(values, Shape::from(shape.to_vec())), device)
}

fn values(tensor: &CubeTensor) -> Vec<f64> {
    burn_cubecl::ops::into_data_sync(tensor.clone()).iter::<f64>().collect()
}

/// The norm of a difference in parts of the norm of what is right.
fn apart(actual: &CubeTensor, expected: &CubeTensor) -> f64 {
    let (actual, expected) = (values(actual), values(expected));
    assert_eq!(actual.len(), expected.len());
    let squares: f64 = actual.iter().zip(&expected).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / expected.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

fn convolution<T>(make: impl Fn(&[usize], u64) -> T) -> Convolution<T> {
    let options = NormActOptions { groups: 4, epsilon: 1e-5, activation: Activation::Silu };
    let norm = Norm {
        gain: make(&[16], 3),
        offset: make(&[16], 4),
        scale_shift: Some((make(&[2, 16], 5), make(&[2, 16], 6))),
        options,
    };
    Convolution {
        norm: Some(norm),
        bias: Some(make(&[2, 24], 7)),
        residual: Some(make(&[2, 9, 7, 24], 8)),
        factor: 0.75,
        store: Precision::Bf16,
        ..Convolution::new(make(&[2, 9, 7, 16], 1), make(&[3, 3, 16, 24], 2), Conv2dOptions::new(1, [1; 4]))
    }
}

#[test]
fn products_of_half_the_bits_are_near_those_of_f32() {
    let Some((device, half, error)) = card() else { return };
    let full = convolved(convolution(|shape, seed| numbers(shape, seed, &device)), None);
    let halved = convolved(convolution(|shape, seed| numbers(shape, seed, &device)), Some(half));
    assert_eq!((full.dtype, halved.dtype), (DType::F32, half));
    let distance = apart(&halved, &full);
    assert!(distance > 0.0 && distance < 6.0 * error, "{distance:e} at {error:e}");

    // What is of half the bits already goes on, and comes back where it is not to be stored so.
    let next = |input: CubeTensor, store| {
        let weight = numbers(&[1, 1, 24, 8], 9, &device);
        let plain = Convolution::new(input, weight, Conv2dOptions::new(1, [0; 4]));
        convolved(Convolution { store, ..plain }, Some(half))
    };
    let kept = next(halved.clone(), Precision::Bf16);
    let back = next(halved, Precision::F32);
    assert_eq!((kept.dtype, back.dtype), (half, DType::F32));
    assert!(apart(&back, &kept) < 2.0 * error);
}

#[test]
fn gradients_by_products_of_half_the_bits_are_near_those_of_f32() {
    let Some((device, half, error)) = card() else { return };
    let gradients = |half| {
        let leaf = |shape: &[usize], seed| {
            let tensor = <Tracked as AutodiffBackend>::from_inner(numbers(shape, seed, &device));
            <Tracked as FloatTensorOps<Tracked>>::float_set_require_grad(tensor, true)
        };
        let convolution = convolution(leaf);
        let leaves: Vec<_> = convolution.all().cloned().collect();
        let output = autodiff::convolved::<NoCheckpointing>(convolution, half);
        assert_eq!(output.dtype(), DType::F32);
        let weights = <Tracked as AutodiffBackend>::from_inner(numbers(&[2, 9, 7, 24], 10, &device));
        let loss = Tracked::float_sum(Tracked::float_mul(output, weights));
        let graph = Tracked::backward(loss);
        leaves.iter().map(|leaf| Tracked::grad(leaf, &graph).expect("asked for")).collect::<Vec<_>>()
    };
    let (full, halved) = (gradients(None), gradients(Some(half)));
    assert_eq!(full.len(), 8);
    for (which, (full, halved)) in full.iter().zip(&halved).enumerate() {
        assert_eq!(halved.dtype, DType::F32, "gradient {which}");
        let distance = apart(halved, full);
        assert!(distance < 8.0 * error, "gradient {which}: {distance:e} at {error:e}");
        // Those of bias and residual are no products.
        assert_eq!(distance == 0.0, [2, 3].contains(&which), "gradient {which}: {distance:e}");
    }
}

#[test]
fn attention_by_products_of_half_the_bits_is_near_that_of_f32() {
    let Some((device, half, error)) = card() else { return };
    let run = |half| {
        let leaf = <Tracked as AutodiffBackend>::from_inner(numbers(&[2, 12, 96], 1, &device));
        let leaf = <Tracked as FloatTensorOps<Tracked>>::float_set_require_grad(leaf, true);
        let output = composed::attention_in::<Tracked>(leaf.clone(), 2, half);
        let weights = <Tracked as AutodiffBackend>::from_inner(numbers(&[2, 12, 32], 2, &device));
        let graph = Tracked::backward(Tracked::float_sum(Tracked::float_mul(output.clone(), weights)));
        [Tracked::inner(output), Tracked::grad(&leaf, &graph).expect("asked for")]
    };
    for (full, halved) in run(None).iter().zip(&run(Some(half))) {
        assert_eq!(halved.dtype, DType::F32);
        let distance = apart(halved, full);
        assert!(distance > 0.0 && distance < 8.0 * error, "{distance:e} at {error:e}");
    }
}
