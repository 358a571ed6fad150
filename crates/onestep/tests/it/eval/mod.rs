//! Evaluation: metrics and networks against the numbers of the original implementations, and what they promise.

mod collections;
pub mod features;
mod judge;
mod legality;
mod likelihood;
mod memorization;
mod metrics;
mod order;
mod references;
pub mod weight_rule;

use std::path::Path;

use burn::tensor::Device;
use onestep::checkpoint::{Format, ModelHeader, save_model};
use onestep::data::{ImageShape, Pixels};
use onestep::eval::{Activations, BLOCK, EvalError, FeatureNetwork, Moments, Rows, Widths};
use onestep::model::network::SongConfig;
use onestep::model::{Architecture, ModelKind, NoiseRange, Preconditioned, Preconditioning, Weights};
use onestep::{Model, OpenOptions};

use crate::golden::Array;
use crate::networks::small::small_song;

/// An array as activations.
pub fn rows(array: &Array) -> Rows {
    Rows::new(array.shape[1], array.f32()).expect("finite rows")
}

/// The moments of all rows.
pub fn moments(rows: &Rows) -> Moments {
    let mut moments = Moments::new(rows.width());
    for block in rows.values().chunks(BLOCK * rows.width()) {
        moments.add_block(block).expect("finite rows");
    }
    moments
}

/// A U-Net of 8x8 pixels in color and three classes.
pub fn small_unet() -> SongConfig {
    SongConfig {
        image_size: 8.into(),
        in_channels: 3,
        out_channels: 3,
        attention_resolutions: vec![4],
        augment_dim: 0,
        ..small_song()
    }
}

/// A model of those images that nobody has trained.
pub fn small_model() -> Model {
    let network = Architecture::Song(small_unet()).build().unwrap();
    let device = Device::flex();
    let weights = Weights::initialize(network.parameters(), 1, &device);
    let model = Preconditioned::new(network, weights, Preconditioning::Boundary, NoiseRange::default());
    Model::from_network(model, ModelKind::Consistency, &device)
}

/// The small model in a file, so that it has an identity.
pub fn model_in_file(folder: &Path) -> Model {
    let (model, file) = (small_model(), folder.join("model.safetensors"));
    let header = small_header(&model);
    save_model(&file, &header, model.network().unwrap().weights()).unwrap();
    OpenOptions::default().open(&file).unwrap()
}

/// What the file of the small model says.
pub fn small_header(model: &Model) -> ModelHeader {
    ModelHeader {
        format: Format,
        architecture: Architecture::Song(small_unet()),
        preconditioning: model.profile().preconditioning,
        kind: model.kind(),
        sigma_min: 0.002,
        sigma_max: 80.0,
        sigma_data: 0.5,
        rho: 7.0,
        class_names: Vec::new(),
        method: "ct".into(),
        data: "none".into(),
        images_seen: 0,
        step: 0,
        tool: onestep::TOOL.into(),
        sampling_levels: None,
        task_levels: Default::default(),
        null_class: false,
        guidance: None,
        imported: None,
    }
}

/// A network that needs no training: the mean of each channel over each quarter of the image.
pub struct Quarters;

impl FeatureNetwork for Quarters {
    fn name(&self) -> &str {
        "Quarters (for tests)"
    }

    fn widths(&self) -> Widths {
        Widths { pooled: 12, spatial: Some(3), logits: Some(4) }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        let (mut pooled, mut spatial, mut logits) = (Vec::new(), Vec::new(), Vec::new());
        for image in images {
            let ImageShape { height, width, channels } = image.shape();
            let mut sums = [0.0f32; 12];
            for (index, &byte) in image.bytes().iter().enumerate() {
                let (pixel, channel) = (index / channels, index % channels);
                let quarter =
                    usize::from(pixel / width * 2 >= height) * 2 + usize::from(pixel % width * 2 >= width);
                sums[quarter * 3 + channel] += f32::from(byte) / (255 * height * width / 4) as f32;
            }
            pooled.extend(sums);
            spatial.extend(&sums[..3]);
            logits.extend(sums.chunks_exact(3).map(|quarter| 9.0 * quarter[0]));
        }
        Ok(Activations { pooled, spatial: Some(spatial), logits: Some(logits) })
    }
}
