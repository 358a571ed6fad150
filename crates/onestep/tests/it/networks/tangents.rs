//! Tangents: that they are the derivative of the output, and change nothing else.

use burn::tensor::{DType, Tensor};
use onestep::model::Weights;

use super::small::{Call, key, noise, small_architectures};
use crate::golden::Array;

/// A call with a direction to move in.
struct Moving {
    call: Call,
    direction: Tensor<4>,
    speeds: Vec<f64>,
}

impl Moving {
    /// One call for each small network.
    fn all() -> impl Iterator<Item = (String, Self)> {
        small_architectures().into_iter().map(|architecture| {
            let call = Call::new(&architecture, 2);
            let direction = noise(12, 0, call.input.dims());
            (format!("{architecture:?}"), Self { call, direction, speeds: vec![0.3, -0.2] })
        })
    }

    /// The same in f64.
    fn in_double(mut self) -> Self {
        let values = self.call.weights.values().iter().map(|value| value.clone().cast(DType::F64));
        self.call.weights = Weights::from_values(self.call.weights.specs(), values.collect());
        self.call.input = self.call.input.cast(DType::F64);
        self.direction = self.direction.cast(DType::F64);
        self
    }

    fn with_tangent(&self, weights: &Weights) -> (Tensor<4>, Tensor<4>) {
        let Call { network, input, codes, condition, .. } = &self.call;
        let input = (input.clone(), self.direction.clone());
        network
            .forward_with_tangent(weights, input, (codes, &self.speeds), condition)
            .expect("a call that fits")
    }

    /// The output after a step of this length in the direction.
    fn output_at(&self, step: f64) -> Vec<f64> {
        let Call { network, weights, input, codes, condition } = &self.call;
        let codes: Vec<f64> =
            codes.iter().zip(&self.speeds).map(|(code, speed)| code + step * speed).collect();
        let input = input.clone() + self.direction.clone() * step;
        Array::from_tensor(network.forward(weights, input, &codes, condition).expect("a call that fits"))
            .values
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn relative(got: &[f64], expected: &[f64]) -> f64 {
    norm(got.iter().zip(expected).map(|(a, b)| a - b)) / norm(expected.iter().copied())
}

#[test]
fn tangents_are_the_derivative_of_the_output() {
    for (name, moving) in Moving::all() {
        let moving = moving.in_double();
        let (_, tangent) = moving.with_tangent(&moving.call.weights);
        let tangent = Array::from_tensor(tangent).values;
        // OpenAI's networks multiply the code by 1000, so the step is short; its error is of second order.
        let step = 1e-6;
        let ahead = moving.output_at(step);
        let behind = moving.output_at(-step);
        let expected: Vec<f64> = ahead.iter().zip(behind).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        let error = relative(&tangent, &expected);
        let size = norm(expected.iter().copied()) / norm(ahead.iter().copied());
        println!("tangent | {} | {error:.1e} | {size:.2} of the output |", &name[..name.len().min(60)]);
        assert!(size > 1e-2, "{name}: the output hardly moves ({size})");
        assert!(error < 1e-6, "{name}: {error:e}");
    }
}

/// A tangent is linear in its direction, of which the noise code is a part.
#[test]
fn tangents_of_input_and_noise_code_add_up() {
    for (name, mut moving) in Moving::all().map(|(name, moving)| (name, moving.in_double())) {
        let tangent =
            |moving: &Moving| Array::from_tensor(moving.with_tangent(&moving.call.weights).1).values;
        let both = tangent(&moving);
        let speeds = std::mem::replace(&mut moving.speeds, vec![0.0; 2]);
        let only_input = tangent(&moving);
        moving.speeds = speeds;
        moving.direction = moving.direction.zeros_like();
        let only_code = tangent(&moving);
        let sum: Vec<f64> = only_code.iter().zip(&only_input).map(|(a, b)| a + b).collect();
        assert!(norm(only_code.iter().copied()) > 0.0, "{name}");
        assert!(relative(&sum, &both) < 1e-12, "{name}");
    }
}

/// The value of a pass with tangents is that of a plain pass to the bit, with and without a graph, and so are its gradients.
#[test]
fn a_tangent_changes_neither_the_output_nor_its_gradients() {
    for (name, mut moving) in Moving::all() {
        moving.call.condition.dropout = Some(key(1, &[0, 1]));
        let weighting = noise(9, 0, moving.call.output(&moving.call.weights).dims());
        let call = &moving.call;
        let (value, tangent) = moving.with_tangent(&call.weights);
        assert_eq!(value.to_data(), call.output(&call.weights).to_data(), "{name}");
        let tangent = Array::from_tensor(tangent).values;

        for checkpointing in [false, true] {
            let gradients = |output: Tensor<4>, weights: &Weights| {
                let mut graph = (output * weighting.clone()).sum().backward();
                let gradients = weights.gradients(&mut graph);
                gradients.into_iter().map(|gradient| gradient.into_data()).collect::<Vec<_>>()
            };
            let tracked = call.weights.tracked_with(checkpointing);
            let plain = call.output(&tracked);
            let plain = (plain.clone().inner().into_data(), gradients(plain, &tracked));
            let tracked = call.weights.tracked_with(checkpointing);
            let (value, again) = moving.with_tangent(&tracked);
            let carried = (value.clone().inner().into_data(), gradients(value, &tracked));
            assert!(plain == carried, "{name}: checkpointing {checkpointing}");
            // Operators may round otherwise where they also prepare for a backward pass.
            let error = relative(&Array::from_tensor(again).values, &tangent);
            assert!(error < 1e-5, "{name}: checkpointing {checkpointing}: {error:e}");
        }
    }
}

/// Tangents in f32, as they are trained with, against those in f64.
#[test]
fn tangents_in_single_precision_are_near_those_in_double() {
    for (name, moving) in Moving::all() {
        let single = Array::from_tensor(moving.with_tangent(&moving.call.weights).1).values;
        let moving = moving.in_double();
        let double = Array::from_tensor(moving.with_tangent(&moving.call.weights).1).values;
        let error = relative(&single, &double);
        println!("tangent in f32 | {} | {error:.1e} |", &name[..name.len().min(60)]);
        // f32 through some thirty layers.
        assert!(error < 3e-5, "{name}: {error:e}");
    }
}
