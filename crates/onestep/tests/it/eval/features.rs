//! What feature networks see, beside what the original implementations see.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use onestep::data::{ImageShape, Pixels};
use onestep::eval::features::{
    BUILTIN, CifarResNet, EfficientNetLite0, INCEPTION, INCEPTION_FILES, Inception, OpenOptions, Resize, open,
};
use onestep::eval::{EvalError, FeatureNetwork};
use onestep::interop::{NamedArrays, read_weights};
use onestep::model::ModelError;
use onestep::vision::VisionError;

use super::weight_rule::WeightRule;
use crate::golden::cases::beside;
use crate::golden::{Array, Case, case, check_values};

/// An image of the golden set, channels first there.
fn image(array: &Array) -> Pixels {
    let array = array.channels_last();
    let shape = ImageShape { height: array.shape[1], width: array.shape[2], channels: array.shape[3] };
    Pixels::new(shape, array.values.iter().map(|&value| value as u8).collect()).unwrap()
}

/// Some image.
fn pattern(size: usize, seed: usize) -> Pixels {
    let shape = ImageShape { height: size, width: size, channels: 3 };
    let bytes = (0..shape.n_values()).map(|i| ((i * (seed + 7) + i * i / 5 + 31 * seed) % 251) as u8);
    Pixels::new(shape, bytes.collect()).unwrap()
}

fn golden_weights(case: &Case, rule: &WeightRule) -> NamedArrays {
    let shapes = case.get("parameter_shapes").as_object().unwrap();
    let shape = |value: &serde_json::Value| -> Vec<usize> {
        value.as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap() as usize).collect()
    };
    shapes
        .iter()
        .map(|(name, value)| {
            let shape = shape(value);
            (name.clone(), (shape.clone(), rule.values(name, &shape)))
        })
        .collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// The mean of each channel over an image.
fn channel_means(tensor: &Tensor<4>) -> Vec<f64> {
    Array::from_tensor(tensor.clone().mean_dim(1).mean_dim(2)).values
}

#[test]
fn golden_inception_sees_what_the_originals_see() {
    let (Some(case), Some(rule)) = (case("inception"), WeightRule::open()) else { return };
    let weights = golden_weights(&case, &rule);
    let bias = wide(&weights["fc.bias"].1);
    let rtol = case.number("rtol");
    let device = Device::flex();
    let close = |what: &str, got: &[f64], expected: &Array| {
        let bound = rtol * largest(&expected.values);
        check_values("inception", what, got, &expected.values, |_| bound);
    };
    let resizes = [("half_pixel", Resize::PyTorch), ("tf1", Resize::Tf1)];
    for (path, resize) in resizes {
        let network = Inception::from_named(weights.clone(), resize, &device).unwrap();
        let images =
            case.arrays().iter().filter_map(|(key, array)| Some((key.strip_suffix(".image_uint8")?, array)));
        for (which, array) in images {
            let key = |part: &str| format!("{which}.{path}.{part}");
            let image = image(array);
            check_resized(&case, &key("resized"), resize, &image);
            let mut blocks = BTreeMap::new();
            let seen = network
                .look(std::slice::from_ref(&image), &mut |stage, output| {
                    blocks.insert(stage.to_owned(), channel_means(output));
                })
                .unwrap();
            for (block, stage) in [("block0", "pool0"), ("block1", "pool1"), ("block2", "Mixed_6e")] {
                if let Some(expected) = case.find(&key(&format!("{block}.mean_per_channel"))) {
                    close(&key(block), &blocks[stage], expected);
                }
            }
            close(&key("pool"), &wide(&seen.pooled), case.array(&key("pool")));
            let logits = wide(seen.logits.as_ref().unwrap());
            let with_bias: Vec<f64> = logits.iter().zip(&bias).map(|(logit, bias)| logit + bias).collect();
            close(&key("logits"), &with_bias, case.array(&key("logits")));
            if let Some(expected) = case.find(&key("logits_without_bias")) {
                close(&key("logits_without_bias"), &logits, expected);
            }
        }
    }
}

/// The golden set holds small images whole, of large ones every n-th pixel.
fn check_resized(case: &Case, key: &str, resize: Resize, image: &Pixels) {
    // In the units of the set: bytes for TensorFlow, their 255th part for PyTorch, with the tolerances it states.
    let (unit, atol) = if resize == Resize::Tf1 { (1.0, 1e-4) } else { (255.0, 1e-6) };
    for (name, expected) in case.arrays().iter().filter(|(name, _)| name.starts_with(key)) {
        let every: usize = name[key.len()..].strip_prefix("_every").map_or(1, |every| every.parse().unwrap());
        let [_, channels, rows, columns]: [usize; 4] = expected.shape.as_slice().try_into().unwrap();
        let size = (rows - 1) * every + 1;
        // 299 = 22 · 13 + 13: what is left out at the end cannot be told from the shape.
        let size = if every == 1 { size } else { 299.max(size) };
        let resized = resize.resized(image, size);
        let mut got = Vec::new();
        for channel in 0..channels {
            for y in 0..rows {
                got.extend(
                    (0..columns).map(|x| {
                        f64::from(resized[(y * every * size + x * every) * channels + channel]) / unit
                    }),
                );
            }
        }
        check_values(&case.name, name, &got, &expected.values, |_| atol);
    }
}

#[test]
fn golden_inception_is_the_same_in_a_batch_and_under_either_naming() {
    let (Some(case), Some(rule)) = (case("inception"), WeightRule::open()) else { return };
    let mut weights = golden_weights(&case, &rule);
    weights.retain(|name, _| !name.ends_with(".bn.weight"));
    let device = Device::flex();
    let tensorflow = Inception::from_named(in_tensorflow_names(&weights), Resize::Tf1, &device).unwrap();
    let ones: Vec<_> = (weights.iter())
        .filter_map(|(name, (shape, values))| {
            let scale = name.strip_suffix(".bn.bias")?;
            Some((format!("{scale}.bn.weight"), (shape.clone(), vec![1.0; values.len()])))
        })
        .collect();
    weights.extend(ones);
    let network = Inception::from_named(weights.clone(), Resize::Tf1, &device).unwrap();
    assert_eq!(network.name(), tensorflow.name());

    let images = [pattern(32, 1), pattern(32, 2)];
    let together = network.activations(&images).unwrap();
    let widths = network.widths();
    let of_second =
        |values: &Option<Vec<f32>>, width: Option<usize>| values.as_ref().unwrap()[width.unwrap()..].to_vec();
    let alone = tensorflow.activations(&images[1..]).unwrap();
    assert_eq!(together.pooled[widths.pooled..], alone.pooled);
    assert_eq!(of_second(&together.spatial, widths.spatial), *alone.spatial.as_ref().unwrap());
    assert_eq!(of_second(&together.logits, widths.logits), *alone.logits.as_ref().unwrap());
    assert_eq!(alone.spatial.unwrap().len(), 2023);

    // Every array has to be there, and no other.
    let without = |name: &str| {
        let mut weights = weights.clone();
        weights.remove(name);
        Inception::from_named(weights, Resize::Tf1, &device).unwrap_err()
    };
    let missing = without("Mixed_7c.branch_pool.bn.running_var");
    assert!(
        matches!(missing, ModelError::MissingTensor { ref name, .. } if name.contains("Mixed_7c.branch_pool"))
    );
    weights.insert("AuxLogits.fc.weight".into(), (vec![1], vec![0.0]));
    let extra = Inception::from_named(weights, Resize::Tf1, &device).unwrap_err();
    assert!(matches!(extra, ModelError::ExtraTensor { .. }), "{extra}");
}

/// torchvision's names in TensorFlow's: branches are towers, counted, and so are the convolutions in them.
fn in_tensorflow_names(weights: &NamedArrays) -> NamedArrays {
    let counted = |name: &str, n: usize| if n == 0 { name.to_owned() } else { format!("{name}_{n}") };
    let stem = ["1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"];
    let mut layers: BTreeMap<String, String> =
        stem.iter().enumerate().map(|(n, layer)| (format!("Conv2d_{layer}"), counted("conv", n))).collect();
    let blocks = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"];
    for (n, block) in blocks.into_iter().enumerate() {
        // Branches by the number of their convolutions; the first stands alone but for one block.
        let branches: &[(&str, usize)] = match block {
            "5b" | "5c" | "5d" => {
                &[("branch1x1", 0), ("branch5x5", 2), ("branch3x3dbl", 3), ("branch_pool", 0)]
            }
            "6a" => &[("branch3x3", 0), ("branch3x3dbl", 3)],
            "7a" => &[("", 0), ("branch3x3", 2), ("branch7x7x3", 4)],
            "7b" | "7c" => &[("branch1x1", 0), ("branch3x3", 1), ("branch3x3dbl", 2), ("branch_pool", 0)],
            _ => &[("branch1x1", 0), ("branch7x7", 3), ("branch7x7dbl", 5), ("branch_pool", 0)],
        };
        let (block_ours, block_theirs) = (format!("Mixed_{block}"), counted("mixed", n));
        let last = block.starts_with('7') && block != "7a";
        for (place, &(branch, convs)) in branches.iter().enumerate() {
            let tower = if place == 0 { String::new() } else { counted("tower", place - 1) };
            let dot = if place == 0 {
                ""
            } else if last {
                "_"
            } else {
                "."
            };
            let mut put = |ours: String, theirs: String| {
                layers.insert(format!("{block_ours}.{ours}"), format!("{block_theirs}.{tower}{dot}{theirs}"));
            };
            match convs {
                0 => put(branch.into(), "conv".into()),
                _ => (0..convs).for_each(|conv| put(format!("{branch}_{}", conv + 1), counted("conv", conv))),
            }
            if last && convs > 0 {
                put(format!("{branch}_{}a", convs + 1), "mixed_conv".into());
                put(format!("{branch}_{}b", convs + 1), "mixed_conv_1".into());
            }
        }
    }
    let parts = [
        ("conv.weight", "weight"),
        ("bn.bias", "beta"),
        ("bn.running_mean", "mean"),
        ("bn.running_var", "var"),
    ];
    let translate = |name: &str| {
        if let Some(part) = name.strip_prefix("fc.") {
            return format!("output.{part}");
        }
        let (layer, part) =
            parts.iter().find_map(|(ours, theirs)| Some((name.strip_suffix(ours)?, *theirs))).unwrap();
        format!("layers.{}.{part}", layers[layer.trim_end_matches('.')])
    };
    weights.iter().map(|(name, array)| (translate(name), array.clone())).collect()
}

#[test]
fn golden_resnets_see_what_the_original_sees() {
    let (Some(fixture), Some(weights)) =
        (beside("frechet_fixture_resnet20.safetensors"), beside("resnet20_cifar10.safetensors"))
    else {
        return;
    };
    let device = Device::flex();
    let options = OpenOptions { resize: Resize::Tf1, cache: None, device: &device };
    let network = open(weights.to_str().unwrap(), &options).unwrap();
    assert!(network.name().starts_with("ResNet-20 of CIFAR-10"), "{}", network.name());
    let fixture = read_weights(&fixture).unwrap();
    let (shape, bytes) = &fixture["images_u8_nhwc"];
    let image_shape = ImageShape { height: shape[1], width: shape[2], channels: shape[3] };
    let images: Vec<Pixels> = bytes
        .chunks_exact(image_shape.n_values())
        .map(|image| Pixels::new(image_shape, image.iter().map(|&value| value as u8).collect()).unwrap())
        .collect();
    let seen = network.activations(&images).unwrap();
    for (what, got) in [("features", &seen.pooled), ("logits", seen.logits.as_ref().unwrap())] {
        let expected = wide(&fixture[what].1);
        // The file states no tolerance: f32, twenty layers.
        let bound = 1e-5 * largest(&expected);
        check_values("frechet_fixture_resnet20", what, &wide(got), &expected, |_| bound);
    }
    let classes = |logits: &[f32]| -> Vec<usize> {
        let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        logits.chunks_exact(10).map(best).collect()
    };
    assert_eq!(classes(seen.logits.as_ref().unwrap()), classes(&fixture["logits"].1));

    let alone = network.activations(&images[3..4]).unwrap();
    assert_eq!(alone.pooled, seen.pooled[3 * 64..4 * 64]);

    if let Some(deep) = beside("resnet56_cifar10.safetensors") {
        let deep = CifarResNet::from_named(read_weights(&deep).unwrap(), &device).unwrap();
        assert!(deep.name().starts_with("ResNet-56 of CIFAR-10"), "{}", deep.name());
        let labels: Vec<usize> = fixture["labels"].1.iter().map(|&label| label as usize).collect();
        let seen = classes(deep.activations(&images).unwrap().logits.as_ref().unwrap());
        let right = seen.iter().zip(&labels).filter(|(seen, label)| seen == label).count();
        assert!(right + 2 >= labels.len(), "{right} of {} images", labels.len());
    }
}

#[test]
fn the_network_that_comes_along_tells_images_apart_and_is_the_same_in_a_batch() {
    let device = Device::flex();
    let network = EfficientNetLite0::builtin(&device).unwrap();
    assert!(network.name().starts_with("EffNetLite0"), "{}", network.name());
    let images: Vec<Pixels> = (0..9).map(|seed| pattern(40, seed)).collect();
    let seen = network.activations(&images).unwrap();
    let widths = network.widths();
    assert_eq!(seen.pooled.len(), 9 * widths.pooled);
    assert_eq!(seen.logits.as_ref().unwrap().len(), 9 * widths.logits.unwrap());
    let alone = network.activations(&images[8..]).unwrap();
    assert_eq!(alone.pooled, seen.pooled[8 * widths.pooled..]);
    assert!(seen.pooled.iter().all(|value| value.is_finite()));
    assert_ne!(seen.pooled[..widths.pooled], seen.pooled[widths.pooled..2 * widths.pooled]);
}

#[test]
fn images_that_a_network_cannot_look_at_are_refused() {
    let device = Device::flex();
    let network = EfficientNetLite0::builtin(&device).unwrap();
    let grey = Pixels::new(ImageShape { height: 8, width: 8, channels: 1 }, vec![0; 64]).unwrap();
    for images in [vec![grey], vec![pattern(8, 0), pattern(9, 0)]] {
        let error = network.activations(&images).unwrap_err();
        assert!(matches!(error, EvalError::Images { .. }), "{error}");
    }
    assert!(network.activations(&[]).unwrap().pooled.is_empty());
}

#[test]
fn networks_are_found_by_name_and_absent_weights_say_where_to_get_them() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { resize: Resize::Tf1, cache: Some(folder.path()), device: &device };
    assert!(open(BUILTIN, &options).unwrap().name().starts_with("EffNetLite0"));
    let error = open(INCEPTION, &options).err().unwrap();
    let message = error.to_string();
    assert!(matches!(error, EvalError::Vision(VisionError::Missing { .. })), "{message}");
    for file in INCEPTION_FILES {
        assert!(message.contains(file), "{message}");
    }
    assert!(message.contains(folder.path().to_str().unwrap()), "{message}");
    let error = open("no/such/file.pth", &options).err().unwrap().to_string();
    assert!(error.contains("no/such/file.pth") && error.contains(BUILTIN), "{error}");
}

/// Resizing a constant changes nothing, and a size that an image has already leaves it as it is.
#[test]
fn resizing_keeps_constants_and_what_fits() {
    let flat = Pixels::new(ImageShape { height: 37, width: 50, channels: 3 }, vec![93; 37 * 50 * 3]).unwrap();
    let fits = pattern(24, 3);
    for resize in [Resize::Tf1, Resize::PyTorch, Resize::PilBicubic] {
        for size in [1, 24, 113] {
            let worst =
                resize.resized(&flat, size).iter().map(|value| (value - 93.0).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{resize} to {size}: {worst}");
        }
        let same: Vec<f32> = fits.bytes().iter().map(|&byte| f32::from(byte)).collect();
        assert_eq!(resize.resized(&fits, 24), same, "{resize}");
    }
}
