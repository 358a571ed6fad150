//! Models that come with the library, and model files of half the size.

use onestep::burn::tensor::Device;
use onestep::checkpoint::{
    CheckpointError, Which, builtin_models, is_builtin_model, load_model, read_header, save_compact_model,
    save_model,
};
use tempfile::tempdir;

#[test]
fn every_model_that_comes_along_opens_and_draws() {
    let names = builtin_models();
    assert!(names.len() >= 2);
    for name in names {
        let path = format!("builtin:{name}");
        assert!(is_builtin_model(path.as_ref()));
        let summary = read_header(path.as_ref(), &Which::Best).unwrap();
        assert!(summary.n_bytes < 10_000_000, "{name}: {} bytes", summary.n_bytes);
        let model = onestep::open(&path).unwrap();
        let image = model.draw().run().unwrap();
        assert!(image.values.iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn the_name_of_a_data_set_is_its_first_model_that_draws_in_one_step() {
    for data_set in ["builtin:portraits", "builtin:emoji"] {
        assert!(!is_builtin_model(data_set.as_ref()));
        let usual = onestep::open(data_set).unwrap();
        let whole = onestep::open(format!("{data_set}-cd")).unwrap();
        assert_eq!(usual.origin().unwrap().sha256, whole.origin().unwrap().sha256);
        assert!(!usual.kind().has_ode());
        // Its teacher comes along, for images of the same size and classes.
        let teacher = onestep::open(format!("{data_set}-edm")).unwrap();
        assert!(teacher.kind().has_ode());
        assert_eq!((teacher.shape(), teacher.class_names()), (usual.shape(), usual.class_names()));
    }
}

#[test]
fn another_name_is_refused_with_those_that_there_are() {
    let error = load_model("builtin:cats".as_ref(), &Which::Best).unwrap_err();
    assert!(matches!(&error, CheckpointError::NotBuiltIn { name, .. } if name == "cats"), "{error}");
    assert!(error.to_string().contains("`builtin:portraits-edm`"), "{error}");
    let error = load_model("builtin:portraits-edm".as_ref(), &Which::Target).unwrap_err();
    assert!(matches!(error, CheckpointError::NoSuchWeights { .. }), "{error}");
}

/// What a compact file holds is what was rounded: read and written again it has the same bytes, and whole, twice as many.
#[test]
fn a_compact_file_is_half_as_large_and_written_again_the_same() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let read = |path: &std::path::Path| {
        let loaded = load_model(path, &Which::Best).unwrap();
        let (header, network) = (loaded.header.clone(), loaded.header.architecture.build().unwrap());
        (header, loaded.weights(network.parameters(), &Device::flex()).unwrap())
    };
    let (header, weights) = read("builtin:portraits-edm".as_ref());
    save_compact_model(&path("half"), &header, &weights).unwrap();
    save_model(&path("whole"), &header, &weights).unwrap();
    let n_bytes = |name: &str| std::fs::metadata(path(name)).unwrap().len();
    let built_in = read_header("builtin:portraits-edm".as_ref(), &Which::Best).unwrap().n_bytes;
    assert_eq!(n_bytes("half"), built_in);
    assert!(n_bytes("whole") > n_bytes("half") * 19 / 10);
    let (header, weights) = read(&path("half"));
    save_compact_model(&path("again"), &header, &weights).unwrap();
    let bytes = |name: &str| std::fs::read(path(name)).unwrap();
    assert!(bytes("again") == bytes("half"));
    // A bit that has flipped is told, in a compact file as in any other.
    let mut flipped = bytes("half");
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    std::fs::write(path("flipped"), flipped).unwrap();
    let error = load_model(&path("flipped"), &Which::Best).unwrap_err();
    assert!(matches!(error, CheckpointError::Flipped { .. }), "{error}");
}
