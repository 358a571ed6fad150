//! Writing tensor files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use burn::tensor::{Tensor, f16};
use serde::Serialize;

use super::header::{METADATA, METADATA_KEY};
use super::{CHUNK, Element, TensorFileError, all_finite};

/// An array to be written.
#[derive(Debug)]
pub(crate) struct Array<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Values<'a>,
}

/// Where the numbers of an array are.
#[derive(Debug)]
pub(crate) enum Values<'a> {
    /// On a device, which they leave one tensor at a time: a save needs the memory of the largest, not of the model.
    Tensor(&'a Tensor<1>),
    /// In pieces that lie one after the other.
    Rows(Vec<&'a [f32]>),
    /// Integers of 128 bits, each as two words, the low one first; the last axis is theirs.
    Words(&'a [i128]),
    /// Made when they are written, each time anew, so that those of one array are in memory at a time.
    Later(Later<'a>),
    /// On a device, to be rounded to 16 bits.
    Half(&'a Tensor<1>),
}

/// Makes the numbers of an array.
pub(crate) struct Later<'a>(Box<dyn Fn() -> Result<Vec<f32>, TensorFileError> + 'a>);

impl std::fmt::Debug for Later<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

impl<'a> Values<'a> {
    /// Numbers that `make` makes.
    pub(crate) fn later(make: impl Fn() -> Result<Vec<f32>, TensorFileError> + 'a) -> Self {
        Self::Later(Later(Box::new(make)))
    }
}

/// How a file is laid out, which readers take no notice of. It is fixed for each kind of file, so that equal contents stay
/// equal files from one version to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As the reference implementation of the format has it: values by name.
    ByName,
    /// Values in the order given; the header, by name, has the fields of a tensor in the order of the alphabet.
    AsGiven,
}

/// What the header says of a tensor, in the order of the reference implementation.
#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'a str,
    shape: &'a [usize],
    data_offsets: [u64; 2],
}

/// What the header says of a tensor, by the alphabet.
#[derive(Serialize)]
struct SortedEntry<'a> {
    data_offsets: [u64; 2],
    dtype: &'a str,
    shape: &'a [usize],
}

/// Writes a whole file with its one metadata string: the same arrays and metadata give the same bytes, whatever order the
/// arrays come in where they are laid out by name.
pub(crate) fn write_tensors(
    output: &mut dyn Write,
    metadata: &str,
    mut arrays: Vec<Array<'_>>,
    layout: Layout,
) -> Result<(), TensorFileError> {
    if layout == Layout::ByName {
        arrays.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let header = header(metadata, &arrays, layout);
    output.write_all(&(header.len() as u64).to_le_bytes())?;
    output.write_all(header.as_bytes())?;
    arrays.iter().try_for_each(|array| array.write_values(output))
}

/// Writes a file for other programs, with any entries of metadata: arrays of f32 in the order given, each made when its turn comes.
pub(crate) fn write_foreign(
    output: &mut dyn Write,
    metadata: &BTreeMap<&str, String>,
    shapes: &[(String, Vec<usize>)],
    values: impl Iterator<Item = Vec<f32>>,
) -> Result<(), TensorFileError> {
    let (mut entries, mut start) = (Vec::new(), 0);
    for (name, shape) in shapes {
        let n_values: u64 = shape.iter().map(|&n| n as u64).product();
        let end = start + Element::F32.size() as u64 * n_values;
        entries.push((name, json(&Entry { dtype: Element::F32.name(), shape, data_offsets: [start, end] })));
        start = end;
    }
    entries.sort();
    let mut header = format!("{{\"{METADATA}\":{}", json(metadata));
    for (name, entry) in entries {
        header.push_str(&format!(",{}:{entry}", json(name)));
    }
    let header = padded(header);
    output.write_all(&(header.len() as u64).to_le_bytes())?;
    output.write_all(header.as_bytes())?;
    for ((name, _), values) in shapes.iter().zip(values) {
        all_finite(name, &values)?;
        in_chunks(&values, f32::to_le_bytes, output)?;
    }
    Ok(())
}

/// A header with its last brace; values start at a multiple of 8, as the reference implementation has it.
fn padded(mut header: String) -> String {
    header.push('}');
    let length = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', length - header.len()));
    header
}

fn header(metadata: &str, arrays: &[Array<'_>], layout: Layout) -> String {
    let mut entries = Vec::new();
    let mut start = 0;
    for Array { name, shape, values } in arrays {
        let dtype = values.element();
        let n_values: u64 = shape.iter().map(|&n| n as u64).product();
        let end = start + dtype.size() as u64 * n_values;
        let (data_offsets, dtype) = ([start, end], dtype.name());
        let entry = match layout {
            Layout::ByName => json(&Entry { dtype, shape, data_offsets }),
            Layout::AsGiven => json(&SortedEntry { data_offsets, dtype, shape }),
        };
        entries.push((name, entry));
        start = end;
    }
    entries.sort();
    let mut header = format!("{{\"{METADATA}\":{{\"{METADATA_KEY}\":{}}}", json(metadata));
    for (name, entry) in entries {
        header.push_str(&format!(",{}:{entry}", json(name)));
    }
    padded(header)
}

impl Array<'_> {
    /// Writes the numbers alone, little endian, some thousand at a time.
    pub(crate) fn write_values(&self, output: &mut dyn Write) -> Result<(), TensorFileError> {
        let rows = |rows: &[f32], output: &mut dyn Write| {
            all_finite(&self.name, rows)?;
            Ok::<(), TensorFileError>(in_chunks(rows, f32::to_le_bytes, output)?)
        };
        match &self.values {
            Values::Tensor(values) => rows(&numbers(values), output),
            Values::Half(values) => {
                let halves = self.halves(values)?;
                Ok(in_chunks(&halves, f16::to_le_bytes, output)?)
            }
            Values::Rows(pieces) => pieces.iter().try_for_each(|piece| rows(piece, output)),
            Values::Later(Later(make)) => rows(&make()?, output),
            Values::Words(words) => Ok(in_chunks(words, i128::to_le_bytes, output)?),
        }
    }
}

impl Array<'_> {
    /// Writes the numbers as whoever reads them has them: of 32 bits, also those that are written in 16.
    pub(crate) fn write_as_read(&self, output: &mut dyn Write) -> Result<(), TensorFileError> {
        let Values::Half(values) = &self.values else { return self.write_values(output) };
        let read: Vec<f32> = self.halves(values)?.into_iter().map(f16::to_f32).collect();
        Ok(in_chunks(&read, f32::to_le_bytes, output)?)
    }

    /// Numbers rounded to 16 bits; what is too large for them is refused as not finite.
    fn halves(&self, values: &Tensor<1>) -> Result<Vec<f16>, TensorFileError> {
        let halves: Vec<f16> = numbers(values).into_iter().map(f16::from_f32).collect();
        let read: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
        all_finite(&self.name, &read)?;
        Ok(halves)
    }
}

fn numbers(values: &Tensor<1>) -> Vec<f32> {
    values.clone().inner().into_data().iter::<f32>().collect()
}

impl Values<'_> {
    fn element(&self) -> Element {
        match self {
            Self::Half(_) => Element::F16,
            Self::Tensor(_) | Self::Rows(_) | Self::Later(_) => Element::F32,
            Self::Words(_) => Element::I64,
        }
    }
}

fn in_chunks<T: Copy, const N: usize>(
    values: &[T],
    bytes_of: impl Fn(T) -> [u8; N],
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(N * CHUNK.min(values.len()));
    for chunk in values.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|&value| bytes_of(value)));
        output.write_all(&bytes)?;
    }
    Ok(())
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("strings and numbers are always JSON")
}
