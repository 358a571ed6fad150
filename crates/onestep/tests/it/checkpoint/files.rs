//! Model files: what is written, and everything that is refused.

use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::checkpoint::{
    CheckpointError, ErrorClass, ModelHeader, TensorFileError, Which, load_model, read_header, save_model,
};
use onestep::model::{Builder, Init, ModelError, ParameterSpec, Weights};
use safetensors::SafeTensors;

use super::{header, specs, with_value};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn saved(folder: &Path) -> (PathBuf, Weights) {
    let path = folder.join("model.safetensors");
    let weights = Weights::initialize(&specs(), 5, &Device::default());
    save_model(&path, &header(), &weights).unwrap();
    (path, weights)
}

/// A file with the given header text and values.
fn write(folder: &Path, header: &str, n_value_bytes: usize) -> PathBuf {
    let path = folder.join("crafted.safetensors");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.write_all(&vec![0; n_value_bytes]).unwrap();
    path
}

/// A header with our metadata and these tensors.
fn crafted(tensors: &str) -> String {
    let metadata = serde_json::to_string(&serde_json::to_string(&header()).unwrap()).unwrap();
    format!(r#"{{"__metadata__":{{"onestep":{metadata}}},{tensors}}}"#)
}

fn refused(path: &Path) -> TensorFileError {
    match load_model(path, &Which::Best).unwrap_err() {
        CheckpointError::BadFile { reason, path: named } => {
            assert_eq!(named, path);
            reason
        }
        other => panic!("expected a bad file, got: {other}"),
    }
}

#[test]
fn save_load_save_gives_identical_bytes() {
    let folder = folder();
    let (path, weights) = saved(folder.path());
    let loaded = load_model(&path, &Which::Best).unwrap();
    assert_eq!(loaded.header, header());
    assert_eq!(loaded.file, path);
    assert_eq!(loaded.sha256, onestep::digest::hex(&std::fs::read(&path).unwrap()));
    let header = loaded.header.clone();
    let again = loaded.weights(&specs(), &Device::default()).unwrap();
    for ((spec, got), expected) in again.iter().zip(weights.values()) {
        assert_eq!(
            got.clone().into_data().into_bytes(),
            expected.clone().into_data().into_bytes(),
            "{}",
            spec.name
        );
    }
    let second = folder.path().join("again.safetensors");
    save_model(&second, &header, &again).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&second).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn files_are_byte_for_byte_those_of_the_reference_implementation() {
    let folder = folder();
    let (path, weights) = saved(folder.path());
    let ours = std::fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&ours).unwrap();
    assert_eq!(read.len(), weights.values().len());
    for (spec, values) in weights.iter() {
        let tensor = read.tensor(&spec.name).unwrap();
        assert_eq!(tensor.shape(), spec.shape);
        assert_eq!(tensor.data(), values.clone().into_data().as_bytes());
    }
    // The digest stands at the end of the header: of the text before it, and of the values in the order of the file.
    let text = serde_json::to_string(&header()).unwrap();
    let open = text.strip_suffix('}').unwrap();
    let values: Vec<u8> = ["embedding.frequencies", "layers.0.bias", "layers.0.weight", "output.weight"]
        .iter()
        .flat_map(|name| read.tensor(name).unwrap().data().to_vec())
        .collect();
    let digest = onestep::digest::hex(&[open.as_bytes(), &values].concat());
    let metadata = [("onestep".to_string(), format!("{open},\"sha256\":\"{digest}\"}}"))].into();
    let theirs = safetensors::serialize(read.iter(), Some(metadata)).unwrap();
    assert!(ours == theirs);
}

/// A file by itself, without the `state.json` of its run, tells every flipped bit of its header and its values.
#[test]
fn a_flipped_bit_is_noticed() {
    let folder = folder();
    let (path, _) = saved(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        let path = folder.path().join("flipped.safetensors");
        std::fs::write(&path, bytes).unwrap();
        load_model(&path, &Which::Best)
            .and_then(|model| model.weights(&specs(), &Device::default()).map(drop))
    };
    open(&whole).unwrap();
    let mut told = 0;
    for place in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 7);
        let error = open(&bytes).expect_err(&format!("bit {} of byte {place}", place % 7));
        told += usize::from(matches!(error, CheckpointError::Flipped { .. }));
    }
    assert!(told > whole.len() / 10, "{told} of {}", whole.len());
    // Files that were written before there were digests are read as they are.
    let n_header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(whole[8..8 + n_header].to_vec()).unwrap();
    let start = text.find(",\\\"sha256\\\"").unwrap();
    let older = format!("{}}}\"}}{}", &text[..start], text[start..].split_once("}\"}").unwrap().1);
    let older = [&(older.len() as u64).to_le_bytes(), older.as_bytes(), &whole[8 + n_header..]].concat();
    open(&older).unwrap();
}

#[test]
fn header_is_read_without_the_weights() {
    let folder = folder();
    let (path, _) = saved(folder.path());
    let summary = read_header(&path, &Which::Raw).unwrap();
    assert_eq!(summary.header, header());
    let names: Vec<_> = summary.tensors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["embedding.frequencies", "layers.0.bias", "layers.0.weight", "output.weight"]);
    assert_eq!(summary.tensors[3].1, [1, 1, 130, 140]);
}

/// The specs with one change.
fn other_specs(change: &str) -> std::sync::Arc<[ParameterSpec]> {
    let mut builder = Builder::default();
    for spec in specs().iter() {
        match (change, spec.name.as_str()) {
            ("without bias", "layers.0.bias") => continue,
            ("transposed", "layers.0.weight") => builder.parameter(&spec.name, &[5, 3], Init::Zeros),
            _ => builder.parameter(&spec.name, &spec.shape, spec.init),
        };
    }
    if change == "one more" {
        builder.parameter("layers.1.weight", &[2], Init::Zeros);
    }
    builder.finish()
}

#[test]
fn missing_extra_and_misshapen_tensors_are_named() {
    let folder = folder();
    let (path, _) = saved(folder.path());
    for (change, message) in [
        ("without bias", "tensor `layers.0.bias` does not belong to this network"),
        ("one more", "tensor `layers.1.weight` is missing; the network needs it with shape [2]"),
        ("transposed", "tensor `layers.0.weight` has shape [3, 5], the network needs [5, 3]"),
    ] {
        let loaded = load_model(&path, &Which::Best).unwrap();
        let error = loaded.weights(&other_specs(change), &Device::default()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::BadData);
        assert_eq!(error.to_string(), format!("{message}: {}", path.display()));
    }
}

#[test]
fn weights_that_are_not_finite_are_neither_written_nor_read() {
    let folder = folder();
    let (path, weights) = saved(folder.path());
    let before = std::fs::read(&path).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bad = with_value(&weights, 3, 17_000, value);
        let error = save_model(&path, &header(), &bad).unwrap_err();
        assert_eq!(error.class(), ErrorClass::BadNumbers);
        assert!(
            error.to_string().starts_with("`output.weight` holds a value that is not finite at index 17000")
        );
        assert!(error.to_string().ends_with(&path.display().to_string()), "{error}");
        assert!(std::fs::read(&path).unwrap() == before, "the old file is untouched");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and no temporary one is left");

        // `output.weight` is last in the file.
        let mut bytes = before.clone();
        let end = bytes.len();
        bytes[end - 8..end - 4].copy_from_slice(&value.to_le_bytes());
        let bad = folder.path().join("bad.safetensors");
        std::fs::write(&bad, bytes).unwrap();
        match refused(&bad) {
            TensorFileError::NotFinite { name, index } => {
                assert_eq!((name.as_str(), index), ("output.weight", 18_198))
            }
            other => panic!("{other}"),
        }
        std::fs::remove_file(bad).unwrap();
    }
    // A header that could not be read back is not written either.
    let bad = ModelHeader { sigma_max: f64::NAN, ..header() };
    assert!(matches!(save_model(&path, &bad, &weights), Err(CheckpointError::BadJson { .. })));
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn every_truncation_is_refused() {
    let folder = folder();
    let (path, _) = saved(folder.path());
    let bytes = std::fs::read(&path).unwrap();
    let header_end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let cut = folder.path().join("cut.safetensors");
    let lengths =
        (0..20).chain([header_end - 1, header_end, header_end + 1, bytes.len() / 2, bytes.len() - 1]);
    for length in lengths {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        match refused(&cut) {
            TensorFileError::Truncated { expected, found } => {
                assert_eq!(found, length as u64);
                assert!(expected > found);
            }
            other => panic!("{length}: {other}"),
        }
    }
    std::fs::write(&cut, [bytes.as_slice(), b"more"].concat()).unwrap();
    assert!(matches!(refused(&cut), TensorFileError::Trailing { extra: 4 }));
}

#[test]
fn crafted_headers_are_refused_with_the_name_of_the_tensor() {
    let folder = folder();
    let one = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let ok = write(folder.path(), &crafted(one), 8);
    assert_eq!(load_model(&ok, &Which::Best).unwrap().arrays["a"], (vec![2], vec![0.0; 2]));

    let cases: [(&str, usize, &str); 14] = [
        (&format!("{one},{one}"), 8, "tensor `a` twice"),
        (
            r#""a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}"#,
            8,
            "tensor `a` has type BF16; only F32, F16 are read",
        ),
        (r#""a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#, 8, "tensor `a` has type F64"),
        (
            r#""a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#,
            8,
            "tensor `a` of shape [3] cannot lie at bytes 0 to 8",
        ),
        (r#""a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#, 8, "tensor `a`"),
        (r#""a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#, 12, "tensor `a`"),
        // Two names for the same bytes: a small file that fills the memory.
        (&format!(r#"{one},"b":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#), 8, "tensor `b`"),
        (r#""a":{"dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,8]}"#, 8, "tensor `a`"),
        (r#""a":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}"#, 0, "tensor `a`"),
        (r#""a":{"dtype":"F32","shape":[2199023255552],"data_offsets":[0,8796093022208]}"#, 8, "cut short"),
        (r#""a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#, 8, "tensor `a`"),
        (r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}"#, 8, "tensor `a`: unknown field `x`"),
        (r#""a":{"dtype":"F32","shape":[2]}"#, 8, "tensor `a`: missing field `data_offsets`"),
        (r#""__metadata__":{"onestep":"{}"}"#, 0, "metadata twice"),
    ];
    for (tensors, n_bytes, message) in cases {
        let path = write(folder.path(), &crafted(tensors), n_bytes);
        let error = load_model(&path, &Which::Best).unwrap_err();
        assert_eq!(error.class(), ErrorClass::BadData);
        let text = error.to_string();
        assert!(text.contains(message) && text.contains("crafted.safetensors"), "{tensors}: {text}");
    }
}

#[test]
fn absurd_headers_are_refused_without_reading_them() {
    let folder = folder();
    let path = folder.path().join("absurd.safetensors");
    for claimed in [u64::MAX, 1 << 62, 100_000_000, (16 << 20) + 1] {
        std::fs::write(&path, [&claimed.to_le_bytes(), b"{\"a\":1}".as_slice()].concat()).unwrap();
        assert!(matches!(refused(&path), TensorFileError::HeaderTooLarge { bytes } if bytes == claimed));
    }
    for header in ["", "[]", "{", "null", "{\"a\":", "\u{0}", "{\"__metadata__\":[]}"] {
        let path = write(folder.path(), header, 0);
        assert!(matches!(refused(&path), TensorFileError::BadHeader { .. }), "{header}");
    }
    std::fs::write(&path, [&4u64.to_le_bytes(), b"\xff\xfe\xfd\xfc".as_slice()].concat()).unwrap();
    assert!(matches!(refused(&path), TensorFileError::BadHeader { .. }), "not UTF-8");

    let many: Vec<_> =
        (0..65_537).map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)).collect();
    let path = write(folder.path(), &crafted(&many.join(",")), 0);
    assert!(refused(&path).to_string().contains("more than 65536 tensors"));
}

#[test]
fn metadata_is_exactly_our_header() {
    let folder = folder();
    let tensor = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    for metadata in ["", r#""__metadata__":{},"#, r#""__metadata__":{"format":"pt"},"#] {
        // A file of another program, which has no network that is known.
        let path = write(folder.path(), &format!("{{{metadata}{tensor}}}"), 4);
        let error = load_model(&path, &Which::Best).unwrap_err();
        assert!(matches!(error, CheckpointError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("such as `a`"), "{error}");
    }
    for metadata in [
        r#""__metadata__":{"onestep":"{}","format":"pt"},"#,
        r#""__metadata__":{"onestep":"{}","onestep":"{}"},"#,
    ] {
        let path = write(folder.path(), &format!("{{{metadata}{tensor}}}"), 4);
        let error = refused(&path);
        assert!(matches!(error, TensorFileError::NotOurs), "{error}");
        assert!(error.to_string().contains("not written by onestep"), "{error}");
    }
    let valid = serde_json::to_value(header()).unwrap();
    let with = |key: &str, value: Option<serde_json::Value>| {
        let mut changed = valid.clone();
        match value {
            Some(value) => changed[key] = value,
            None => drop(changed.as_object_mut().unwrap().remove(key)),
        }
        let text = serde_json::to_string(&changed.to_string()).unwrap();
        let path = write(folder.path(), &format!(r#"{{"__metadata__":{{"onestep":{text}}},{tensor}}}"#), 4);
        load_model(&path, &Which::Best).unwrap_err()
    };
    assert!(with("sigma_mix", Some(1.into())).to_string().contains("unknown field `sigma_mix`"));
    assert!(with("sigma_min", None).to_string().contains("missing field `sigma_min`"));
    assert!(with("preconditioning", Some("other".into())).to_string().contains("unknown variant `other`"));
    assert!(with("format", None).to_string().contains("missing field `format`"));
    assert!(with("format", Some(0.into())).to_string().contains("format 0 does not exist"));
    let error = with("format", Some(2.into()));
    assert!(matches!(error, CheckpointError::NewerFormat { found: 2, supported: 1, .. }));
    assert!(error.to_string().contains("update onestep"), "{error}");
}

#[test]
fn places_without_a_model() {
    let folder = folder();
    for path in [folder.path().to_path_buf(), folder.path().join("nothing"), folder.path().join("latest")] {
        let error = load_model(&path, &Which::Best).unwrap_err();
        assert!(matches!(error, CheckpointError::NotFound { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::BadData);
        assert!(error.to_string().ends_with(&path.display().to_string()));
    }
    let (path, _) = saved(folder.path());
    let error = load_model(&path, &Which::Average("ema-0.9999".into())).unwrap_err();
    assert!(matches!(error, CheckpointError::NoSuchWeights { .. }), "{error}");
}

#[test]
fn weights_that_track_gradients_are_saved_as_they_are() {
    let folder = folder();
    let (path, weights) = saved(folder.path());
    let tracked = folder.path().join("tracked.safetensors");
    save_model(&tracked, &header(), &weights.tracked()).unwrap();
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&tracked).unwrap());
}

#[test]
fn weights_from_another_source_are_checked_by_name() {
    // The error of the model travels along, so that callers can match on it.
    let folder = folder();
    let (path, _) = saved(folder.path());
    let loaded = load_model(&path, &Which::Best).unwrap();
    match loaded.weights(&other_specs("without bias"), &Device::default()).unwrap_err() {
        CheckpointError::WrongModel { reason: ModelError::ExtraTensor { name }, .. } => {
            assert_eq!(name, "layers.0.bias");
        }
        other => panic!("{other}"),
    }
}
