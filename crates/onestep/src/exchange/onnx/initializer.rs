//! Numbers that a file holds: constants, and parameters in the layout that ONNX wants.

use std::io::{self, Write};

use super::message::Message;
use super::node::{FLOAT, INT64, entry};
use crate::model::network::graph::Mixing;
use crate::model::{ParameterId, Weights};

/// Bytes that are put together before they are written.
const CHUNK: usize = 1 << 16;

/// A named tensor of the file.
#[derive(Debug, Clone)]
pub(super) struct Initializer {
    pub name: String,
    pub dims: Vec<i64>,
    pub source: Source,
}

/// Where its numbers come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// From here.
    Floats(Vec<f32>),
    /// From here; they are shapes and the like, which readers want in the graph itself.
    Integers(Vec<i64>),
    /// The numbers of a parameter as they are.
    Parameter(ParameterId),
    /// A kernel `[kernel, kernel, n_in, n_out]`, perhaps mixed, as `[n_out, n_in, kernel, kernel]`.
    Kernel { parameter: ParameterId, mixing: Option<Mixing> },
}

impl Initializer {
    /// Whether its numbers may lie beside the file.
    pub(super) fn is_movable(&self) -> bool {
        matches!(self.source, Source::Parameter(_) | Source::Kernel { .. })
    }

    /// Bytes of its numbers.
    pub(super) fn n_bytes(&self) -> u64 {
        let size = if matches!(self.source, Source::Integers(_)) { 8 } else { 4 };
        self.dims.iter().map(|&axis| axis as u64).product::<u64>() * size
    }

    /// Its message but for the numbers, which follow to the end of the message.
    pub(super) fn head(&self) -> Message {
        self.description().opened(9, self.n_bytes())
    }

    /// Its message where the numbers lie in another file, from `offset` on.
    pub(super) fn beside(&self, location: &str, offset: u64) -> Message {
        let entries = [
            ("location", location.to_string()),
            ("offset", offset.to_string()),
            ("length", self.n_bytes().to_string()),
        ];
        let message = self.description();
        let message =
            entries.iter().fold(message, |message, (key, value)| message.message(13, &entry(key, value)));
        message.integer(14, 1)
    }

    fn description(&self) -> Message {
        let element = if matches!(self.source, Source::Integers(_)) { INT64 } else { FLOAT };
        Message::default().integers(1, &self.dims).integer(2, element).text(8, &self.name)
    }

    /// Its numbers; only those of one parameter are ever in memory.
    pub(super) fn numbers(&self, weights: &Weights) -> Numbers {
        match &self.source {
            Source::Floats(values) => Numbers::Floats(values.clone()),
            Source::Integers(values) => Numbers::Integers(values.clone()),
            Source::Parameter(parameter) => Numbers::Floats(numbers(weights, *parameter)),
            Source::Kernel { parameter, mixing } => {
                let kernel = numbers(weights, *parameter);
                let n_taps = (self.dims[2] * self.dims[3]) as usize;
                let pairs = (self.dims[0] * self.dims[1]) as usize;
                let kernel = match mixing {
                    Some(mixing) => mixed(&mixing.matrix, &kernel, n_taps, pairs),
                    None => kernel,
                };
                Numbers::Floats(channels_first(&kernel, n_taps, self.dims[1] as usize, self.dims[0] as usize))
            }
        }
    }
}

/// The numbers of an initializer.
#[derive(Debug)]
pub(super) enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Numbers {
    /// Writes them, little endian.
    pub(super) fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Floats(values) => in_chunks(values, f32::to_le_bytes, output),
            Self::Integers(values) => in_chunks(values, i64::to_le_bytes, output),
        }
    }
}

fn in_chunks<T: Copy, const N: usize>(
    values: &[T],
    bytes_of: impl Fn(T) -> [u8; N],
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK.min(N * values.len()));
    for chunk in values.chunks(CHUNK / N) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|&value| bytes_of(value)));
        output.write_all(&bytes)?;
    }
    Ok(())
}

fn numbers(weights: &Weights, parameter: ParameterId) -> Vec<f32> {
    let data = weights.values()[parameter.index()].clone().inner().into_data();
    data.convert::<f32>().try_into_vec().expect("just converted")
}

/// `matrix` `[n_taps, …]` times the pixels of a kernel, each of which is `pairs` numbers.
fn mixed(matrix: &[f32], kernel: &[f32], n_taps: usize, pairs: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; n_taps * pairs];
    for (sums, row) in sums.chunks_exact_mut(pairs).zip(matrix.chunks_exact(kernel.len() / pairs)) {
        for (pixel, &factor) in kernel.chunks_exact(pairs).zip(row) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(factor) * f64::from(value));
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// `[n_taps, n_in, n_out]` as `[n_out, n_in, n_taps]`.
fn channels_first(kernel: &[f32], n_taps: usize, n_in: usize, n_out: usize) -> Vec<f32> {
    let mut turned = vec![0.0; kernel.len()];
    for (tap, pixel) in kernel.chunks_exact(n_in * n_out).enumerate() {
        for (input, row) in pixel.chunks_exact(n_out).enumerate() {
            for (output, &value) in row.iter().enumerate() {
                turned[(output * n_in + input) * n_taps + tap] = value;
            }
        }
    }
    turned
}
