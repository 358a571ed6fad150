//! Reading tensor files.

use std::io::{self, Read, Seek, SeekFrom};

use super::header::{Header, MAX_HEADER_BYTES, Rules, Tensor};
use super::{CHUNK, Element, NamedArrays, TensorFileError, all_finite};
use crate::file;

/// A tensor file whose header has been read and checked.
#[derive(Debug)]
pub(crate) struct TensorFile<R> {
    input: R,
    metadata: String,
    signed: bool,
    /// In the order of the file.
    tensors: Vec<Tensor>,
    /// Where the values begin.
    values: u64,
}

/// An array as its bytes.
#[derive(Debug)]
pub(crate) struct RawArray {
    pub name: String,
    pub element: Element,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

impl<R: Read> TensorFile<R> {
    /// Reads and checks the header of a file of `length` bytes.
    pub(crate) fn open(mut input: R, length: u64, rules: Rules) -> Result<Self, TensorFileError> {
        let truncated = |expected| TensorFileError::Truncated { expected, found: length };
        if length < 8 {
            return Err(truncated(8));
        }
        let mut start = [0; 8];
        input.read_exact(&mut start)?;
        let n_header = u64::from_le_bytes(start);
        if n_header > MAX_HEADER_BYTES {
            let mut start = start.to_vec();
            input.take(file::START as u64).read_to_end(&mut start)?;
            if let Some(what) = file::describe(&start) {
                return Err(TensorFileError::Foreign { what });
            }
            return Err(TensorFileError::HeaderTooLarge { bytes: n_header });
        }
        if n_header > length - 8 {
            return Err(truncated(8 + n_header));
        }
        let mut text = vec![0; n_header as usize];
        input.read_exact(&mut text)?;
        let Header { metadata, signed, tensors, n_bytes } = Header::parse(&text, rules)?;
        let available = length - 8 - n_header;
        match available.cmp(&n_bytes) {
            std::cmp::Ordering::Less => Err(truncated((8 + n_header).saturating_add(n_bytes))),
            std::cmp::Ordering::Greater => Err(TensorFileError::Trailing { extra: available - n_bytes }),
            std::cmp::Ordering::Equal => Ok(Self { input, metadata, signed, tensors, values: 8 + n_header }),
        }
    }

    /// The one metadata string; empty for a file that need not have it.
    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }

    /// Whether it has metadata of ours, whatever else it has.
    pub(crate) fn is_signed(&self) -> bool {
        self.signed
    }

    /// Names and shapes, in the order of the file.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&str, &[u64])> {
        self.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()))
    }

    /// Reads all values as f32, some thousand at a time, and gives back the input at its end.
    pub(crate) fn read(mut self) -> Result<(NamedArrays, R), TensorFileError> {
        let mut arrays = NamedArrays::new();
        for tensor in &self.tensors {
            let values = values(&mut self.input, tensor)?;
            let shape = tensor.shape.iter().map(|&n| n as usize).collect();
            arrays.insert(tensor.name.clone(), (shape, values));
        }
        Ok((arrays, self.input))
    }

    /// Reads all arrays as their bytes, in the order of the file, for callers that make numbers of another kind of them.
    pub(crate) fn read_raw(mut self) -> Result<Vec<RawArray>, TensorFileError> {
        let mut arrays = Vec::with_capacity(self.tensors.len());
        for tensor in self.tensors {
            let mut bytes = Vec::with_capacity(tensor.n_bytes as usize);
            in_chunks(&mut self.input, &tensor, |chunk| bytes.extend_from_slice(chunk))?;
            let Tensor { name, element, shape, .. } = tensor;
            arrays.push(RawArray { name, element, shape, bytes });
        }
        Ok(arrays)
    }
}

impl<R: Read + Seek> TensorFile<R> {
    /// Reads the values of one tensor as f32; none where there is none of that name.
    pub(crate) fn read_one(&mut self, name: &str) -> Result<Option<Vec<f32>>, TensorFileError> {
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            return Ok(None);
        };
        self.input.seek(SeekFrom::Start(self.values + tensor.position))?;
        values(&mut self.input, tensor).map(Some)
    }
}

/// Reads the values of a tensor that the input stands at, as f32.
fn values(input: &mut impl Read, tensor: &Tensor) -> Result<Vec<f32>, TensorFileError> {
    let mut values = Vec::with_capacity(tensor.n_bytes as usize / tensor.element.size());
    in_chunks(input, tensor, |bytes| tensor.element.append(bytes, &mut values))?;
    all_finite(&tensor.name, &values)?;
    Ok(values)
}

/// Reads the bytes of a tensor in pieces of whole numbers.
fn in_chunks(input: &mut impl Read, tensor: &Tensor, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK * tensor.element.size()];
    let mut left = tensor.n_bytes as usize;
    while left > 0 {
        let n = left.min(buffer.len());
        let chunk = &mut buffer[..n];
        input.read_exact(chunk)?;
        take(chunk);
        left -= n;
    }
    Ok(())
}
