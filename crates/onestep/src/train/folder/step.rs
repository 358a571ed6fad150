//! The contents of one step folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::arrays::{Array, NamedArrays, Values};
use crate::checkpoint::layout::{self, MODEL, OPTIMIZER, STATE, TARGET, TEACHER, WEIGHTING};
use crate::checkpoint::{
    CheckpointError, Format, Manifest, ModelHeader, Storage, Writer, arrays_of, parse, read_arrays,
    read_manifest, render, weights_from,
};
use crate::model::{ParameterSpec, Weights};
use crate::objective::LevelWeighting;
use crate::train::{Average, LearnedWeighting, MethodState, Optimizer, OptimizerConfig};

/// The header of `optim.safetensors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizerHeader {
    pub format: Format,
    pub optimizer: OptimizerConfig,
    pub step: u64,
}

/// Writes all files of a checkpoint, `state.json` last.
pub(super) fn write_step(
    storage: &dyn Storage,
    checkpoint: &Checkpoint,
    folder: &Path,
    needed: u64,
) -> Result<Manifest, CheckpointError> {
    let Checkpoint { header, weights, averages, method, optimizer, state } = checkpoint;
    let MethodState { target, teacher, weighting } = method;
    let mut labels = BTreeSet::new();
    for label in averages.iter().map(|average| average.config.label()) {
        if !labels.insert(label.clone()) {
            return Err(CheckpointError::SameLabel { label });
        }
    }
    let header = ModelHeader { step: state.step, images_seen: state.images_seen, ..header.clone() };
    let mut writer = Writer { storage, folder, needed, digests: BTreeMap::new() };
    writer.model(MODEL, &header, arrays_of(weights))?;
    for average in averages {
        writer.model(&layout::weights_file(&average.config.label()), &header, arrays_of(&average.weights))?;
    }
    for (name, weights) in [(TARGET, target), (TEACHER, teacher)] {
        if let Some(weights) = weights {
            writer.model(name, &header, arrays_of(weights))?;
        }
    }
    write_optimizer(&mut writer, OPTIMIZER, optimizer, weights, Vec::new())?;
    if let Some(LearnedWeighting { weights, optimizer }) = weighting {
        let values = weights.iter().map(|(spec, value)| (format!("{VALUE}{}", spec.name), value.clone()));
        write_optimizer(&mut writer, WEIGHTING, optimizer, weights, values.collect())?;
    }
    let manifest = Manifest {
        format: Format,
        state: state.clone(),
        averages: averages.iter().map(|average| average.config).collect(),
        files: std::mem::take(&mut writer.digests),
    };
    writer.text(STATE, &render("training state", &folder.join(STATE), &manifest)?)?;
    Ok(manifest)
}

/// In front of the names of values that lie beside their moments.
const VALUE: &str = "value.";

/// Writes an optimizer's moments, and what else is to lie beside them.
fn write_optimizer(
    writer: &mut Writer<'_>,
    name: &str,
    optimizer: &Optimizer,
    weights: &Weights,
    mut tensors: Vec<(String, Tensor<1>)>,
) -> Result<(), CheckpointError> {
    tensors.extend(optimizer.named_moments(weights));
    let tensors = tensors
        .iter()
        .map(|(name, values)| Array {
            name: name.clone(),
            shape: values.dims().to_vec(),
            values: Values::Tensor(values),
        })
        .collect();
    let header = OptimizerHeader { format: Format, optimizer: *optimizer.config(), step: optimizer.step() };
    let metadata = render("optimizer header", &writer.folder.join(name), &header)?;
    writer.tensors(name, &metadata, tensors)
}

/// The learned weighting of levels from its file.
fn weighting_from(
    path: &Path,
    (header, mut arrays): (OptimizerHeader, NamedArrays),
    device: &Device,
) -> Result<LearnedWeighting, CheckpointError> {
    let specs = LevelWeighting::new().parameters().clone();
    // Values are stored flat, as moments are.
    let values = specs.iter().filter_map(|spec| {
        let (shape, values) = arrays.remove(&format!("{VALUE}{}", spec.name))?;
        let shape = if shape == [spec.n_values()] { spec.shape.clone() } else { shape };
        Some((spec.name.clone(), (shape, values)))
    });
    let weights = weights_from(path, &specs, values.collect(), device)?;
    let optimizer =
        Optimizer::restore(header.optimizer, header.step, arrays, &weights, device).map_err(|reason| {
            CheckpointError::WrongOptimizer { path: path.to_path_buf(), reason: reason.into() }
        })?;
    Ok(LearnedWeighting { weights, optimizer })
}

/// The contents of an intact step folder, not yet fitted to a network.
pub(super) struct Parts {
    pub manifest: Manifest,
    header: ModelHeader,
    weights: NamedArrays,
    averages: Vec<NamedArrays>,
    target: Option<NamedArrays>,
    teacher: Option<NamedArrays>,
    optimizer: (OptimizerHeader, NamedArrays),
    weighting: Option<(OptimizerHeader, NamedArrays)>,
}

/// Reads all of a step folder and compares every file with its digest.
pub(super) fn read_step(folder: &Path) -> Result<Parts, CheckpointError> {
    let manifest = read_manifest(folder)?;
    let read = |name: &str| {
        let path = folder.join(name);
        match manifest.files.get(name) {
            Some(digest) => read_arrays(&path, Some(digest))
                .map(|(metadata, arrays, _)| (metadata, arrays))
                .map_err(CheckpointError::in_step_folder),
            // state.json promises a file without vouching for it: not something this tool has written.
            None => Err(CheckpointError::WrongDigest { path }),
        }
    };
    let (metadata, weights) = read(MODEL)?;
    let header = ModelHeader::parse(&folder.join(MODEL), &metadata)?;
    let averages = manifest
        .averages
        .iter()
        .map(|average| Ok(read(&layout::weights_file(&average.label()))?.1))
        .collect::<Result<_, CheckpointError>>()?;
    let read_if_there = |name: &str| -> Result<Option<NamedArrays>, CheckpointError> {
        Ok(manifest.files.contains_key(name).then(|| read(name)).transpose()?.map(|(_, arrays)| arrays))
    };
    let (target, teacher) = (read_if_there(TARGET)?, read_if_there(TEACHER)?);
    let with_header = |name: &str| {
        let (metadata, arrays) = read(name)?;
        Ok::<_, CheckpointError>((parse("optimizer header", &folder.join(name), &metadata)?, arrays))
    };
    let optimizer = with_header(OPTIMIZER)?;
    let weighting = manifest.files.contains_key(WEIGHTING).then(|| with_header(WEIGHTING)).transpose()?;
    Ok(Parts { manifest, header, weights, averages, target, teacher, optimizer, weighting })
}

impl Parts {
    /// Fits the arrays to a network.
    pub(super) fn assemble(
        self,
        folder: &Path,
        specs: &Arc<[ParameterSpec]>,
        device: &Device,
    ) -> Result<Checkpoint, CheckpointError> {
        let fit = |name: &str, arrays| weights_from(&folder.join(name), specs, arrays, device);
        let weights: Weights = fit(MODEL, self.weights)?;
        let averages = self
            .manifest
            .averages
            .into_iter()
            .zip(self.averages)
            .map(|(config, arrays)| {
                Ok(Average { config, weights: fit(&layout::weights_file(&config.label()), arrays)? })
            })
            .collect::<Result<_, CheckpointError>>()?;
        let target = self.target.map(|arrays| fit(TARGET, arrays)).transpose()?;
        let teacher = self.teacher.map(|arrays| fit(TEACHER, arrays)).transpose()?;
        let (OptimizerHeader { optimizer, step, .. }, moments) = self.optimizer;
        let optimizer = Optimizer::restore(optimizer, step, moments, &weights, device).map_err(|reason| {
            CheckpointError::WrongOptimizer { path: folder.join(OPTIMIZER), reason: reason.into() }
        })?;
        let weighting =
            self.weighting.map(|parts| weighting_from(&folder.join(WEIGHTING), parts, device)).transpose()?;
        Ok(Checkpoint {
            header: self.header,
            weights,
            averages,
            method: MethodState { target, teacher, weighting },
            optimizer,
            state: self.manifest.state,
        })
    }
}
