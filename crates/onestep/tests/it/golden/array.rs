//! The arrays of golden files, and how those files are read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{folder, packed};

/// An array as the file holds it, widened to f64.
#[derive(Clone, Debug)]
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// All arrays of a safetensors file of the golden folder, plain or packed; none if it is not there.
pub fn arrays(file: &str) -> Option<BTreeMap<String, Array>> {
    let packed = packed_path(file);
    if packed.is_file() {
        let bytes = std::fs::read(&packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
        return Some(named(&packed, &packed::unpack(&bytes)));
    }
    arrays_at(&folder().join(file))
}

/// Whether the golden folder has a safetensors file, plain or packed.
pub fn has_arrays(file: &str) -> bool {
    packed_path(file).is_file() || folder().join(file).is_file()
}

/// Where the packed form of a safetensors file would be.
fn packed_path(file: &str) -> PathBuf {
    folder().join(format!("{file}.packed"))
}

/// All arrays of a safetensors file; none if it is not there.
pub fn arrays_at(path: &Path) -> Option<BTreeMap<String, Array>> {
    Some(named(path, &std::fs::read(path).ok()?))
}

fn named(path: &Path, bytes: &[u8]) -> BTreeMap<String, Array> {
    let file = path.display();
    let tensors = SafeTensors::deserialize(bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    let read = |(name, view): (&str, TensorView<'_>)| {
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
    tensors.iter().map(read).collect()
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

    /// One entry of the first axis.
    pub fn row(&self, index: usize) -> Self {
        let shape = self.shape[1..].to_vec();
        let n_values: usize = shape.iter().product();
        Self { shape, values: self.values[index * n_values..][..n_values].to_vec() }
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
    pub fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let shape: [usize; D] = self.shape.as_slice().try_into().expect("rank");
        Tensor::from_data(TensorData::new(self.f32(), shape), device)
    }

    /// A tensor of rank `D` in f64.
    pub fn tensor_f64<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let shape: [usize; D] = self.shape.as_slice().try_into().expect("rank");
        Tensor::from_data(TensorData::new(self.values.clone(), shape), (device, DType::F64))
    }

    /// What a tensor holds, widened to f64.
    pub fn from_tensor<const D: usize>(tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f64>().try_into_vec::<f64>().expect("just converted");
        Self { shape, values }
    }
}
