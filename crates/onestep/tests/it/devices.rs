//! What a device computes is what the processor computes: the same seeds are the same images.
//!
//! The device is the one that `ONESTEP_TEST_DEVICE` names (`vulkan`, `cuda:1`, ...), by default the processor.

use burn::tensor::Device;
use onestep::data::{Rounding, image::bytes_from_values};
use onestep::model::DeviceChoice;
use onestep::prelude::*;

/// The device that is tested.
pub fn device() -> Device {
    let named = std::env::var("ONESTEP_TEST_DEVICE").ok();
    let choice: DeviceChoice = named.map_or_else(Default::default, |name| name.parse().unwrap());
    choice.open().unwrap()
}

/// In f32, by one step and by two, with classes and guidance and without: bytes differ by one at most, and few of them.
#[test]
fn the_same_seeds_are_the_same_images() {
    for name in ["builtin:portraits-cd", "builtin:emoji-cd"] {
        for steps in [1, 2] {
            let draw = |device: &Device| {
                let options =
                    OpenOptions::default().device(device).precision(Precision::F32).steps(Some(steps));
                let model = options.open(name).unwrap();
                let samples = model.draw().seeds(0..4).steps(steps).run().unwrap();
                bytes_from_values(&samples.values, Rounding::default())
            };
            let (expected, actual) = (draw(&Device::flex()), draw(&device()));
            let apart: Vec<u8> = expected
                .iter()
                .zip(&actual)
                .map(|(a, b)| a.abs_diff(*b))
                .filter(|apart| *apart > 0)
                .collect();
            let share = apart.len() as f64 / expected.len() as f64;
            println!(
                "{name}, {steps} steps: {:.4} % of the bytes differ, by {:?} at most",
                100.0 * share,
                apart.iter().max()
            );
            assert_eq!(actual.len(), expected.len());
            assert!(
                device() != Device::flex() || apart.is_empty(),
                "the processor draws the same bytes again"
            );
            assert!(
                apart.iter().all(|apart| *apart <= 1) && share <= 2e-3,
                "{name}, {steps} steps: {apart:?}"
            );
        }
    }
}
