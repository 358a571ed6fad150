//! Updates of flat parameters against their composed bodies.

use burn::tensor::{DType, Device, Tensor};
use onestep_kernels::*;

use crate::support::{assert_close, device, device_of, numbers, tensor, values};

#[test]
fn updates_equal_their_composed_bodies() {
    let run = |dtype: DType, coefficients: AdamCoefficients| -> Vec<Vec<f64>> {
        let device = device_of(dtype);
        let [p, g, m, v] = [1, 2, 3, 4].map(|seed| {
            let numbers: Vec<f64> = numbers(40_000, seed).iter().map(|x| f64::from(*x as f32)).collect();
            Tensor::<1>::from_data(numbers.as_slice(), (&device, dtype))
        });
        let average = ema_update(p.clone(), g.clone(), 0.9993);
        let (p, m, v) = adam_update(p, g, m, v.abs(), coefficients);
        [average, p, m, v].iter().map(values).collect()
    };
    let adam =
        AdamCoefficients::adam(0.1, [0.9, 0.99], 1e-8, 3).with_coupled_decay(0.1).with_decoupled_decay(0.01);
    for coefficients in [adam, AdamCoefficients { root: None, ..adam }] {
        for (actual, expected) in run(DType::F32, coefficients).iter().zip(run(DType::F64, coefficients)) {
            assert_close(actual, &expected, 1e-6, "update");
        }
    }
}

#[test]
fn updates_leave_no_graph_behind() {
    let device = device().autodiff();
    let [p, g] = [1, 2].map(|seed| tensor([8], seed, DType::F32, &device).require_grad());
    let zeros = p.zeros_like();
    let coefficients = AdamCoefficients::radam(0.1, [0.9, 0.999], 1e-8, 1);
    let (updated, _, _) = adam_update(p.clone(), g.clone(), zeros.clone(), zeros, coefficients);
    let gradients = (updated + ema_update(p.clone(), g.clone(), 0.5) + g.clone()).sum().backward();
    assert!(p.grad(&gradients).is_none());
    assert_eq!(values(&g.grad(&gradients).unwrap()), vec![1.0; 8]);
}

#[test]
fn sums_of_squares_are_those_of_all_gradients() {
    // As long as several parts and a bit, short, and of no number at all.
    let lengths = [40_000, 3, 16_384, 0, 16_385];
    let sum = |dtype: DType, device: &Device| {
        let gradients: Vec<Tensor<1>> =
            (lengths.iter().zip(1..)).map(|(&length, seed)| tensor([length], seed, dtype, device)).collect();
        values(&square_sums(&gradients)).iter().sum::<f64>()
    };
    let expected = sum(DType::F64, &Device::flex());
    for device in [device(), device().autodiff()] {
        let actual = sum(DType::F32, &device);
        assert!((actual - expected).abs() < 1e-6 * expected, "{actual} instead of {expected}");
    }
}
