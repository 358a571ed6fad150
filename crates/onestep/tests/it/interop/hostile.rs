//! Files that want to do harm, or were harmed: whatever they hold, an answer comes soon, in little memory, and is no panic.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use onestep::interop::{EdmFile, FlaxFile, WeightsFileError, open_weights, read_weights};
use proptest::prelude::*;

use super::foreign::foreign;

/// A file that is written again and again.
struct Scratch(tempfile::NamedTempFile);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap())
    }

    fn with(&mut self, bytes: &[u8]) -> &Path {
        let file = self.0.as_file_mut();
        file.set_len(0).unwrap();
        std::io::Seek::rewind(file).unwrap();
        file.write_all(bytes).unwrap();
        self.0.path()
    }
}

/// Reads all that can be read of a file, by every way that leads to it.
fn read_all(path: &Path) {
    let _ = read_weights(path);
    if let Ok(file) = EdmFile::open(path) {
        for network in file.networks() {
            let _ = network.settings();
        }
        let _ = file.into_arrays(None);
    }
    let _ = FlaxFile::open(path);
}

#[test]
fn no_damaged_byte_and_no_cut_makes_a_panic() {
    let mut scratch = Scratch::new();
    for file in ["tiny.pkl", "tiny.pt", "tiny_legacy.pt", "tiny.msgpack"] {
        let whole = std::fs::read(foreign(file)).unwrap();
        let start = Instant::now();
        assert!(read_weights(scratch.with(&whole)).is_ok(), "{file}");
        // What lies in the middle is a source, which is passed over, and a hundred names alike: every third byte will do.
        let cuts = (0..whole.len()).step_by(3);
        cuts.for_each(|length| read_all(scratch.with(&whole[..length])));
        let mut damaged = whole.clone();
        for at in (0..whole.len()).filter(|at| at % 3 == 0 || whole.len() < 500) {
            let change = [0x01, 0x80, 0xff, whole[at] ^ b'.', whole[at] ^ b'('][at % 5].max(1);
            damaged[at] ^= change;
            read_all(scratch.with(&damaged));
            damaged[at] = whole[at];
        }
        println!("hostile | {file} | {} bytes damaged and cut | {:.1?} |", whole.len(), start.elapsed());
    }
    assert!(!Path::new("PWNED").exists(), "something was run");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Random instructions behind a sound beginning.
    #[test]
    fn no_row_of_bytes_makes_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0usize..4) {
        let starts: [&[u8]; 4] = [b"\x80\x04", b"\x80\x02}(X\x03\x00\x00\x00emac", b"\x82\xa6params", b"PK\x03\x04"];
        read_all(Scratch::new().with(&[starts[start], &bytes].concat()));
    }
}

/// Instructions of a pickle, put together.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(b"\x80\x04".to_vec())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.raw(b"B").raw(&(bytes.len() as u32).to_le_bytes()).raw(bytes)
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// An object of EDM whose attributes `state` puts between marks.
    fn object(self, state: impl FnOnce(Self) -> Self) -> Self {
        let meta = self.global("torch_utils.persistence", "_reconstruct_persistent_obj").raw(b"(}(");
        let meta = meta.text("class_name").text("Tiny").text("state").raw(b"}(");
        state(meta).raw(b"uutR")
    }

    fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// An old file of one piece of memory of floats.
fn storage(values: &[f32]) -> Vec<u8> {
    let n = values.len() as u8;
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let version = b"\x80\x02M\xe9\x03.";
    let machine = b"\x80\x02}.";
    let reference =
        Pickle::new().raw(b"(").text("storage").global("torch", "FloatStorage").text("0").text("cpu");
    let reference = reference.raw(&[b'K', n, b'N', b't', b'Q']).end();
    let order = Pickle::new().raw(b"]").text("0").raw(b"a").end();
    let length = u64::from(n).to_le_bytes();
    let memory: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    [&magic[..], version, machine, &reference, &order, &length, &memory].concat()
}

/// A tensor `[n]` in memory of its own, which a pickle holds.
fn tensor(pickle: Pickle, memory: &[u8], n: u8) -> Pickle {
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
    let pickle = pickle.global("torch.storage", "_load_from_bytes").bytes(memory).raw(b"\x85R");
    pickle
        .raw(&[b'K', 0, b'K', n, 0x85, b'K', 1, 0x85, 0x89])
        .global("collections", "OrderedDict")
        .raw(b")RtR")
}

fn network(parameters: impl FnOnce(Pickle) -> Pickle) -> Vec<u8> {
    let ema = Pickle::new()
        .raw(b"}")
        .text("ema")
        .object(|state| parameters(state.text("_parameters").raw(b"}(")).raw(b"u"));
    ema.raw(b"s").end()
}

#[test]
fn files_that_ask_for_functions_or_memory_are_refused_at_once() {
    let healthy = network(|p| tensor(p.text("weight"), &storage(&[1.0, 2.0]), 2));
    let mut scratch = Scratch::new();
    let named = read_weights(scratch.with(&healthy)).unwrap();
    assert_eq!(named["weight"], (vec![2], vec![1.0, 2.0]));

    let magic = storage(&[1.0]);
    let with_memory = |memory: &[u8]| network(|p| tensor(p.text("w"), memory, 1));
    let mut short = storage(&[1.0, 2.0]);
    short.truncate(short.len() - 3);
    let mut big = magic.clone();
    let at = big.len() - 12;
    big[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    // A file in a file in a file: deeper than any tensor lies.
    let inner = |memory: &[u8]| {
        let pickle =
            Pickle::new().global("torch.storage", "_load_from_bytes").bytes(memory).raw(b"\x85R").end();
        [&magic[..15], b"\x80\x02M\xe9\x03.", b"\x80\x02}.", &pickle, b"\x80\x02]."].concat()
    };
    let deep_files = (0..20).fold(magic.clone(), |memory, _| inner(&memory));
    // One piece of memory, loaded a million times.
    let bomb =
        Pickle::new().global("torch.storage", "_load_from_bytes").raw(b"q\x00").bytes(&magic).raw(b"q\x01");
    let bomb = bomb.raw(&b"h\x00h\x01\x85R0".repeat(1_000_000)).end();
    let deep = Pickle::new()
        .raw(b"}")
        .text("ema")
        .raw(&b"]".repeat(300_000))
        .raw(&b"a".repeat(299_999))
        .raw(b"s")
        .end();
    // A dictionary of modules that holds itself.
    let cycle = Pickle::new().raw(b"}").text("ema").object(|state| {
        let state = state.text("_modules").raw(b"}q\x05").text("_modules").raw(b"h\x05s");
        state.text("_parameters").raw(b"}")
    });
    let cycle = Pickle(cycle.raw(b"s").0);
    // Modules that hold each other twice, forty deep: 2^40 ways.
    let mut doubling = Pickle::new().raw(b"}q\x00");
    for depth in 0..40u8 {
        doubling = doubling.raw(b"0}").text("_modules").raw(b"}(").text("a").raw(&[b'h', depth]);
        doubling = doubling.text("b").raw(&[b'h', depth]).raw(b"usq").raw(&[depth + 1]);
    }
    let doubling = doubling
        .raw(b"0}")
        .text("ema")
        .object(|state| state.text("_modules").raw(b"}").text("m").raw(b"h(s").text("_parameters").raw(b"}"));
    let doubling = doubling.raw(b"s").end();
    let two = network(|p| {
        let p = tensor(p.text("w"), &magic, 1);
        tensor(p.text("w"), &magic, 1)
    });
    let attribute = |object: Pickle| object.text("system").raw(b"\x86R").end();
    for (what, file, words) in [
        (
            "a call",
            Pickle::new().global("os", "system").text("touch PWNED").raw(b"\x85R").end(),
            "`os.system`",
        ),
        (
            "a call under its own name",
            Pickle::new().global("posix", "system").text("id").raw(b"\x85R").end(),
            "`posix.system`",
        ),
        (
            "another class",
            Pickle::new().raw(b"}").text("ema").global("training.networks", "Net").raw(b")\x81s").end(),
            "`training.networks.Net`",
        ),
        (
            "an evaluation",
            Pickle::new().global("builtins", "eval").text("1").raw(b"\x85R").end(),
            "`builtins.eval`",
        ),
        (
            "a part of a name",
            attribute(Pickle::new().global("builtins", "getattr").global("torch", "device")),
            "no object of a model",
        ),
        ("a length of 2^60", Pickle::new().raw(b"\x8e").raw(&(1u64 << 60).to_le_bytes()).end(), "too early"),
        ("a text of 4 GiB", Pickle::new().raw(b"X\xff\xff\xff\xff").end(), "too early"),
        ("memory cut short", with_memory(&short), "ends before the memory"),
        ("memory of 2^60 numbers", with_memory(&big), "numbers"),
        (
            "a tensor beyond its memory",
            network(|p| tensor(p.text("w"), &magic, 200)),
            "does not fit its memory",
        ),
        ("no file as memory", with_memory(b"no file of PyTorch at all"), "does not begin"),
        ("a zip as memory", with_memory(b"PK\x03\x04 and so on, long enough"), "does not begin"),
        ("files in files", with_memory(&deep_files), "files within files"),
        ("a million loads", bomb, "instructions"),
        ("deep lists", deep, "values within values"),
        ("modules in a circle", cycle.end(), "modules"),
        ("modules of modules", doubling, "modules"),
        ("two tensors of a name", two, "two tensors called `w`"),
        ("no parameters", network(|p| p.text("w").raw(b"K\x01")), "something else than tensors"),
    ] {
        let start = Instant::now();
        let error = read_weights(scratch.with(&file)).unwrap_err();
        let time = start.elapsed();
        println!("hostile | {what} | {error} | {time:.1?} |");
        assert!(error.to_string().contains(words), "{what}: {error}");
        assert!(time < Duration::from_secs(5), "{what} took {time:?}");
    }
    assert!(!Path::new("PWNED").exists(), "something was run");
}

#[test]
fn checkpoints_of_flax_that_contradict_themselves_are_damaged() {
    let mut scratch = Scratch::new();
    // {"params": {"w": <array>}}
    let with = |array: &[u8]| [b"\x81\xa6params\x81\xa1w", array].concat();
    let array = |shape: u8, dtype: &str, n_bytes: u8| {
        let payload = [
            &[0x93, 0x91, shape, 0xa0 | dtype.len() as u8][..],
            dtype.as_bytes(),
            &[0xc4, n_bytes],
            &vec![0; n_bytes.into()],
        ]
        .concat();
        [&[0xc7, payload.len() as u8, 1][..], &payload].concat()
    };
    assert_eq!(read_weights(scratch.with(&with(&array(2, "float32", 8)))).unwrap()["w"].1, [0.0, 0.0]);
    let chunked = |shape: &[u8], chunks: &[u8]| {
        [b"\x83\xd9\x19__msgpack_chunked_array__\xc3\xa5shape", shape, b"\xa6chunks", chunks].concat()
    };
    let piece = array(2, "float32", 8);
    let pieces = |rest: &[u8]| [&[0x82, 0xa1, b'0'][..], &piece, &[0xa1, b'1'], rest].concat();
    let whole = with(&chunked(b"\x81\xa10\x04", &pieces(&piece)));
    assert_eq!(read_weights(scratch.with(&whole)).unwrap()["w"].0, [4]);
    for (file, words) in [
        (with(&array(3, "float32", 8)), "8 bytes"),
        (with(&array(2, "complex64", 16)), "`complex64`, which no weight has"),
        (with(&[0xc7, 3, 1, 0x93, 0x91, 2]), "not (shape, type, numbers)"),
        (with(&[0xc9, 0xff, 0xff, 0xff, 0xff, 1]), "too early"),
        (with(&[0xdd, 0xff, 0xff, 0xff, 0xff]), "too early"),
        (with(&[0xd4, 9, 0]), "extension of type 9"),
        (b"\x82\xa6params\x80\xa6params\x80".to_vec(), "`params` twice"),
        (b"\x81\xa6params\x80".to_vec(), "no arrays"),
        (with(&chunked(b"\x81\xa10\x05", &pieces(&piece))), "16 bytes"),
        (with(&chunked(b"\x81\xa11\x04", &pieces(&piece))), "shape"),
        (with(&chunked(b"\x81\xa10\x04", &pieces(&array(4, "float16", 8)))), "several types"),
        (with(&chunked(b"\x81\xa10\x04", &pieces(b"\xc0"))), "no arrays"),
        (with(&chunked(b"\xc0", b"\xc0")), "shape"),
    ] {
        let error = read_weights(scratch.with(&file)).unwrap_err();
        assert!(matches!(error, WeightsFileError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error} does not say {words}");
    }
}

fn zipped(path: PathBuf, entries: &[&str]) -> PathBuf {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for name in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"something").unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn what_is_given_for_weights_is_called_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut tar = vec![0; 1024];
    tar[..5].copy_from_slice(b"a.bin");
    tar[257..262].copy_from_slice(b"ustar");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 1217387\n";
    let zip = |name: &str, entries: &[&str]| zipped(folder.path().join(name), entries);
    for (path, words) in [
        (written("model.safetensors", pointer), "pointer of Git LFS"),
        (written("model.pt", b"<!DOCTYPE html>\n<html><head><title>404</title>"), "web page"),
        (written("model.onnx", b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x80\x01"), "ONNX"),
        (written("model.gguf", b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0"), "GGUF"),
        (written("model.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0"), "HDF5"),
        (written("graph.pb", b"\x0a\x2f\x0a\x0bPlaceholder\x12\x0bPlaceholder"), "TensorFlow"),
        (written("model.tar", &tar), "tar archive"),
        (written("config.json", b"{\"_class_name\": \"UNet2DModel\", \"sample_size\": 32}"), "JSON"),
        (written("empty.pt", b""), "empty"),
        (written("words.txt", b"some words that are no weights"), "neither"),
        (zip("thesis.docx", &["[Content_Types].xml", "word/document.xml"]), "Word document"),
        (zip("data.zip", &["dataset.json", "00000/img00000000.png"]), "data set"),
        (zip("stats.npz", &["mu.npy", "sigma.npy"]), "npz"),
        (zip("model.keras", &["metadata.json", "model.weights.h5"]), "Keras"),
        (zip("all.zip", &["model/unet.safetensors"]), "unpack it"),
        (
            zip("other.zip", &["a", "b"]),
            "no file of `torch.save`: it has no `data.pkl`, but entries such as `a`",
        ),
        (zip("nothing.zip", &[]), "empty zip"),
    ] {
        let error = open_weights(&path).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(words) && message.contains(path.to_str().unwrap()), "{message}");
        assert!(matches!(error, WeightsFileError::Unsupported { .. }), "{message}");
    }
}
