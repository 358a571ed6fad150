//! Agreement with numbers produced by the original implementations.
//!
//! The folder comes from `GOLDEN_DIR`, else `../shared/golden` beside the checkout where it exists, else the
//! small set committed under `tests/golden`. Settings, keys and tolerances are read from each case's json.
//! [`cases`] lists the cases and says at the end of the run which were absent. Every comparison prints one row of the table:
//! `cargo test -p onestep --test it golden -- --nocapture | grep '^golden'`.

mod array;
pub mod cases;
mod formula;
mod gradients;
pub mod models;
mod packed;
pub mod recorded;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

pub use array::{Array, arrays, arrays_at};
pub use gradients::check_gradients;

/// One case: its json and its arrays.
pub struct Case {
    pub name: String,
    pub json: Value,
    arrays: BTreeMap<String, Array>,
}

/// The folder of golden numbers.
pub fn folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    match std::env::var_os("GOLDEN_DIR") {
        Some(folder) => root.join(folder),
        None => {
            let shared = root.join("../shared/golden");
            if shared.is_dir() { shared } else { committed() }
        }
    }
}

/// The small set that comes with the source.
fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Reads a case; none, with a word about it, if the set has nothing of it.
///
/// # Panics
///
/// Where the case has no place in the table of [`cases`], and where only a part of it is there.
pub fn case(name: &str) -> Option<Case> {
    cases::assert_known(name);
    let path = folder().join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("golden | {name} | absent from this set |");
        return None;
    };
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"));
    let lists_arrays = json["tensors"].as_object().is_some_and(|listed| !listed.is_empty());
    let file = format!("{name}.safetensors");
    let arrays = arrays(&file).unwrap_or_else(|| {
        assert!(!lists_arrays, "{name}.json is there without {file}");
        BTreeMap::new()
    });
    Some(Case { name: name.into(), json, arrays })
}

impl Case {
    /// An array that must be there.
    pub fn array(&self, key: &str) -> &Array {
        self.arrays.get(key).unwrap_or_else(|| panic!("{}: no array `{key}`", self.name))
    }

    /// An array that may be there.
    pub fn find(&self, key: &str) -> Option<&Array> {
        self.arrays.get(key)
    }

    /// All arrays, by name.
    pub fn arrays(&self) -> &BTreeMap<String, Array> {
        &self.arrays
    }

    /// The arrays called `prefix`, a number and `suffix`, in the order of the numbers; one without a number is the first.
    pub fn numbered(&self, prefix: &str, suffix: &str) -> BTreeMap<usize, &Array> {
        let number = |key: &str| {
            let middle = key.strip_prefix(prefix)?.strip_suffix(suffix)?.trim_start_matches(['.', '_']);
            if middle.is_empty() { Some(0) } else { middle.parse().ok() }
        };
        self.arrays.iter().filter_map(|(key, array)| Some((number(key)?, array))).collect()
    }

    /// A number of the json by its path, for example `config.dropout`.
    pub fn number(&self, path: &str) -> f64 {
        self.get(path).as_f64().unwrap_or_else(|| panic!("{}: `{path}` is not a number", self.name))
    }

    /// A value of the json by its path.
    pub fn get(&self, path: &str) -> &Value {
        path.split('.').fold(&self.json, |value, key| {
            value.get(key).unwrap_or_else(|| panic!("{}: no `{path}` in the json", self.name))
        })
    }

    /// The rows of a list in the json; none, with a word about it, if it is not there.
    pub fn blocks(&self, key: &str) -> &[Value] {
        self.json.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_else(|| {
            println!("golden | {} | {key} absent from this set |", self.name);
            &[]
        })
    }

    /// A name in the json by its path.
    pub fn text(&self, path: &str) -> &str {
        self.get(path).as_str().unwrap_or_else(|| panic!("{}: `{path}` is not a text", self.name))
    }

    /// The file with the case's weights: the one it names, or that of its own name.
    pub fn weights_file(&self) -> String {
        let named = match &self.json["weights"] {
            Value::Array(files) => {
                files.iter().filter_map(Value::as_str).find(|f| f.ends_with(".safetensors"))
            }
            one => one.as_str(),
        };
        named.map_or_else(|| format!("{}.weights.safetensors", self.name), str::to_string)
    }

    /// A setting of the noise, which cases hold in different blocks; infinity is a text in json.
    pub fn noise_setting(&self, key: &str) -> Option<f64> {
        let blocks = ["diffusion", "loss", "options"].into_iter().map(|block| &self.json[block]);
        blocks.chain([&self.json]).find_map(|block| match &block[key] {
            Value::String(text) if text == "inf" => Some(f64::INFINITY),
            value => value.as_f64(),
        })
    }

    /// Checks |got - expected| <= atol + rtol * |expected| for every element, with the case's tolerances.
    pub fn check(&self, what: &str, got: &Array, expected: &Array) {
        let tolerance = |key| self.json.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        check(&self.name, what, got, expected, tolerance("atol"), tolerance("rtol"));
    }
}

/// Checks |got - expected| <= atol + rtol * |expected| for every element and prints the worst.
pub fn check(name: &str, what: &str, got: &Array, expected: &Array, atol: f64, rtol: f64) {
    assert_eq!(got.shape, expected.shape, "{name} {what}: shape");
    check_values(name, what, &got.values, &expected.values, |expected| atol + rtol * expected.abs());
}

/// Checks |got - expected| <= bound(expected) for every element and prints the worst fraction of the bound.
pub fn check_values(name: &str, what: &str, got: &[f64], expected: &[f64], bound: impl Fn(f64) -> f64) {
    assert_eq!(got.len(), expected.len(), "{name} {what}: length");
    let mut worst = (0.0, 0);
    for (index, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        let fraction = if error == 0.0 { 0.0 } else { error / bound(expected) };
        // A NaN anywhere must be the worst of all.
        if fraction > worst.0 || fraction.is_nan() {
            worst = (fraction, index);
            if fraction.is_nan() {
                break;
            }
        }
    }
    let (fraction, index) = worst;
    println!("golden | {name} | {what} | {fraction:.4} of the tolerance |");
    assert!(
        fraction <= 1.0,
        "{name} {what}: {fraction:.3} times the tolerance at index {index}: got {:e}, expected {:e}",
        got[index],
        expected[index]
    );
}
