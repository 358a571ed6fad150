//! Perceptual distances: numbers of the original implementations, what they promise, and files that do not fit.

use std::path::Path;

use burn::tensor::{DType, Tensor, TensorData};
use onestep::arrays::NamedArrays;
use onestep::model::ModelError;
use onestep::noise::{Purpose, Stream};
use onestep::objective::{Distance, LoadedDistance};
use onestep::perceptual::{
    PerceptualKind, PerceptualNetwork, Pooling, Trunk, WeightFiles, find_weights, open,
};
use onestep::vision::VisionError;

use crate::devices::device;
use crate::eval::weight_rule::WeightRule;
use crate::golden::cases::beside;
use crate::golden::{Array, arrays_at, case, check_gradients, check_values};
use crate::objectives::loaded;

const ALEXNET: PerceptualKind = PerceptualKind::Lpips { trunk: Trunk::AlexNet, pooling: Pooling::Max };

/// A network with the weights of the golden set's rule; none, with a word about it, if it has none.
pub fn by_rule(kind: PerceptualKind) -> Option<PerceptualNetwork> {
    let rule = WeightRule::open()?;
    let weights = kind.arrays().into_iter().map(|(name, shape)| {
        let values = rule.values(&name, &shape);
        (name, (shape, values))
    });
    Some(PerceptualNetwork::from_named(kind, weights.collect(), &device()).unwrap())
}

/// Weights of the usual size, and heads that are not negative.
fn random_weights(kind: PerceptualKind) -> NamedArrays {
    let weights = kind.arrays().into_iter().enumerate().map(|(index, (name, shape))| {
        let (n, fan_in) = (shape.iter().product(), shape.iter().skip(1).product::<usize>().max(1));
        let scale = (2.0 / fan_in as f32).sqrt();
        let normal = Stream::new(3, Purpose::Test, index as u64, 0).standard_normal(n);
        let head = name.starts_with("lin");
        let values = normal.into_iter().map(|z| if head { z.abs() } else { z * scale }).collect();
        (name, (shape, values))
    });
    weights.collect()
}

fn random_network(kind: PerceptualKind) -> PerceptualNetwork {
    PerceptualNetwork::from_named(kind, random_weights(kind), &device()).unwrap()
}

fn builtin() -> PerceptualNetwork {
    PerceptualNetwork::builtin(&device()).unwrap()
}

/// Images that are smooth enough to be images.
fn images(n: usize, size: usize, channels: usize, seed: u64) -> Tensor<4> {
    let coarse = Stream::new(seed, Purpose::Test, 1, 0).standard_normal(n * 36 * channels);
    let coarse = Tensor::from_data(TensorData::new(coarse, [n, 6, 6, channels]), &device());
    (onestep_kernels::resize_bilinear(coarse, size, size) * 0.5).clamp(-1.0, 1.0)
}

fn values(tensor: Tensor<1>) -> Vec<f64> {
    Array::from_tensor(tensor.inner()).values
}

/// A distance and its gradient with respect to the first images.
fn with_gradient(
    between: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    a: Tensor<4>,
    b: Tensor<4>,
) -> (Vec<f64>, Array) {
    let a = a.autodiff().require_grad();
    let distance = between(a.clone(), b);
    let mut gradients = distance.clone().sum().backward();
    (values(distance), Array::from_tensor(a.grad_remove(&mut gradients).expect("a gradient")))
}

/// Each image of a batch by its number.
fn one_by_one(batch: &Array) -> Vec<(String, Array)> {
    let [n, rest @ ..] = batch.shape.as_slice() else { panic!("a batch") };
    let shape: Vec<usize> = [1].iter().chain(rest).copied().collect();
    let each = batch.values.chunks_exact(rest.iter().product()).enumerate().take(*n);
    each.map(|(i, values)| (format!("image {i}"), Array { shape: shape.clone(), values: values.to_vec() }))
        .collect()
}

/// Gradients in f64 that are all right for these images, one after the other: their own, and those of images beside them by
/// less than f32 can tell.
///
/// Where two pixels under a window of max pooling, or a channel and zero, are equal but for rounding, the gradient jumps, and the
/// rounding of whoever computes it decides: the golden numbers of `lpips` and `piq_max` are of one function and differ by 0.9 % in
/// one image of two.
fn gradients_nearby<'a>(
    between: &'a dyn Fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
    a: &'a Tensor<4>,
    b: &'a Tensor<4>,
) -> impl Iterator<Item = Array> + 'a {
    let noise = |seed| {
        let values = Stream::new(seed, Purpose::Test, 2, 0).standard_normal(a.dims().iter().product());
        Tensor::<4>::from_data(TensorData::new(values, a.dims()), &device()).cast(DType::F64)
    };
    let scales = [0.0, 2e-7, 2e-7, 2e-7, 4e-7, 4e-7, 4e-7, 4e-7, 8e-7, 8e-7, 8e-7, 8e-7];
    (1..).zip(scales).map(move |(seed, scale)| {
        let beside = noise(seed) * scale;
        let [a, b] = [a, b].map(|images| images.clone().cast(DType::F64));
        with_gradient(between, a + beside, b).1
    })
}

/// What lies nearest to the expected gradients between those computed, value by value; no more are computed than it takes.
///
/// Several ties in one image may be decided in any combination, which no single gradient may hit.
fn nearest(candidates: impl Iterator<Item = Array>, expected: &Array) -> Array {
    let largest: Vec<f64> = one_by_one(expected)
        .iter()
        .map(|(_, image)| image.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs())))
        .collect();
    let per_image = expected.values.len() / largest.len();
    let (mut low, mut high): (Vec<f64>, Vec<f64>) = Default::default();
    let mut got = expected.clone();
    for candidate in candidates {
        assert!(candidate.values.iter().all(|value| value.is_finite()));
        if low.is_empty() {
            (low, high) = (candidate.values.clone(), candidate.values);
        } else {
            low.iter_mut().zip(&candidate.values).for_each(|(low, value)| *low = low.min(*value));
            high.iter_mut().zip(&candidate.values).for_each(|(high, value)| *high = high.max(*value));
        }
        let between = low.iter().zip(&high).zip(&expected.values);
        got.values = between.map(|((&low, &high), &expected)| expected.clamp(low, high)).collect();
        let apart = got.values.iter().zip(&expected.values).map(|(got, expected)| (got - expected).abs());
        if apart.enumerate().all(|(i, apart)| apart < 5e-4 * largest[i / per_image]) {
            break;
        }
    }
    got
}

/// Every variant of the case: what it is called says how it pools, and at which size images are compared.
#[test]
fn golden_lpips() {
    let Some(case) = case("lpips") else { return };
    let rule = case.text("grad_compare");
    let [image0, image1] =
        ["image0", "image1"].map(|key| case.array(key).channels_last().tensor::<4>(&device()));
    for (key, expected) in case.arrays() {
        let Some(variant) = key.strip_suffix(".distance") else { continue };
        let size: Option<usize> = variant.rsplit('_').next().and_then(|size| size.parse().ok());
        let averages = variant.contains("avg") || size.is_some();
        let pooling = if averages { Pooling::Average } else { Pooling::Max };
        let kind = PerceptualKind::Lpips { trunk: Trunk::Vgg16, pooling };
        let Some(network) = by_rule(kind) else { return };
        let n = expected.shape[0];
        let [a, b] = [&image0, &image1].map(|images| images.clone().slice(0..n));
        if let Some(expected) = case.find(&format!("{variant}.per_layer")) {
            let places = network.at_each_place(a.clone(), b.clone()).into_iter().flat_map(values).collect();
            case.check(
                &format!("{variant} per layer"),
                &Array { shape: vec![5, n], values: places },
                expected,
            );
        }
        let between = |network: PerceptualNetwork| -> Box<dyn Fn(Tensor<4>, Tensor<4>) -> Tensor<1>> {
            let Some(size) = size else { return Box::new(move |a, b| network.between(a, b)) };
            let distance = Distance::Lpips { trunk: Trunk::Vgg16, pooling, size };
            let distance = LoadedDistance::with_network(distance, network.into()).unwrap();
            Box::new(move |a, b| distance.between(a, b))
        };
        let wide = between(network.in_f64());
        let (distances, gradient) = with_gradient(between(network), a.clone(), b.clone());
        case.check(variant, &Array { shape: vec![n], values: distances }, expected);
        let whole = case.array(&format!("{variant}.grad_image0")).channels_last();
        let expected = one_by_one(&whole);
        // Ties that f32 decides otherwise move a gradient at single places and not as a whole.
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let each = one_by_one(&gradient).into_iter().zip(&expected).map(|((_, got), (_, expected))| {
            let mut apart = got.values.iter().zip(&expected.values).map(|(got, expected)| got - expected);
            norm(&mut apart) / norm(&mut expected.values.iter().copied())
        });
        let what = format!("{variant} gradient as a whole");
        check_values(&case.name, &what, &each.collect::<Vec<_>>(), &vec![0.0; n], |_| 0.03);
        let got = nearest(std::iter::once(gradient).chain(gradients_nearby(&wide, &a, &b)), &whole);
        let expected = expected.iter().map(|(name, array)| (name.as_str(), array));
        let got = one_by_one(&got).into_iter().collect();
        check_gradients(&case, variant, rule, |name| case.number(name), &got, expected);
    }
}

/// Distances of shift-tolerant LPIPS from an independent evaluation in single precision; ours has kernels in half precision.
#[test]
fn golden_shift_tolerant_lpips_sees_what_the_original_sees() {
    let (Some(json), Some(pixels), Some(full)) = (
        beside("stlpips_golden.json"),
        beside("stlpips_golden_images.safetensors"),
        beside("stlpips_alex.safetensors"),
    ) else {
        return;
    };
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let pixels = arrays_at(&pixels).unwrap();
    let image = |name: &str| {
        let array = &pixels[&format!("{name}_u8_chw")];
        let values = array.values.iter().map(|byte| byte / 127.5 - 1.0).collect();
        Array { shape: [&[1], &array.shape[..]].concat(), values }.channels_last().tensor::<4>(&device())
    };
    let mut named = onestep::interop::read_weights(&full).unwrap();
    named.retain(|name, _| !name.ends_with(".filt") && !name.starts_with("scaling_layer"));
    let full = PerceptualNetwork::from_named(PerceptualKind::StLpips, named, &device()).unwrap();
    // f32 through some thousand terms; 2^-11 for each rounded weight, somewhat more where few channels decide.
    for (network, what, rtol) in [(full, "st-lpips", 1e-4), (builtin(), "st-lpips built in", 4e-3)] {
        for (pair, [a, b]) in
            [("ref_p0", ["ref", "p0"]), ("ref_p1", ["ref", "p1"]), ("c10_0_vs_1", ["c10_a", "c10_b"])]
        {
            let Some(expected) = json["values"]["alex"].get(pair) else { continue };
            let places: Vec<f64> = serde_json::from_value(expected[1].clone()).unwrap();
            let got = network.at_each_place(image(a), image(b)).into_iter().flat_map(values);
            check_values(what, pair, &got.collect::<Vec<_>>(), &places, |e| rtol * e);
            let got = values(network.between(image(a), image(b)));
            check_values(what, pair, &got, &[expected[0].as_f64().unwrap()], |e| rtol * e);
        }
        assert_eq!(values(network.between(image("ref"), image("ref"))), [0.0]);
    }
}

#[test]
fn equal_images_are_at_distance_zero_with_a_gradient_of_zero() {
    for network in [builtin(), random_network(ALEXNET)] {
        // An image of one color has pixels without any channel in many places.
        for a in [
            images(2, 64, 3, 1),
            Tensor::zeros([1, 64, 64, 3], &device()),
            -Tensor::ones([1, 64, 64, 3], &device()),
        ] {
            let (distance, gradient) = with_gradient(|a, b| network.between(a, b), a.clone(), a);
            assert!(distance.iter().all(|&d| d == 0.0), "{}: {distance:?}", network.name());
            assert!(gradient.values.iter().all(|&g| g == 0.0), "{}", network.name());
        }
    }
}

#[test]
fn distances_are_symmetric_and_those_of_each_pair_alone() {
    for network in [builtin(), random_network(ALEXNET)] {
        let (a, b) = (images(3, 40, 3, 1), images(3, 40, 3, 2));
        let together = values(network.between(a.clone(), b.clone()));
        assert!(together.iter().all(|&d| d > 0.0 && d.is_finite()));
        assert_eq!(values(network.between(b.clone(), a.clone())), together, "{}", network.name());
        for (i, &expected) in together.iter().enumerate() {
            let [a, b] = [&a, &b].map(|images| images.clone().slice(i..i + 1));
            assert_eq!(values(network.between(a, b)), [expected], "{}", network.name());
        }
        let places = network.at_each_place(a, b);
        let sum: f64 = places.into_iter().flat_map(values).sum();
        assert!((sum / together.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }
}

/// The gradient against central differences along itself, from either side of the pair.
#[test]
fn gradients_equal_finite_differences() {
    for network in [builtin(), random_network(ALEXNET)] {
        let wide = network.in_f64();
        let [a, b] = [1, 2].map(|seed| images(1, 48, 3, seed).cast(DType::F64));
        let (_, gradient) = with_gradient(|a, b| wide.between(a, b), a.clone(), b.clone());
        let (_, other) = with_gradient(|b, a| wide.between(a, b), b.clone(), a.clone());
        for (gradient, first) in [(&gradient, true), (&other, false)] {
            let norm = gradient.values.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!(norm > 0.0 && norm.is_finite());
            let step = 1e-5;
            let along = gradient.tensor::<4>(&device()).cast(DType::F64) * (step / norm);
            let at = |sign: f64| {
                let moved = along.clone() * sign;
                let (a, b) =
                    if first { (a.clone() + moved, b.clone()) } else { (a.clone(), b.clone() + moved) };
                values(wide.between(a, b))[0]
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            // The direction is rounded to f32; rectifiers that switch within the step make more.
            assert!((slope / norm - 1.0).abs() < 1e-4, "{}: {slope} {norm}", network.name());
        }
        // In f32 the same but for rounding, and for windows in which it decides which pixel is the largest.
        let [a, b] = [a, b].map(|images| images.cast(DType::F32));
        let (_, narrow) = with_gradient(|a, b| network.between(a, b), a, b);
        let (mut apart, mut whole) = (0.0, 0.0);
        for (narrow, wide) in narrow.values.iter().zip(&gradient.values) {
            (apart, whole) = (apart + (narrow - wide).powi(2), whole + wide.powi(2));
        }
        assert!((apart / whole).sqrt() < 0.03, "{}: {apart} of {whole}", network.name());
    }
}

#[test]
fn gray_images_are_colored_ones_without_color() {
    let network = builtin();
    let (a, b) = (images(2, 32, 1, 1), images(2, 32, 1, 2));
    let colored = network.between(a.clone().repeat_dim(3, 3), b.clone().repeat_dim(3, 3));
    assert_eq!(values(network.between(a, b)), values(colored));
}

#[test]
fn small_images_are_resized_and_large_ones_are_not() {
    let network = std::sync::Arc::new(random_network(ALEXNET));
    let of_size = |size| {
        let distance = Distance::Lpips { trunk: Trunk::AlexNet, pooling: Pooling::Max, size };
        LoadedDistance::with_network(distance, network.clone()).unwrap()
    };
    let (a, b) = (images(1, 20, 3, 1), images(1, 20, 3, 2));
    let [large_a, large_b] = [&a, &b].map(|i| onestep_kernels::resize_bilinear(i.clone(), 64, 64));
    let expected = values(network.between(large_a, large_b));
    assert_eq!(values(of_size(64).between(a, b)), expected);
    let published = Distance::Lpips { trunk: Trunk::Vgg16, pooling: Pooling::Average, size: 224 };
    for (image, seen) in [(32, 224), (64, 224), (255, 224), (256, 256), (512, 512)] {
        assert_eq!(published.compared_at([image; 2]), [seen; 2]);
    }
    assert_eq!(Distance::StLpips { size: None }.compared_at([32; 2]), [32; 2]);
    assert!(LoadedDistance::with_network(published, network).is_none(), "another network");
}

/// What is asked of an image is found out from numbers alone; here it is tried.
#[test]
fn the_smallest_image_is_seen() {
    let vgg = PerceptualKind::Lpips { trunk: Trunk::Vgg16, pooling: Pooling::Average };
    assert_eq!([vgg, ALEXNET, PerceptualKind::StLpips].map(PerceptualKind::smallest), [16, 31, 21]);
    for network in [builtin(), random_network(ALEXNET)] {
        let size = network.kind().smallest();
        assert!(network.kind().activations([size - 1, size]).is_none());
        let distance = values(network.between(images(1, size, 3, 1), images(1, size, 3, 2)));
        assert!(distance[0].is_finite() && distance[0] > 0.0, "{}", network.name());
    }
    // Known from torchvision: 14,714,688 in the convolutions of VGG16, 2,469,696 in those of AlexNet.
    assert_eq!(vgg.n_weights(), 14_714_688 + 64 + 128 + 256 + 512 + 512);
    assert_eq!(ALEXNET.n_weights(), 2_469_696 + 64 + 192 + 384 + 256 + 256);
}

fn write(path: &Path, named: &NamedArrays) {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = named
        .iter()
        .map(|(name, (shape, values))| {
            (name.clone(), shape.clone(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Trunk and heads of AlexNet in two files, after `change`.
fn alexnet_files(folder: &Path, change: impl Fn(&mut NamedArrays, &mut NamedArrays)) -> WeightFiles {
    let (mut heads, mut trunk): (NamedArrays, NamedArrays) =
        random_weights(ALEXNET).into_iter().partition(|(name, _)| name.starts_with("lin"));
    change(&mut trunk, &mut heads);
    let [trunk_file, heads_file] = ["trunk.safetensors", "heads.safetensors"].map(|name| folder.join(name));
    write(&trunk_file, &trunk);
    write(&heads_file, &heads);
    WeightFiles { trunk: Some(trunk_file), heads: Some(heads_file) }
}

#[test]
fn weights_come_from_two_files_or_one_and_classifiers_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (images(1, 40, 3, 1), images(1, 40, 3, 2));
    let expected = values(random_network(ALEXNET).between(a.clone(), b.clone()));
    let files = alexnet_files(folder.path(), |trunk, _| {
        trunk.insert("classifier.6.bias".into(), (vec![2], vec![1.0; 2]));
    });
    let network = open(ALEXNET, &files, &device()).unwrap();
    assert_eq!(values(network.between(a.clone(), b.clone())), expected);
    assert_eq!(network.name(), random_network(ALEXNET).name(), "the same weights have the same name");
    let both = folder.path().join("both.safetensors");
    write(&both, &random_weights(ALEXNET));
    let files = WeightFiles { trunk: Some(both.clone()), heads: Some(both) };
    assert_eq!(values(open(ALEXNET, &files, &device()).unwrap().between(a, b)), expected);
}

#[test]
fn files_that_do_not_fit_are_refused_with_file_and_tensor() {
    type Change = fn(&mut NamedArrays, &mut NamedArrays);
    let cases: [(Change, &str, &str); 7] = [
        (
            |trunk, _| drop(trunk.remove("features.8.bias")),
            "trunk.safetensors",
            "`features.8.bias` is missing",
        ),
        (
            |_, heads| drop(heads.remove("lin2.model.1.weight")),
            "heads.safetensors",
            "`lin2.model.1.weight` is missing",
        ),
        (
            |trunk, _| {
                drop(trunk.insert("features.3.weight".into(), (vec![192, 64, 3, 3], vec![0.0; 192 * 64 * 9])))
            },
            "trunk.safetensors",
            "`features.3.weight` has shape [192, 64, 3, 3], the network needs [192, 64, 5, 5]",
        ),
        (
            |_, heads| drop(heads.insert("lin0.model.1.weight".into(), (vec![1, 32, 1, 1], vec![0.0; 32]))),
            "heads.safetensors",
            "`lin0.model.1.weight` has shape",
        ),
        (
            |trunk, _| drop(trunk.insert("features.0.gain".into(), (vec![1], vec![0.0]))),
            "trunk.safetensors",
            "`features.0.gain` does not belong",
        ),
        (
            |_, heads| drop(heads.insert("net.slice1.0.bias".into(), (vec![1], vec![0.0]))),
            "heads.safetensors",
            "`net.slice1.0.bias` does not belong",
        ),
        (
            |trunk, _| trunk.get_mut("features.10.bias").unwrap().1[7] = f32::NAN,
            "trunk.safetensors",
            "`features.10.bias` holds a value that is not finite at index 7",
        ),
    ];
    for (change, file, part) in cases {
        let folder = tempfile::tempdir().unwrap();
        let files = alexnet_files(folder.path(), change);
        let message = open(ALEXNET, &files, &device()).expect_err(part).to_string();
        assert!(message.contains(file) && message.contains(part), "{message}");
    }
    // Not a finite number where no file was read before.
    let mut named = random_weights(ALEXNET);
    named.get_mut("lin4.model.1.weight").unwrap().1[3] = f32::INFINITY;
    let error = PerceptualNetwork::from_named(ALEXNET, named, &device()).unwrap_err();
    assert_eq!(error, ModelError::NotFinite { name: "lin4.model.1.weight".into(), index: 3 });
}

#[test]
fn bytes_that_are_no_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = alexnet_files(folder.path(), |_, _| {});
    let whole = std::fs::read(files.trunk.as_ref().unwrap()).unwrap();
    let bomb = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    for (what, bytes) in [
        ("empty", &b""[..]),
        ("cut", &whole[..whole.len() / 2]),
        ("header cut", &whole[..20]),
        ("a picture", b"\x89PNG\r\n\x1a\n and so on"),
        ("a program", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."),
        ("a header without end", &bomb),
    ] {
        for part in [&files.trunk, &files.heads] {
            let path = part.as_ref().unwrap();
            let healthy = std::fs::read(path).unwrap();
            std::fs::write(path, bytes).unwrap();
            let error = open(ALEXNET, &files, &device()).expect_err(what);
            assert!(matches!(error, VisionError::Weights(_)), "{what}: {error}");
            assert!(error.to_string().contains(&path.display().to_string()), "{what}: {error}");
            std::fs::write(path, healthy).unwrap();
        }
    }
}

#[test]
fn missing_weights_are_asked_for_with_where_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let vgg = PerceptualKind::Lpips { trunk: Trunk::Vgg16, pooling: Pooling::Average };
    let message = |kind, files: &WeightFiles| {
        find_weights(kind, files, folder.path()).expect_err("nothing is there").to_string()
    };
    let nothing = message(vgg, &WeightFiles::default());
    for part in [
        "vgg16-397923af.pth",
        "download.pytorch.org/models",
        "train.distance_files.trunk",
        "st-lpips",
        &folder.path().display().to_string(),
    ] {
        assert!(nothing.contains(part), "{part}: {nothing}");
    }
    let trunk = message(ALEXNET, &WeightFiles::default());
    assert!(trunk.contains("alexnet-owt-7be5be79.pth"), "{trunk}");
    let files = alexnet_files(folder.path(), |_, _| {});
    let heads = message(ALEXNET, &WeightFiles { heads: None, ..files.clone() });
    for part in ["lpips/weights/v0.1/alex.pth", "lpips 0.1.4", "train.distance_files.heads"] {
        assert!(heads.contains(part), "{part}: {heads}");
    }
    let named = WeightFiles { trunk: Some("not/there.pth".into()), ..files.clone() };
    assert!(message(ALEXNET, &named).contains("there is no not/there.pth"));

    // What lies in the cache is found, and what is named wins.
    let unnamed = open(ALEXNET, &WeightFiles::default(), &device()).unwrap_err().to_string();
    assert!(
        unnamed.contains("there is no alexnet-owt-7be5be79.pth") && unnamed.contains("name it"),
        "{unnamed}"
    );
    for (from, to) in
        [(&files.trunk, "alexnet-owt-7be5be79.pth"), (&files.heads, "lpips_v0.1_lin_alex.safetensors")]
    {
        std::fs::copy(from.as_ref().unwrap(), folder.path().join(to)).unwrap();
    }
    let found = find_weights(ALEXNET, &WeightFiles::default(), folder.path()).unwrap();
    assert_eq!(found.trunk.as_deref(), Some(&*folder.path().join("alexnet-owt-7be5be79.pth")));
    open(ALEXNET, &found, &device()).unwrap();
    assert_eq!(find_weights(ALEXNET, &files, folder.path()).unwrap(), files);
    let none = find_weights(PerceptualKind::StLpips, &WeightFiles::default(), folder.path()).unwrap();
    assert!(none.is_empty());
}

/// Shift-tolerant LPIPS needs no file, whatever is named.
#[test]
fn shift_tolerant_lpips_is_built_in() {
    let distance = loaded(Distance::StLpips { size: None });
    let (a, b) = (images(2, 32, 3, 1), images(2, 32, 3, 2));
    assert_eq!(values(distance.between(a.clone(), b.clone())), values(builtin().between(a, b)));
    assert_eq!(distance.distance(), &Distance::StLpips { size: None });
}
