//! Small networks of every kind, and calls that fit them.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use onestep::model::network::{
    AdmConfig, AdmHeads, AdmResample, Decoder, DhariwalConfig, Encoder, MlpConfig, NoiseEmbedding, SongConfig,
};
use onestep::model::{Architecture, Condition, DropoutKey, ModelError, Network, Weights};
use onestep::noise::{Purpose, Stream};

use super::device;
use crate::golden::Array;

/// A small U-Net of OpenAI's kind for MNIST-like images, with everything that is optional.
pub fn small_adm() -> AdmConfig {
    AdmConfig {
        image_size: 28.into(),
        in_channels: 1,
        out_channels: 1,
        model_channels: 32,
        num_res_blocks: 1,
        attention_resolutions: vec![14],
        channel_mult: vec![1, 2],
        n_classes: Some(3),
        heads: AdmHeads::Count { heads: 2, upsample: Some(4) },
        resample: AdmResample::Convolution,
        dropout: 0.3,
        ..AdmConfig::imagenet64()
    }
}

/// A small NCSN++ for MNIST-like images.
pub fn small_song() -> SongConfig {
    SongConfig {
        image_size: 28.into(),
        in_channels: 1,
        out_channels: 2,
        n_classes: Some(3),
        augment_dim: 2,
        model_channels: 16,
        channel_mult: vec![1, 2],
        num_blocks: 1,
        attention_resolutions: vec![14],
        dropout: 0.3,
        ..SongConfig::cifar10_ncsnpp()
    }
}

/// A small network of EDM's ADM kind for MNIST-like images.
pub fn small_dhariwal() -> DhariwalConfig {
    DhariwalConfig {
        image_size: 28.into(),
        in_channels: 1,
        out_channels: 1,
        n_classes: Some(3),
        augment_dim: 2,
        model_channels: 32,
        channel_mult: vec![1, 2],
        num_blocks: 1,
        attention_resolutions: vec![14],
        dropout: 0.3,
        ..DhariwalConfig::imagenet64()
    }
}

/// One small network of every kind and option.
pub fn small_architectures() -> Vec<Architecture> {
    let adm = small_adm();
    let song = small_song();
    vec![
        Architecture::Adm(adm.clone()),
        Architecture::Adm(AdmConfig {
            image_size: 8.into(),
            attention_resolutions: vec![8],
            heads: AdmHeads::Width(16),
            scale_shift_norm: false,
            resample: AdmResample::ResBlock,
            ..adm.clone()
        }),
        Architecture::Adm(AdmConfig { n_classes: None, resample: AdmResample::Pooling, ..adm }),
        Architecture::Song(song.clone()),
        Architecture::Song(SongConfig {
            image_size: 8.into(),
            attention_resolutions: vec![4],
            embedding: NoiseEmbedding::Positional,
            encoder: Encoder::Skip,
            decoder: Decoder::Skip,
            ..song.clone()
        }),
        Architecture::Song(SongConfig {
            n_classes: None,
            encoder: Encoder::Standard,
            augment_dim: 0,
            ..song
        }),
        Architecture::Dhariwal(small_dhariwal()),
        Architecture::Mlp(MlpConfig { n_classes: Some(3), ..MlpConfig::new(2) }),
    ]
}

/// Random weights in which nothing is zero, so that every path counts.
pub fn random_weights(network: &dyn Network, seed: u64) -> Weights {
    let start = Weights::initialize(network.parameters(), seed, &device());
    let values = start
        .iter()
        .zip(0..)
        .map(|((_, value), index)| value.clone() + noise(seed, index, value.dims()) * 0.05);
    Weights::from_values(network.parameters(), values.collect())
}

/// Unit normals named by two numbers.
pub fn noise<const D: usize>(seed: u64, step: u64, shape: [usize; D]) -> Tensor<D> {
    let values = Stream::new(seed, Purpose::Test, step, 0).standard_normal(shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// A batch that fits a network, with labels where it takes some.
pub struct Call {
    pub network: Arc<dyn Network>,
    pub weights: Weights,
    pub input: Tensor<4>,
    pub codes: Vec<f64>,
    pub condition: Condition,
}

impl Call {
    pub fn new(architecture: &Architecture, batch: usize) -> Self {
        let network = architecture.build().expect("a possible network");
        let [height, width, channels] = network.image();
        let augment_dim = match architecture {
            Architecture::Song(config) => config.augment_dim,
            Architecture::Dhariwal(config) => config.augment_dim,
            Architecture::Adm(_) | Architecture::Mlp(_) | Architecture::Custom(_) => 0,
        };
        let row = |sample: usize| (0..augment_dim).map(|i| 0.5 + (sample + i) as f32).collect::<Vec<_>>();
        Self {
            weights: random_weights(&*network, 5),
            input: noise(6, 0, [batch, height, width, channels]),
            codes: (0..batch).map(|sample| -1.0 + 0.7 * sample as f64).collect(),
            condition: Condition {
                labels: network.n_classes().map(|n| (0..batch).map(|sample| Some(sample % n)).collect()),
                augment: (augment_dim > 0).then(|| (0..batch).map(row).collect()),
                ..Condition::default()
            },
            network,
        }
    }

    pub fn run(&self) -> Vec<f64> {
        Array::from_tensor(self.output(&self.weights)).values
    }

    pub fn output(&self, weights: &Weights) -> Tensor<4> {
        self.network
            .forward(weights, self.input.clone(), &self.codes, &self.condition)
            .expect("a call that fits")
    }

    pub fn error(&self) -> ModelError {
        let result = self.network.forward(&self.weights, self.input.clone(), &self.codes, &self.condition);
        result.expect_err("a call that does not fit")
    }

    /// The same call for one sample of the batch alone.
    pub fn alone(&self, sample: usize) -> Self {
        Self {
            network: self.network.clone(),
            weights: self.weights.clone(),
            input: self.input.clone().narrow(0, sample, 1),
            codes: vec![self.codes[sample]],
            condition: self.condition.select(sample..sample + 1),
        }
    }
}

/// A dropout key.
pub fn key(step: u64, samples: &[u64]) -> DropoutKey {
    DropoutKey { seed: 11, step, samples: samples.to_vec() }
}
