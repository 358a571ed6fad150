//! Gradients: that every parameter has one, that they are slopes, and what they cost in memory.

use onestep::model::network::AdmConfig;
use onestep::model::{Architecture, Weights};

use burn::tensor::Tensor;

use super::small::{Call, key, noise, small_adm, small_architectures};
use crate::golden::Array;

/// Σ weighting · output, and its gradients, one for each parameter.
fn projection(call: &Call, weighting: &Tensor<4>) -> Vec<Array> {
    let weights = call.weights.tracked();
    let mut gradients = (call.output(&weights) * weighting.clone()).sum().backward();
    weights.gradients(&mut gradients).into_iter().map(Array::from_tensor).collect()
}

#[test]
fn every_parameter_reaches_the_output() {
    for mut architecture in small_architectures() {
        if let Architecture::Adm(config) = &mut architecture {
            // At 32 channels the groups of the norms have one channel, which forgets the bias in front of it.
            *config = AdmConfig {
                image_size: 8.into(),
                model_channels: 64,
                attention_resolutions: vec![4],
                ..config.clone()
            };
        }
        let call = Call::new(&architecture, 2);
        let before = call.run();
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let gradients = projection(&call, &weighting);
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let overall = gradients.iter().fold(0.0f64, |most, gradient| most.max(largest(&gradient.values)));
        for (index, ((spec, value), gradient)) in call.weights.iter().zip(&gradients).enumerate() {
            if spec.trainable {
                // Where only rounding remains, it is below 1e-6 of the largest.
                let share = largest(&gradient.values) / overall;
                assert!(
                    share > 1e-5,
                    "{architecture:?}: `{}` has a gradient of {share:e} of the largest",
                    spec.name
                );
            } else {
                let mut values = call.weights.values().to_vec();
                values[index] = value.clone() * 1.1;
                let changed = call.output(&Weights::from_values(call.weights.specs(), values));
                assert_ne!(before, Array::from_tensor(changed).values, "{architecture:?}: `{}`", spec.name);
            }
        }
    }
}

#[test]
fn gradients_are_the_slope_of_the_output() {
    for architecture in small_architectures() {
        let call = Call::new(&architecture, 2);
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let moved = |distance: f64| {
            let values = call.weights.iter().zip(0..).map(|((spec, value), index)| {
                let distance = if spec.trainable { distance } else { 0.0 };
                value.clone() + noise(10, index, value.dims()) * distance
            });
            let output = call.output(&Weights::from_values(call.weights.specs(), values.collect()));
            let terms = Array::from_tensor(output)
                .values
                .into_iter()
                .zip(Array::from_tensor(weighting.clone()).values);
            terms.map(|(output, weighting)| output * weighting).sum::<f64>()
        };
        let distance = 1e-4;
        let slope = (moved(distance) - moved(-distance)) / (2.0 * distance);
        let expected: f64 = projection(&call, &weighting)
            .iter()
            .zip(0..)
            .zip(call.weights.specs().iter())
            .filter(|(_, spec)| spec.trainable)
            .map(|((gradient, index), _)| {
                let direction = Array::from_tensor(noise(10, index, [gradient.values.len()])).values;
                gradient
                    .values
                    .iter()
                    .zip(direction)
                    .map(|(gradient, direction)| gradient * direction)
                    .sum::<f64>()
            })
            .sum();
        // The curvature over the distance, and f32 outputs divided by it.
        assert!(
            (slope / expected - 1.0).abs() < 0.01,
            "{architecture:?}: slope {slope}, gradient {expected}"
        );
    }
}

#[test]
fn activations_are_counted_layer_by_layer() {
    // One level, one block: a convolution, a block down, two around the attention in the middle, two up.
    let config = AdmConfig {
        image_size: 8.into(),
        in_channels: 3,
        channel_mult: vec![1],
        attention_resolutions: vec![],
        dropout: 0.0,
        ..small_adm()
    };
    let network = Architecture::Adm(config).build().expect("a possible network");
    // What each keeps, the input first: inputs of norms and convolutions (of the third one too in the blocks
    // that take in 64 channels), queries, keys, values, and what was attended to.
    let (block, joined, attention) = ([32, 3 * 32], [64, 2 * 64 + 2 * 32], [32, 5 * 32]);
    let outside = 3 + 32 + 32;
    let inputs = 3 * block[0] + 2 * joined[0] + attention[0];
    let inner = 3 * block[1] + 2 * joined[1] + attention[1];
    assert_eq!(network.activations(false), 64 * (outside + inputs + inner));
    // The middle counts as one block, of which one input stays.
    let middle = 2 * block[1] + attention[1] + block[0] + attention[0];
    let stay = outside + 2 * block[0] + 2 * joined[0];
    assert_eq!(network.activations(true), 64 * (stay + middle));
}

#[test]
fn activation_checkpointing_changes_no_gradient() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 2);
        call.condition.dropout = Some(key(1, &[0, 1]));
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let run = |weights: Weights| {
            let input = call.input.clone().autodiff().require_grad();
            let output = call
                .network
                .forward(&weights, input.clone(), &call.codes, &call.condition)
                .expect("a call that fits");
            let mut gradients = (output.clone() * weighting.clone()).sum().backward();
            let input = Array::from_tensor(input.grad(&gradients).expect("the output depends on the input"));
            let parameters: Vec<Array> =
                weights.gradients(&mut gradients).into_iter().map(Array::from_tensor).collect();
            (Array::from_tensor(output.inner()).values, input.values, parameters)
        };
        let (output, input, parameters) = run(call.weights.tracked());
        let (output_again, input_again, parameters_again) = run(call.weights.tracked_with(true));
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let overall = parameters.iter().map(|gradient| largest(&gradient.values)).fold(0.0, f64::max);
        // Operators may round otherwise where they also prepare for a backward pass; nothing else differs. The
        // second term is for gradients that are zero up to rounding.
        let close = |what: &str, plain: &[f64], again: &[f64]| {
            let bound = 1e-4 * largest(plain) + 1e-6 * overall;
            let differences: Vec<f64> = plain.iter().zip(again).map(|(a, b)| a - b).collect();
            let difference = largest(&differences);
            assert!(
                difference <= bound,
                "{architecture:?}: {what} differs by {difference:e}, more than {bound:e}"
            );
        };
        close("output", &output, &output_again);
        close("gradient of the input", &input, &input_again);
        for ((spec, _), (plain, again)) in call.weights.iter().zip(parameters.iter().zip(&parameters_again)) {
            close(&spec.name, &plain.values, &again.values);
        }
    }
}
