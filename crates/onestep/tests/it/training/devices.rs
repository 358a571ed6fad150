//! Runs on the device that is tested, and from one device to the other.

use burn::tensor::Device;
use onestep::model::{Preconditioned, Preconditioning, Weights};
use onestep::train::{Event, Flow, Outcome, Recipe, RunBuilder};

use super::{device, tiny};

fn losses(events: &[Event]) -> Vec<f64> {
    let of = |event: &Event| match event {
        Event::Step { loss, .. } => Some(*loss),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// A run on a device, with a teacher that is there, too.
fn on(recipe: &Recipe, device: Device) -> RunBuilder {
    let builder = RunBuilder::new(recipe.clone()).device(device.clone());
    if !recipe.needs_teacher() {
        return builder;
    }
    let network = recipe.network.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 99, &device);
    builder.teacher(Preconditioned::new(network, weights, Preconditioning::Edm, recipe.noise.range()))
}

/// The losses of a run that is on one device all along, and of one that moves to another halfway, by its checkpoint.
#[test]
fn a_run_moves_from_one_device_to_the_other() {
    for method in ["edm", "ect", "ict"] {
        let recipe = tiny(method, &["network.dropout=0.3"]);
        let run = |first: Device, second: Device| {
            let folder = tempfile::tempdir().unwrap();
            let mut events = Vec::new();
            let mut halfway = |event: &Event| {
                events.push(event.clone());
                if matches!(event, Event::Step { step: 3, .. }) { Flow::Stop } else { Flow::Continue }
            };
            assert_eq!(
                on(&recipe, first).create(folder.path()).unwrap().train(&mut halfway).unwrap(),
                Outcome::Stopped
            );
            let mut rest = |event: &Event| {
                events.push(event.clone());
                Flow::Continue
            };
            let mut resumed = on(&recipe, second).resume(folder.path()).unwrap();
            assert_eq!(resumed.train(&mut rest).unwrap(), Outcome::Finished);
            losses(&events)
        };
        let expected = run(Device::flex(), Device::flex());
        assert_eq!(expected.len(), 6, "{method}");
        for (first, second) in [(device(), Device::flex()), (Device::flex(), device()), (device(), device())]
        {
            let actual = run(first, second);
            assert_eq!(actual.len(), expected.len(), "{method}");
            if device() == Device::flex() {
                assert_eq!(actual, expected, "{method}: going on is exact on the processor");
            }
            for (step, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                let apart = (actual - expected).abs() / expected.abs().max(1e-3);
                // Adam divides small gradients by small deviations, so that rounding grows from step to step.
                assert!(apart < 2e-3, "{method}, step {}: {actual} instead of {expected}", step + 1);
            }
        }
    }
}
