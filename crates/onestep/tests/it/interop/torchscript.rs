//! TorchScript files and others that no golden set holds, written by hand.

use std::io::Write;
use std::path::{Path, PathBuf};

use onestep::interop::{WeightsFileError, read_weights};

/// Instructions of a pickle, put together.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor `[length]` in memory `key`.
    fn tensor(self, key: &str, length: u8) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"((")
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .raw(&[b'K', length, b't', b'Q'])
            .raw(&[b'K', 0, b'K', length, 0x85, b'K', 1, 0x85, 0x89])
            .global("collections", "OrderedDict")
            .raw(b")RtR")
    }

    /// An object of a class whose attributes `body` puts between marks.
    fn object(self, class: &str, body: impl FnOnce(Self) -> Self) -> Self {
        body(self.global("__torch__.networks", class).raw(b")\x81}(")).raw(b"ub")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

fn zipped(path: PathBuf, entries: &[(&str, &[u8])]) -> PathBuf {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn torchscript_gives_its_tensors_by_the_names_of_its_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let pickle = Pickle::new()
        .object("Network", |pickle| {
            pickle.text("training").raw(b"\x89").text("layers").object("Layers", |pickle| {
                pickle
                    .text("0")
                    .object("Conv", |pickle| pickle.text("weight").tensor("0", 3).text("beta").tensor("1", 1))
                    .text("sizes")
                    .global("torch.jit._pickle", "build_intlist")
                    .raw(b"](K\x01K\x02e\x85R")
            })
        })
        .end();
    let code = b"import os\nos.system('touch PWNED')\n";
    let path = zipped(
        folder.path().join("script.pt"),
        &[
            ("network/code/__torch__/networks.py", code),
            ("network/constants.pkl", b"\x80\x02)."),
            ("network/data.pkl", &pickle),
            ("network/data/0", &floats(&[1.0, 2.0, 3.0])),
            ("network/data/1", &floats(&[4.0])),
        ],
    );
    let named = read_weights(&path).unwrap();
    assert_eq!(named["layers.0.weight"], (vec![3], vec![1.0, 2.0, 3.0]));
    assert_eq!(named["layers.0.beta"], (vec![1], vec![4.0]));
    assert_eq!(named.len(), 2);
    assert!(!Path::new("PWNED").exists());
}

#[test]
fn what_is_no_file_of_weights_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let two = Pickle::new()
        .raw(b"}(")
        .text("model")
        .raw(b"}")
        .text("w")
        .tensor("0", 1)
        .raw(b"s")
        .text("ema")
        .raw(b"}")
        .text("w")
        .tensor("0", 1)
        .raw(b"su")
        .end();
    let big = Pickle::new().raw(b"}").text("w").tensor("0", 1).raw(b"s").end();
    let one = floats(&[1.0]);
    let healthy: &[(&str, &[u8])] = &[("a/data.pkl", &big), ("a/data/0", &one)];
    assert_eq!(read_weights(&zipped(folder.path().join("healthy.pt"), healthy)).unwrap()["w"].1, [1.0]);
    for (path, words) in [
        (
            zipped(folder.path().join("two.pt"), &[("a/data.pkl", &two), ("a/data/0", &one)]),
            "several sets of tensors, `model`, `ema`",
        ),
        (
            zipped(folder.path().join("big.pt"), &[healthy[0], healthy[1], ("a/byteorder", b"big")]),
            "big endian",
        ),
    ] {
        let error = read_weights(&path).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, WeightsFileError::Unsupported { .. }), "{message}");
        assert!(message.contains(words) && message.contains(path.to_str().unwrap()), "{message}");
    }
    let absent = read_weights(&folder.path().join("absent.pt")).unwrap_err();
    assert!(matches!(absent, WeightsFileError::Read { .. }), "{absent}");
}

/// Memory that a million tensors show, dictionaries that hold each other, and the like.
#[test]
fn small_files_stay_small_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    // A dictionary of two times the one before it, forty deep: 2^40 ways to the tensor.
    let mut doubling = Pickle::new().raw(b"}").text("w").tensor("0", 1).raw(b"sq\x00");
    for depth in 0..40u8 {
        doubling = doubling
            .raw(b"0}(")
            .text("a")
            .raw(&[b'h', depth])
            .text("b")
            .raw(&[b'h', depth])
            .raw(b"uq")
            .raw(&[depth + 1]);
    }
    let mut showing = Pickle::new().raw(b"}(").text("w0").tensor("0", 100).raw(b"q\x00");
    for n in 1..100_000 {
        showing = showing.text(&format!("w{n}")).raw(b"h\x00");
    }
    let memory = floats(&[0.5; 100]);
    for (name, pickle) in [("doubling.pt", doubling.end()), ("showing.pt", showing.raw(b"u").end())] {
        let path = zipped(folder.path().join(name), &[("a/data.pkl", &pickle), ("a/data/0", &memory)]);
        let error = read_weights(&path).unwrap_err();
        assert!(matches!(error, WeightsFileError::Refused { .. }), "{error}");
    }
}
