//! Agreement with numbers produced by the original implementations.
//!
//! The folder comes from `GOLDEN_DIR`, else `../shared/golden` beside the checkout where it exists, else the
//! small set committed under `tests/golden`. Settings, keys and tolerances are read from each case's json.
//! A case that is absent is reported as skipped. Every comparison prints one row of the table:
//! `cargo test -p onestep --test it golden -- --nocapture | grep '^golden'`.

mod formula;
mod gradients;
pub mod models;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

pub use gradients::check_gradients;

/// One case: its json and its arrays.
pub struct Case {
    pub name: String,
    pub json: Value,
    arrays: BTreeMap<String, Array>,
}

/// An array as the file holds it, widened to f64.
#[derive(Clone, Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The folder of golden numbers.
pub fn folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    match std::env::var_os("GOLDEN_DIR") {
        Some(folder) => root.join(folder),
        None => {
            let shared = root.join("../shared/golden");
            if shared.is_dir() {
                shared
            } else {
                PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
            }
        }
    }
}

/// Reads a case, or says that it is skipped and returns none.
pub fn case(name: &str) -> Option<Case> {
    let path = folder().join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("golden | {name} | skipped: not in this set |");
        return None;
    };
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"));
    let file = format!("{name}.safetensors");
    let arrays = match (arrays(&file), json["tensors"].as_object()) {
        (Some(arrays), _) => arrays,
        (None, Some(listed)) if !listed.is_empty() => {
            println!("golden | {name} | skipped: no {file} in this set |");
            return None;
        }
        _ => BTreeMap::new(),
    };
    Some(Case { name: name.into(), json, arrays })
}

/// All arrays of a safetensors file of the golden folder; none if it is not there.
pub fn arrays(file: &str) -> Option<BTreeMap<String, Array>> {
    arrays_at(&folder().join(file))
}

/// All arrays of a safetensors file; none if it is not there.
pub fn arrays_at(path: &Path) -> Option<BTreeMap<String, Array>> {
    let bytes = std::fs::read(path).ok()?;
    let file = path.display();
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    let read = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::I64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
            }
            Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{file}: `{name}` has type {other:?}"),
        };
        (name.to_string(), Array { shape: view.shape().to_vec(), values })
    };
    Some(tensors.iter().map(read).collect())
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
            println!("golden | {} | {key} skipped: not in this set |", self.name);
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

impl Array {
    /// `[batch, channels, height, width]` to `[batch, height, width, channels]`.
    pub fn channels_last(&self) -> Self {
        let [batch, channels, height, width]: [usize; 4] =
            self.shape.as_slice().try_into().expect("four axes");
        let mut values = Vec::with_capacity(self.values.len());
        for b in 0..batch {
            for pixel in 0..height * width {
                for c in 0..channels {
                    values.push(self.values[(b * channels + c) * height * width + pixel]);
                }
            }
        }
        Self { shape: vec![batch, height, width, channels], values }
    }

    /// The values in f32.
    pub fn f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    /// The values as indices.
    pub fn indices(&self) -> Vec<usize> {
        self.values.iter().map(|&value| value as usize).collect()
    }

    /// A tensor of rank `D` in f32.
    pub fn tensor<const D: usize>(&self, device: &burn::tensor::Device) -> burn::tensor::Tensor<D> {
        let shape: [usize; D] = self.shape.as_slice().try_into().expect("rank");
        burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(self.f32(), shape), device)
    }

    /// What a tensor holds, widened to f64.
    pub fn from_tensor<const D: usize>(tensor: burn::tensor::Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f64>().try_into_vec::<f64>().expect("just converted");
        Self { shape, values }
    }
}
