//! The parsers of foreign bytes, each behind a function of bytes: what the fuzzer feeds, and what the tests feed with the committed corpora.
//!
//! None may panic, take memory that the size of its input does not justify, or run for long; what they return does not matter.

use std::fs;
use std::path::{Path, PathBuf};

use onestep::checkpoint::{Which, load_model, read_header};
use onestep::data::DataSpec;
use onestep::edit::Picture;
use onestep::interop::{Choices, ForeignModel, open_weights};

/// A parser that is fed.
pub type Target = fn(&[u8]);

/// All targets by name; their corpora lie in folders of these names.
pub const TARGETS: [(&str, Target); 16] = [
    ("cifar", cifar),
    ("dataset_json", dataset_json),
    ("diffusers_config", diffusers_config),
    ("edm_pickle", edm_pickle),
    ("edm_zip", edm_zip),
    ("gif", gif),
    ("idx", idx),
    ("jpeg", jpeg),
    ("msgpack", msgpack),
    ("npy", npy),
    ("npz", npz),
    ("png", png),
    ("recipe", recipe),
    ("safetensors", safetensors),
    ("torch", torch),
    ("webp", webp),
];

/// A folder of this thread alone, in memory where the system has such a place; whoever has fed all inputs may remove it.
pub fn folder() -> PathBuf {
    thread_local! {
        static FOLDER: PathBuf = {
            let memory = Path::new("/dev/shm");
            let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
            let thread = format!("{:?}", std::thread::current().id());
            let number: String = thread.chars().filter(char::is_ascii_digit).collect();
            let folder = root.join(format!("onestep-fuzz-{}-{number}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder for inputs");
            folder
        };
    }
    FOLDER.with(PathBuf::clone)
}

/// The bytes as a file of this name.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("an input is written");
    path
}

/// Opens a file of weights and reads every array.
fn weights(path: &Path) {
    if let Ok(mut file) = open_weights(path) {
        let names: Vec<String> = file.shapes().keys().cloned().collect();
        for name in names {
            let _ = file.read(&name);
        }
    }
    if let Ok(mut model) = ForeignModel::open(path, &Choices::default()) {
        let _ = model.arrays();
    }
}

/// Opens a data set and looks at its first images.
fn images(source: &Path) {
    let spec = DataSpec { image_size: Some(8.into()), ..DataSpec::new(source.display().to_string()) };
    if let Ok(data) = onestep::data::open(&spec) {
        for index in 0..data.len().min(4) {
            let _ = data.sample(index);
        }
    }
}

fn cifar(bytes: &[u8]) {
    let folder = folder().join("cifar-10-batches-bin");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("data_batch_1.bin"), bytes).expect("an input is written");
    images(&folder);
    let folder = self::folder().join("cifar-10-batches-py");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("data_batch_1"), bytes).expect("an input is written");
    images(&folder);
}

fn dataset_json(bytes: &[u8]) {
    let folder = folder().join("set");
    fs::create_dir_all(folder.join("00000")).expect("a folder");
    let picture = folder.join("00000/img00000000.png");
    if !picture.exists() {
        let pixel: &[u8] = include_bytes!("corpus/png/grey");
        fs::write(picture, pixel).expect("an input is written");
    }
    fs::write(folder.join("dataset.json"), bytes).expect("an input is written");
    images(&folder);
}

/// The three texts of a pipeline's folder, with a zero byte between them, beside a file of weights that holds none.
fn diffusers_config(bytes: &[u8]) {
    let pipeline = folder().join("pipeline");
    let mut texts = bytes.splitn(3, |&byte| byte == 0);
    for place in ["unet/config.json", "scheduler/scheduler_config.json", "model_index.json"] {
        let path = pipeline.join(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, texts.next().unwrap_or_default()).expect("an input is written");
    }
    let weights = pipeline.join("unet/diffusion_pytorch_model.safetensors");
    fs::write(weights, b"\x02\0\0\0\0\0\0\0{}").expect("a file is written");
    let _ = ForeignModel::open(&pipeline, &Choices::default());
    let _ = ForeignModel::open(&pipeline.join("unet"), &Choices::default());
}

fn edm_pickle(bytes: &[u8]) {
    weights(&file("model.pkl", bytes));
}

fn edm_zip(bytes: &[u8]) {
    images(&file("set.zip", bytes));
}

fn gif(bytes: &[u8]) {
    let _ = Picture::open(file("picture.gif", bytes));
}

fn idx(bytes: &[u8]) {
    images(&file("train-images-idx3-ubyte", bytes));
}

fn jpeg(bytes: &[u8]) {
    let _ = Picture::open(file("picture.jpg", bytes));
}

fn msgpack(bytes: &[u8]) {
    weights(&file("model.msgpack", bytes));
}

fn npy(bytes: &[u8]) {
    images(&file("images.npy", bytes));
}

fn npz(bytes: &[u8]) {
    images(&file("images.npz", bytes));
}

fn png(bytes: &[u8]) {
    let path = file("picture.png", bytes);
    if let Ok(Some(text)) = onestep::data::picture::read_parameters(&path) {
        let _ = serde_json::from_str::<onestep::DrawRecord>(&text);
        let _ = serde_json::from_str::<onestep::EditRecord>(&text);
    }
    let _ = Picture::open(path);
}

fn recipe(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(recipe) = onestep::train::Recipe::read(text, &[])
        && let Ok(recipe) = recipe.complete()
    {
        let _ = recipe.to_toml();
    }
}

fn safetensors(bytes: &[u8]) {
    let path = file("model.safetensors", bytes);
    weights(&path);
    let _ = read_header(&path, &Which::Best);
    let _ = load_model(&path, &Which::Best);
}

fn torch(bytes: &[u8]) {
    weights(&file("model.pt", bytes));
}

fn webp(bytes: &[u8]) {
    let _ = Picture::open(file("picture.webp", bytes));
}

/// Feeds the target of this name.
#[allow(dead_code, reason = "the tests feed all of them")]
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(bytes);
}
