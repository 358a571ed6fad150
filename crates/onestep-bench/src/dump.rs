//! A model and what it makes of one batch, as files that other implementations can be compared with.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use onestep::checkpoint::save_model;
use onestep::model::Denoiser;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::error::{Result, create_folder, write};
use super::{Case, Subject};

/// Writes `model.safetensors`, a model file as any other, and `case.safetensors` into a folder; returns their paths.
///
/// The case holds `input` and `output` of the denoiser, `[batch, height, width, channels]`, the noise levels `sigma`,
/// `[batch]`, and, for a class-conditional network, `labels`, `[batch]` as i64.
///
/// # Errors
///
/// [`BenchError::CreateFolder`](crate::BenchError::CreateFolder) and [`BenchError::Write`](crate::BenchError::Write), and
/// whatever the model returns.
pub fn dump(folder: &Path, subject: &Subject, case: &Case) -> Result<[PathBuf; 2]> {
    create_folder(folder)?;
    let files = ["model.safetensors", "case.safetensors"].map(|name| folder.join(name));
    save_model(&files[0], &subject.header, subject.model.weights())?;
    let output = subject.model.denoise(case.noisy.clone(), &case.sigma, &case.batch.condition)?;
    let shape = case.noisy.dims().to_vec();
    let batch = vec![case.sigma.len()];
    let sigma: Vec<u8> = case.sigma.iter().flat_map(|&sigma| (sigma as f32).to_le_bytes()).collect();
    let mut arrays = vec![
        ("input", Dtype::F32, shape.clone(), bytes(case.noisy.clone())),
        ("output", Dtype::F32, shape, bytes(output)),
        ("sigma", Dtype::F32, batch.clone(), sigma),
    ];
    let labels = case.batch.condition.labels.iter().flatten().copied().collect::<Option<Vec<usize>>>();
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        let labels = labels.iter().flat_map(|&label| (label as i64).to_le_bytes()).collect();
        arrays.push(("labels", Dtype::I64, batch, labels));
    }
    write_arrays(&files[1], &arrays)?;
    Ok(files)
}

/// Writes arrays into a safetensors file that says what made it.
pub(crate) fn write_arrays(path: &Path, arrays: &[(impl AsRef<str>, Dtype, Vec<usize>, Vec<u8>)]) -> Result {
    let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_ref(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let signed = HashMap::from([("onestep".to_owned(), json!({ "tool": onestep::TOOL }).to_string())]);
    write(path, &safetensors::serialize(views, Some(signed))?)
}

fn bytes(tensor: Tensor<4>) -> Vec<u8> {
    tensor.into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect()
}
