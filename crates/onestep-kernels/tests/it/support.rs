//! Reproducible numbers and comparisons.

use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep_kernels::{DeviceChoice, DropoutMask, MaskStream};

/// The device that is tested: the one that `ONESTEP_TEST_DEVICE` names, or the processor.
pub fn device() -> Device {
    let named = std::env::var("ONESTEP_TEST_DEVICE").ok();
    let choice: DeviceChoice = named.map_or_else(Default::default, |name| name.parse().unwrap());
    choice.open().unwrap()
}

/// Where numbers of this type are computed: on the device that is tested, or on the processor, if they are the reference in f64.
pub fn device_of(dtype: DType) -> Device {
    if dtype == DType::F64 { Device::flex() } else { device() }
}

/// Whether the device that is tested has numbers of type bf16; says so where it has none.
pub fn has_bf16(test: &str) -> bool {
    let has = device().supports_dtype(DType::BF16);
    if !has {
        eprintln!("{test}: not tried, the device has no numbers of type bf16");
    }
    has
}

/// Numbers in [-1, 1), a function of the seed alone.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    for _ in 0..8 {
        next();
    }
    (0..count).map(|_| next()).collect()
}

/// A tensor of [`numbers`].
pub fn tensor<const D: usize>(shape: [usize; D], seed: u64, dtype: DType, device: &Device) -> Tensor<D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed), shape).convert_dtype(dtype);
    Tensor::from_data(data, (device, dtype))
}

/// A mask of dropout in which about a third of the numbers are zeros.
pub fn mask(batch: usize) -> DropoutMask {
    DropoutMask::new(
        1.0 / 3.0,
        (0..batch as u32).map(|sample| MaskStream { key: [sample, 5], upper: [7, 9] }),
    )
}

/// The elements in f64.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().convert_dtype(DType::F64).try_to_vec().unwrap()
}

/// Panics unless both agree within `tolerance` of the largest magnitude.
#[track_caller]
pub fn assert_close(actual: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    let largest = expected.iter().fold(1e-30f64, |largest, value| largest.max(value.abs()));
    let differences = actual.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let (index, difference) = differences.enumerate().fold((0, 0.0), |worst, (index, difference)| {
        if difference > worst.1 || difference.is_nan() { (index, difference) } else { worst }
    });
    assert!(
        difference <= tolerance * largest,
        "{what}: {} instead of {} at {index}, off by {difference:e} where {:e} is allowed",
        actual[index],
        expected[index],
        tolerance * largest
    );
}
