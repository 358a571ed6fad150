//! Writing tensor files.

use std::io::{self, Write};

use burn::tensor::Tensor;
use serde::Serialize;

use super::{CHUNK, Entry, METADATA, METADATA_KEY};

/// A tensor to be written.
pub struct NamedTensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: &'a Tensor<1>,
}

/// Why a tensor file was not written.
#[derive(Debug)]
pub enum WriteError {
    Io(io::Error),
    NotFinite { name: String, index: usize },
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes a whole file: the same tensors and metadata give the same bytes, whatever order they come in.
///
/// Values leave the device one tensor at a time, so a save needs the memory of the largest tensor, not of the model.
pub fn write_tensors(
    output: &mut dyn Write,
    metadata: &str,
    mut tensors: Vec<NamedTensor<'_>>,
) -> Result<(), WriteError> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = format!("{{\"{METADATA}\":{{\"{METADATA_KEY}\":{}}}", json(metadata));
    let mut start = 0;
    for tensor in &tensors {
        let end = start + 4 * tensor.shape.iter().map(|&n| n as u64).product::<u64>();
        let shape = tensor.shape.iter().map(|&n| n as u64).collect();
        let entry = Entry { dtype: "F32".into(), shape, data_offsets: [start, end] };
        header.push_str(&format!(",{}:{}", json(&tensor.name), json(&entry)));
        start = end;
    }
    header.push('}');
    // Values start at a multiple of 8, as the reference implementation has it.
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    output.write_all(&(header.len() as u64).to_le_bytes())?;
    output.write_all(header.as_bytes())?;
    for NamedTensor { name, values, .. } in tensors {
        let data = values.clone().inner().into_data().convert::<f32>();
        let values = data.as_slice::<f32>().expect("just converted");
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(WriteError::NotFinite { name, index });
        }
        let mut bytes = Vec::with_capacity(4 * CHUNK.min(values.len()));
        for chunk in values.chunks(CHUNK) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            output.write_all(&bytes)?;
        }
    }
    Ok(())
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and numbers are always JSON")
}
