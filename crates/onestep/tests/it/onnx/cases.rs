//! Small models of every architecture, option and form of preconditioning, with what they say.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor as Values, TensorData};
use onestep::Model;
use onestep::exchange::onnx::Form;
use onestep::model::network::{AdmConfig, AdmResample, MlpConfig, SongConfig};
use onestep::model::{
    Architecture, Condition, Denoiser, ModelKind, NoiseRange, Preconditioned, Preconditioning,
};
use onestep::{ImageSize, noise};

use super::tensor::Tensor;
use crate::golden::Array;
use crate::networks::small::{noise as normals, random_weights, small_adm, small_architectures};

/// A model with a name for its files.
pub struct Case {
    pub name: String,
    pub model: Model,
    pub network: Preconditioned,
}

/// The architectures, small enough for plain loops; what they give is of the shape of what they take.
fn architectures() -> Vec<Architecture> {
    let wide = ImageSize { height: 8, width: 12 };
    let mut all: Vec<Architecture> = small_architectures().into_iter().map(shrunk).collect();
    all.extend([
        shrunk(Architecture::Adm(AdmConfig {
            in_channels: 3,
            out_channels: 3,
            n_classes: None,
            resample: AdmResample::ResBlock,
            ..small_adm()
        })),
        Architecture::Song(SongConfig {
            image_size: wide,
            in_channels: 3,
            out_channels: 3,
            n_classes: None,
            augment_dim: 9,
            model_channels: 16,
            channel_mult: vec![1, 2],
            num_blocks: 1,
            attention_resolutions: vec![4],
            ..SongConfig::cifar10_ddpmpp()
        }),
        Architecture::Mlp(MlpConfig::new(2)),
    ]);
    all
}

fn shrunk(mut architecture: Architecture) -> Architecture {
    match &mut architecture {
        Architecture::Adm(config) => {
            (config.image_size, config.attention_resolutions) = (8.into(), vec![4]);
            config.out_channels = config.in_channels;
        }
        Architecture::Song(config) => {
            (config.image_size, config.attention_resolutions) = (8.into(), vec![4]);
            config.out_channels = config.in_channels;
        }
        Architecture::Dhariwal(config) => {
            (config.image_size, config.attention_resolutions) = (8.into(), vec![4]);
            config.out_channels = config.in_channels;
        }
        Architecture::Mlp(_) | Architecture::Custom(_) => {}
    }
    architecture
}

const FORMS: [Preconditioning; 4] =
    [Preconditioning::Boundary, Preconditioning::Edm, Preconditioning::Trig, Preconditioning::TrigEdm];

/// Every architecture, the forms of preconditioning in turn, and every form of the last, which is the cheapest.
pub fn all() -> Vec<Case> {
    let architectures = architectures();
    let last = architectures.len() - 1;
    let mut cases: Vec<Case> =
        (0..last).map(|index| Case::new(index, &architectures[index], FORMS[index % FORMS.len()])).collect();
    cases.extend(FORMS.map(|form| Case::new(last, &architectures[last], form)));
    cases
}

impl Case {
    pub fn new(index: usize, architecture: &Architecture, preconditioning: Preconditioning) -> Self {
        let network = architecture.build().expect("a possible network");
        let weights = random_weights(&*network, 5);
        let network = Preconditioned::new(network, weights, preconditioning, NoiseRange::default());
        let kind = match architecture {
            Architecture::Adm(_) => "adm",
            Architecture::Song(_) => "song",
            Architecture::Dhariwal(_) => "dhariwal",
            Architecture::Mlp(_) => "mlp",
            Architecture::Custom(_) => "custom",
        };
        let form = serde_json::to_value(preconditioning).unwrap();
        Self {
            name: format!("{kind}-{index}-{}", form.as_str().unwrap()),
            model: Model::from_network(network.clone(), ModelKind::Consistency, &Device::flex()),
            network,
        }
    }

    /// Inputs of an export by name, and what the model itself makes of them, `[batch, channels, height, width]`.
    pub fn call(&self, form: Form, batch: usize) -> (Vec<(&'static str, Tensor)>, Tensor) {
        let [height, width, channels] = self.network.network().image();
        let noise = normals::<4>(6, batch as u64, [batch, height, width, channels]);
        let labels: Option<Vec<usize>> =
            self.network.network().n_classes().map(|n| (0..batch).map(|sample| (sample + 1) % n).collect());
        let condition = Condition::of_labels(labels.clone());
        // From σ_min to σ_max, each of which is hit.
        let range = self.network.range();
        let levels: Vec<f64> = match form {
            Form::OneStep => vec![range.sigma_max; batch],
            Form::Denoiser => {
                let mut levels =
                    noise::karras_levels(batch.max(2), range.sigma_min, range.sigma_max, 7.0).unwrap();
                levels.reverse();
                levels.truncate(batch);
                levels.iter().map(|&level| f64::from(level as f32)).collect()
            }
        };
        let scale: Vec<f32> = levels.iter().map(|&level| level as f32).collect();
        let scale = Values::<4>::from_data(TensorData::new(scale, [batch, 1, 1, 1]), &noise.device());
        let noisy = noise.clone() * scale;
        let output = self.network.denoise(noisy.clone(), &levels, &condition).unwrap();
        let output = match form {
            Form::OneStep if height * width > 1 => output.clamp(-1.0, 1.0),
            Form::OneStep | Form::Denoiser => output,
        };
        let mut inputs = match form {
            Form::OneStep => vec![("noise", channels_first(noise))],
            Form::Denoiser => {
                vec![("noisy", channels_first(noisy)), ("sigma", Tensor::new(vec![batch], levels))]
            }
        };
        if let Some(labels) = labels {
            let labels = labels.iter().map(|&label| label as f64).collect();
            inputs.push(("label", Tensor::new(vec![batch], labels)));
        }
        (inputs, channels_first(output))
    }
}

fn channels_first(images: Values<4>) -> Tensor {
    let array = Array::from_tensor(images);
    Tensor::new(array.shape, array.values).transposed(&[0, 3, 1, 2])
}

/// Where exports are kept for other programs, if somebody asks: see `bench/check_onnx.py`.
pub fn kept() -> Option<PathBuf> {
    std::env::var_os("ONESTEP_ONNX_CASES").map(PathBuf::from)
}
