//! What a recording holds: every operator once, in each direction, with its nominal operations.

use burn::tensor::{DType, Device, Tensor};
use onestep_kernels::Precision;
use onestep_kernels::profile::{self, Entry};
use onestep_kernels::*;

use crate::support::{mask, tensor};

/// Sizes that no other test has, because a recording sees what other tests run meanwhile.
const BATCH: usize = 7;
const SIZE: [usize; 2] = [11, 13];
const CHANNELS: usize = 24;

/// Name and operations of the entries of this test's sizes, each name once.
fn recorded(body: impl FnOnce()) -> Vec<(String, f64)> {
    let ((), entries) = profile::record(body);
    let own = |entry: &Entry| {
        let shape = &entry.operation.shape;
        ["7x11x13x24", "7x2x143x12", "7x29 to 31", "7x31", "7x29", "7x1234"]
            .iter()
            .any(|own| shape == own || shape.starts_with(&format!("{own} ")))
            || shape == "1234"
    };
    let mut found: Vec<(String, f64)> = entries
        .into_iter()
        .filter(own)
        .map(|Entry { operation, seconds }| {
            assert!(seconds > 0.0, "{operation:?}");
            (operation.name, operation.flop)
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    tensor(shape, 5, DType::F32, &Device::flex().autodiff()).require_grad()
}

#[test]
fn every_operator_is_recorded_in_each_direction() {
    let image = [BATCH, SIZE[0], SIZE[1], CHANNELS];
    let pixels = SIZE[0] * SIZE[1];

    let found = recorded(|| {
        let options = Conv2dOptions::new(2, [1; 4]);
        conv2d(leaf(image), leaf([3, 3, CHANNELS, 8]), Some(leaf([8])), options).sum().backward();
    });
    // 11 and 13 rows padded to 13 and 15, every second one: 6 by 7 outputs.
    let flop = 2.0 * (BATCH * 6 * 7 * 8 * 9 * CHANNELS) as f64;
    let conv =
        ["data gradient", "forward", "weight gradient"].map(|pass| (format!("conv2d 3x3 {pass}"), flop));
    assert_eq!(found, conv);

    let found = recorded(|| {
        norm_act(leaf(image), 4, 1e-5, leaf([CHANNELS]), leaf([CHANNELS]), None, Activation::Silu)
            .sum()
            .backward();
    });
    assert_eq!(found, [("norm_act forward".to_string(), 0.0), ("norm_act gradient".to_string(), 0.0)]);

    let found = recorded(|| {
        dropout(leaf(image), mask(BATCH)).sum().backward();
    });
    assert_eq!(found, [("dropout forward".to_string(), 0.0), ("dropout gradient".to_string(), 0.0)]);

    let found = recorded(|| {
        attention(leaf([BATCH, pixels, 3 * 2 * 12]), 2, Precision::F32).sum().backward();
    });
    let product = 2.0 * (BATCH * 2 * pixels * pixels * 12) as f64;
    assert_eq!(
        found,
        [("attention forward".to_string(), 2.0 * product), ("attention gradient".to_string(), 4.0 * product)]
    );

    let found = recorded(|| {
        linear(silu(leaf([BATCH, 29])), leaf([29, 31]), Some(leaf([31]))).sum().backward();
    });
    let flop = 2.0 * (BATCH * 29 * 31) as f64;
    let expected = [
        ("linear bias gradient", 0.0),
        ("linear data gradient", flop),
        ("linear forward", flop),
        ("linear weight gradient", flop),
        ("silu forward", 0.0),
        ("silu gradient", 0.0),
    ];
    assert_eq!(found, expected.map(|(name, flop)| (name.to_string(), flop)));

    let found = recorded(|| {
        let plain = |seed| tensor([1234], seed, DType::F32, &Device::flex());
        let coefficients = AdamCoefficients::adam(1e-3, [0.9, 0.99], 1e-8, 1);
        let (parameter, ..) = adam_update(plain(1), plain(2), plain(3), plain(4).abs(), coefficients);
        ema_update(plain(5), parameter, 0.9);
        upsample_nearest(tensor(image, 6, DType::F32, &Device::flex()));
    });
    assert_eq!(found, ["adam_update", "ema_update", "resample"].map(|name| (name.to_string(), 0.0)));
}
