//! The containers of other programs, written by those: EDM's pickles by torch, checkpoints of flax by flax.
//!
//! `bench/make_foreign.py` made the files of `tests/foreign` and computed the outputs of the networks in them, without anything of
//! this library.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::interop::{
    ArrayFile, EdmFile, EdmForm, FlaxFile, InteropError, NameMap, NamedArrays, PlainValue, QkvOrder,
    WeightsFileError, open_weights, read_weights, song_from_jax,
};
use onestep::model::network::{DhariwalConfig, Encoder, NoiseEmbedding, SongConfig};
use onestep::model::{Architecture, Condition, Network, Weights};

use crate::golden::{Array, arrays_at};

pub fn foreign(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(file)
}

/// What was computed of a file's network, by its name.
fn outputs(name: &str) -> BTreeMap<String, Array> {
    let all = arrays_at(&foreign("outputs.safetensors")).expect("tests/foreign is part of the source");
    let own =
        |(key, array): (String, Array)| Some((key.strip_prefix(&format!("{name}."))?.to_owned(), array));
    all.into_iter().filter_map(own).collect()
}

/// The largest difference of a network's output from what was computed elsewhere, as a part of the largest value.
fn difference(name: &str, architecture: &Architecture, named: NamedArrays) -> f64 {
    let expected = outputs(name);
    let network: Arc<dyn Network> = architecture.build().unwrap();
    let weights = Weights::from_named(network.parameters(), named, &Device::flex()).unwrap();
    let shape: [usize; 4] = expected["x"].shape.clone().try_into().unwrap();
    let input = Tensor::from_data(TensorData::new(expected["x"].f32(), shape), &Device::flex());
    let labels = expected.get("labels").map(|labels| labels.values.iter().map(|&n| n as usize).collect());
    let condition = Condition::of_labels(labels);
    let output = network.forward(&weights, input, &expected["code"].values, &condition).unwrap();
    let output = Array::from_tensor(output);
    assert_eq!(output.shape, expected["y"].shape);
    let largest = expected["y"].values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    let pairs = output.values.iter().zip(&expected["y"].values);
    let difference = pairs.fold(0.0f64, |most, (a, b)| most.max((a - b).abs())) / largest;
    println!("foreign | {name} | {} tensors | {difference:.1e} of {largest:.2} |", weights.iter().count());
    difference
}

/// Both sum in f32, through some twenty layers.
const CLOSE: f64 = 2e-5;

fn edm(file: &str) -> (EdmFile, Architecture, EdmForm) {
    let file = EdmFile::open(&foreign(file)).unwrap();
    let settings = file.network().expect("one network").settings().unwrap();
    (file, settings.architecture, settings.form)
}

fn translated(architecture: &Architecture, mut arrays: Box<dyn ArrayFile>) -> NamedArrays {
    let map = NameMap::torch(architecture, QkvOrder::default()).unwrap();
    map.translated(&mut *arrays).unwrap()
}

#[test]
fn a_snapshot_of_edm_computes_what_it_computed_there() {
    let (file, architecture, form) = edm("edm_snapshot.pkl");
    let Architecture::Song(config) = &architecture else { panic!("{architecture:?}") };
    let expected = SongConfig {
        image_size: 16.into(),
        n_classes: Some(4),
        model_channels: 4,
        channel_mult: vec![1, 2],
        channel_mult_emb: 2,
        num_blocks: 1,
        attention_resolutions: vec![8],
        ..SongConfig::cifar10_ncsnpp()
    };
    assert_eq!((config, form), (&expected, EdmForm::Edm));
    let network = file.network().unwrap();
    assert_eq!((network.key.as_str(), network.object.class.as_str()), ("ema", "EDMPrecond"));
    assert_eq!(network.object.named["use_fp16"], PlainValue::Bool(true));
    let arrays = file.into_arrays(Some("ema")).unwrap();
    assert_eq!(arrays.shapes()["model.map_noise.freqs"], [4]);
    assert!(difference("edm_snapshot", &architecture, translated(&architecture, arrays)) < CLOSE);
    assert!(!PathBuf::from("PWNED").exists(), "the source in the file was run");
}

#[test]
fn a_training_state_of_ect_computes_what_it_computed_there() {
    let (file, architecture, form) = edm("edm_training_state.pt");
    let expected = DhariwalConfig {
        image_size: 16.into(),
        n_classes: Some(3),
        model_channels: 4,
        channel_mult: vec![1, 2],
        channel_mult_emb: 2,
        num_blocks: 1,
        attention_resolutions: vec![16, 8],
        ..DhariwalConfig::imagenet64()
    };
    assert_eq!(architecture, Architecture::Dhariwal(expected));
    assert_eq!(form, EdmForm::Consistency { sigma_min: 0.002 });
    assert_eq!(file.network().unwrap().key, "net");
    let arrays = file.into_arrays(None).unwrap();
    assert!(difference("edm_training_state", &architecture, translated(&architecture, arrays)) < CLOSE);
}

#[test]
fn a_network_in_half_precision_is_read_under_either_key() {
    let (file, architecture, form) = edm("edm_vp_half.pkl");
    assert_eq!(
        file.networks().iter().map(|network| network.key.as_str()).collect::<Vec<_>>(),
        ["net", "ema"]
    );
    assert_eq!(form, EdmForm::Vp { beta_d: 19.9, beta_min: 0.1, n_steps: 1000.0, epsilon_t: 1e-5 });
    let named = translated(&architecture, file.into_arrays(Some("net")).unwrap());
    let average = EdmFile::open(&foreign("edm_vp_half.pkl")).unwrap().into_arrays(None).unwrap();
    assert_eq!(named, translated(&architecture, average));
    assert!(difference("edm_vp_half", &architecture, named) < CLOSE);
    let absent = EdmFile::open(&foreign("edm_vp_half.pkl")).unwrap().into_arrays(Some("other")).unwrap_err();
    assert!(absent.to_string().contains("no network `other`, but `net`, `ema`"), "{absent}");
}

#[test]
fn arguments_that_nobody_knows_are_refused_by_name() {
    let file = EdmFile::open(&foreign("edm_snapshot.pkl")).unwrap();
    let network = file.network().unwrap();
    let refused = |change: &dyn Fn(&mut onestep::interop::EdmNetwork)| {
        let mut changed = network.clone();
        change(&mut changed);
        match changed.settings() {
            Err(InteropError::Unsupported { what, why }) => format!("{what}: {why}"),
            other => panic!("{other:?}"),
        }
    };
    let inner = |name: &'static str, value: PlainValue| {
        refused(&move |network| {
            drop(network.inner.as_mut().unwrap().named.insert(name.into(), value.clone()))
        })
    };
    for (message, words) in [
        (inner("mp_add", PlainValue::Float(0.3)), "`mp_add=0.3` of `SongUNet`"),
        (inner("encoder_type", PlainValue::Text("u".into())), "encoder_type=\"u\""),
        (inner("num_blocks", PlainValue::Opaque), "`num_blocks=an object` of `SongUNet`"),
        (inner("img_resolution", PlainValue::Int(-3)), "a whole number"),
        (inner("num_blocks", PlainValue::Int(1 << 40)), "up to 256"),
        (inner("channel_mult", PlainValue::List(vec![PlainValue::Int(1); 1000])), "up to 16 times"),
        (
            refused(&|network| drop(network.inner.as_mut().unwrap().named.remove("in_channels"))),
            "without `in_channels`",
        ),
        (refused(&|network| network.inner.as_mut().unwrap().class = "EDM2UNet".into()), "`EDM2UNet`"),
        (refused(&|network| network.inner = None), "no network called `model`"),
        (refused(&|network| network.object.positional = vec![PlainValue::Int(16)]), "given twice"),
    ] {
        assert!(message.contains(words), "{message} does not say {words}");
    }
    // Another class around the same network is a form that is not known here, and no error.
    let mut other = network.clone();
    other.object.class = "CMPrecond".into();
    assert_eq!(other.settings().unwrap().form, EdmForm::Other { class: "CMPrecond".into() });
}

#[test]
fn an_ncsnpp_of_flax_computes_what_it_computed_there() {
    let mut file = FlaxFile::open(&foreign("flax_ncsnpp.msgpack")).unwrap();
    assert_eq!((file.set(), file.has_target()), (Some("params_ema"), false));
    let config = song_from_jax(file.shapes(), Some(16.into()), None).unwrap();
    let expected = SongConfig {
        image_size: 16.into(),
        augment_dim: 0,
        model_channels: 4,
        channel_mult: vec![1, 2],
        num_blocks: 1,
        attention_resolutions: vec![8],
        dropout: 0.0,
        ..SongConfig::cifar10_ncsnpp()
    };
    assert_eq!(config, expected);
    let named = NameMap::jax(&config).unwrap().translated(&mut file).unwrap();
    assert!(difference("flax_ncsnpp", &Architecture::Song(config), named) < CLOSE);
}

#[test]
fn a_ddpmpp_of_flax_in_half_precision_and_in_pieces_computes_what_it_computed_there() {
    let mut file = FlaxFile::open(&foreign("flax_ddpmpp.msgpack")).unwrap();
    assert_eq!((file.set(), file.has_target()), (Some("params_ema"), true));
    let size = Some(16.into());
    let undecided = song_from_jax(file.shapes(), size, None).unwrap_err().to_string();
    assert!(undecided.contains("[8], [16]") || undecided.contains("[16], [8]"), "{undecided}");
    let wrong = song_from_jax(file.shapes(), size, Some(&[4])).unwrap_err().to_string();
    assert!(wrong.contains("attention at [4]"), "{wrong}");
    assert!(matches!(song_from_jax(file.shapes(), None, None), Err(InteropError::Undecided { .. })));
    let config = song_from_jax(file.shapes(), size, Some(&[8])).unwrap();
    assert_eq!((config.embedding, config.encoder), (NoiseEmbedding::Positional, Encoder::Standard));
    assert_eq!((&config.channel_mult[..], &config.resample_filter[..]), (&[1, 1, 2][..], &[1.0, 1.0][..]));
    let named = NameMap::jax(&config).unwrap().translated(&mut file).unwrap();
    assert!(difference("flax_ddpmpp", &Architecture::Song(config), named) < CLOSE);
}

/// Names and shapes that flax gave the networks at their full size: 32 pixels and attention at 16 need not be said.
#[test]
fn the_published_widths_say_the_size_of_images() {
    let published = std::fs::read_to_string(foreign("flax_published.json")).unwrap();
    let published: BTreeMap<String, BTreeMap<String, Vec<usize>>> = serde_json::from_str(&published).unwrap();
    for (name, config) in [("ncsnpp", SongConfig::cifar10_ncsnpp()), ("ddpmpp", SongConfig::cifar10_ddpmpp())]
    {
        let config = SongConfig { augment_dim: 0, dropout: 0.0, ..config };
        let shapes = &published[name];
        assert_eq!(song_from_jax(shapes, None, None).unwrap(), config);
        let map = NameMap::jax(&config).unwrap();
        assert_eq!(map.shapes().into_iter().collect::<BTreeMap<_, _>>(), *shapes);
        let matching = map.matching(shapes);
        assert!(matching.is_complete(), "{matching:?}");
        println!(
            "foreign | flax's {name} for CIFAR-10 | {} arrays, {} parameters | matched |",
            shapes.len(),
            matching.matched.len()
        );
        let mut other = shapes.clone();
        other.insert("Combine_0/Conv_0/kernel".into(), vec![1, 1, 3, 128]);
        let error = song_from_jax(&other, None, None).unwrap_err().to_string();
        assert!(error.contains("`Combine_0/Conv_0/kernel`"), "{error}");
        let mut heads = shapes.clone();
        heads.insert("Conv_1/kernel".into(), vec![3, 3, 256, 6]);
        let error = song_from_jax(&heads, None, None).unwrap_err().to_string();
        assert!(error.contains("two heads"), "{error}");
    }
    let none = song_from_jax(&BTreeMap::from([("w".to_owned(), vec![1])]), None, None);
    assert!(matches!(none, Err(InteropError::UnknownFamily { .. })));
    assert!(NameMap::jax(&SongConfig::cifar10_ddpmpp()).is_err(), "flax's has no augmentation labels");
}

#[test]
fn any_of_them_opens_as_a_file_of_weights() {
    for (file, some) in [
        ("edm_snapshot.pkl", "model.map_layer0.weight"),
        ("edm_training_state.pt", "model.out_conv.weight"),
        ("edm_vp_half.pkl", "model.dec.16x16_aux_conv.bias"),
        ("flax_ncsnpp.msgpack", "GaussianFourierProjection_0/W"),
        ("flax_ddpmpp.msgpack", "AttnBlockpp_0/NIN_3/W"),
    ] {
        let named = read_weights(&foreign(file)).unwrap();
        assert!(named.contains_key(some), "{file}: {:?}", named.keys().take(3).collect::<Vec<_>>());
        let absent = open_weights(&foreign(file)).unwrap().read("no such array").unwrap_err();
        assert!(matches!(absent, WeightsFileError::Damaged { .. }), "{absent}");
    }
}

/// `ONESTEP_FULL_PICKLE` names the file of a network for ImageNet-64, as `bench/make_foreign.py --full` writes it; alone in its
/// process, this test tells how much memory reading takes.
#[cfg(target_os = "linux")]
#[test]
fn a_pickle_of_full_size_is_never_in_memory_twice() {
    let Some(path) = std::env::var_os("ONESTEP_FULL_PICKLE") else { return };
    let path = PathBuf::from(path);
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    };
    let size = std::fs::metadata(&path).unwrap().len() as f64;
    let start = std::time::Instant::now();
    let file = EdmFile::open(&path).unwrap();
    let architecture = file.network().unwrap().settings().unwrap().architecture;
    println!("full | looked through | {:.2?} | peak {:.3} of the file |", start.elapsed(), peak() / size);
    let mut arrays = file.into_arrays(None).unwrap();
    let shapes = arrays.shapes().clone();
    let n_values: usize = shapes.keys().map(|name| arrays.read(name).unwrap().len()).sum();
    println!("full | each read | {n_values} numbers | {:.2?} | peak {:.3} |", start.elapsed(), peak() / size);
    assert!(peak() < 0.25 * size);
    let named = translated(&architecture, arrays);
    println!(
        "full | all kept | {} tensors | {:.2?} | peak {:.3} |",
        named.len(),
        start.elapsed(),
        peak() / size
    );
    assert!(peak() < 1.5 * size);
}
