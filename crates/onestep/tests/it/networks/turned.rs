//! Images that are not square: a network laid on its side does the same to an image laid on its side.

use burn::tensor::Tensor;
use onestep::model::{Architecture, Weights};
use onestep::{ImageSize, model::ParameterSpec};

use super::small::{Call, noise, small_architectures};
use crate::golden::Array;

const HEIGHT: usize = 16;
const WIDTH: usize = 24;

/// The architecture for images of another size, attending where the second level does.
fn sized(mut architecture: Architecture, size: ImageSize) -> Option<Architecture> {
    let attends = vec![HEIGHT / 2];
    match &mut architecture {
        Architecture::Adm(config) => {
            (config.image_size, config.attention_resolutions) = (size, attends);
        }
        Architecture::Song(config) => {
            (config.image_size, config.attention_resolutions) = (size, attends);
        }
        Architecture::Dhariwal(config) => {
            // Feature maps of less than 64 channels would not attend.
            (config.image_size, config.attention_resolutions) = (size, attends);
            config.channel_mult = vec![1, 2];
        }
        Architecture::Mlp(_) | Architecture::Custom(_) => return None,
    }
    Some(architecture)
}

/// A parameter, or its gradient, with the kernels of convolutions laid on their side.
fn turned(spec: &ParameterSpec, value: Tensor<1>) -> Tensor<1> {
    match *spec.shape {
        [rows, columns, n_in, n_out] => value
            .reshape([rows, columns, n_in, n_out])
            .swap_dims(0, 1)
            .reshape([rows * columns * n_in * n_out]),
        _ => value,
    }
}

/// The output, and the gradient of its projection on `weighting` by every parameter.
fn output_and_gradients(call: &Call, weighting: &Tensor<4>) -> (Tensor<4>, Vec<Tensor<1>>) {
    let weights = call.weights.tracked();
    let output = call.output(&weights);
    let mut gradients = (output.clone() * weighting.clone()).sum().backward();
    (output.inner(), weights.gradients(&mut gradients))
}

fn largest(values: &Tensor<1>) -> f64 {
    let values = Array::from_tensor(values.clone()).values;
    values.iter().fold(0.0f64, |most, value| most.max(value.abs()))
}

/// `scale` is what rounding is small beside: some gradients are sums of large numbers that cancel.
fn assert_near(a: Tensor<1>, b: Tensor<1>, scale: f64, what: &str) {
    let allowed = 2e-4 * largest(&a) + 1e-6 * scale;
    let [a, b] = [a, b].map(|tensor| Array::from_tensor(tensor).values);
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= allowed, "{what}: {a} and {b}, {allowed:e} allowed");
    }
}

#[test]
fn a_network_on_its_side_turns_its_images_and_gradients() {
    for architecture in small_architectures() {
        let wide = ImageSize { height: HEIGHT, width: WIDTH };
        let high = ImageSize { height: WIDTH, width: HEIGHT };
        let (Some(wide), Some(high)) = (sized(architecture.clone(), wide), sized(architecture, high)) else {
            continue;
        };
        let wide = Call::new(&wide, 2);
        let high = Call::new(&high, 2);
        assert_eq!(wide.network.image()[..2], [HEIGHT, WIDTH]);
        let specs = wide.network.parameters();
        assert_eq!(wide.network.activations(false), high.network.activations(false));
        let values = specs.iter().zip(wide.weights.values()).map(|(spec, value)| turned(spec, value.clone()));
        let high = Call {
            weights: Weights::from_values(high.network.parameters(), values.collect()),
            input: wide.input.clone().swap_dims(1, 2),
            ..high
        };
        let weighting = noise(9, 0, wide.output(&wide.weights).dims());
        let (output, gradients) = output_and_gradients(&wide, &weighting);
        let (turned_output, turned_gradients) = output_and_gradients(&high, &weighting.swap_dims(1, 2));
        let n = output.dims().iter().product::<usize>();
        assert_near(output.reshape([n]), turned_output.swap_dims(1, 2).reshape([n]), 1.0, "output");
        let scale = gradients.iter().map(largest).fold(0.0, f64::max);
        for ((spec, gradient), other) in specs.iter().zip(gradients).zip(turned_gradients) {
            assert_near(turned(spec, gradient), other, scale, &spec.name);
        }
    }
}

#[test]
fn levels_are_named_by_height_and_width_and_attend_by_their_shorter_side() {
    let wide = ImageSize { height: HEIGHT, width: WIDTH };
    let mut seen = 0;
    for architecture in small_architectures() {
        let Some(architecture) = sized(architecture, wide) else { continue };
        let network = architecture.build().unwrap();
        let names: Vec<&str> = network.parameters().iter().map(|spec| spec.name.as_str()).collect();
        if matches!(architecture, Architecture::Song(_) | Architecture::Dhariwal(_)) {
            assert!(names.contains(&"enc.16x24_conv.weight"), "{names:?}");
            assert!(names.contains(&"enc.8x12_block0.qkv.weight"), "{names:?}");
            seen += 1;
        }
        let text = serde_json::to_string(&architecture).unwrap();
        assert!(text.contains("\"image_size\":[16,24]"), "{text}");
        assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
    }
    assert!(seen > 0);
    let odd = sized(small_architectures().remove(0), ImageSize { height: 15, width: 24 }).unwrap();
    let error = odd.build().unwrap_err().to_string();
    assert!(error.contains("image_size [15, 24] cannot be halved"), "{error}");
}
