//! What the networks promise, whatever their weights.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use onestep::model::network::{
    AdmConfig, AdmHeads, AdmResample, Decoder, DhariwalConfig, Encoder, MlpConfig, NoiseEmbedding, SongConfig,
};
use onestep::model::{Architecture, Condition, DropoutKey, ModelError, Network, Weights, n_parameters};
use onestep::noise::{Purpose, Stream};

use super::device;
use crate::golden::Array;

/// A small U-Net of OpenAI's kind for MNIST-like images, with everything that is optional.
fn small_adm() -> AdmConfig {
    AdmConfig {
        image_size: 28,
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

fn small_song() -> SongConfig {
    SongConfig {
        image_size: 28,
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

fn small_dhariwal() -> DhariwalConfig {
    DhariwalConfig {
        image_size: 28,
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
            image_size: 8,
            attention_resolutions: vec![8],
            heads: AdmHeads::Width(16),
            scale_shift_norm: false,
            resample: AdmResample::ResBlock,
            ..adm.clone()
        }),
        Architecture::Adm(AdmConfig { n_classes: None, resample: AdmResample::Pooling, ..adm }),
        Architecture::Song(song.clone()),
        Architecture::Song(SongConfig {
            image_size: 8,
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

fn noise<const D: usize>(seed: u64, step: u64, shape: [usize; D]) -> Tensor<D> {
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
            Architecture::Adm(_) | Architecture::Mlp(_) => 0,
        };
        let row = |sample: usize| (0..augment_dim).map(|i| 0.5 + (sample + i) as f32).collect::<Vec<_>>();
        Self {
            weights: random_weights(&*network, 5),
            input: noise(6, 0, [batch, height, width, channels]),
            codes: (0..batch).map(|sample| -1.0 + 0.7 * sample as f64).collect(),
            condition: Condition {
                labels: network.n_classes().map(|n| (0..batch).map(|sample| sample % n).collect()),
                augment: (augment_dim > 0).then(|| (0..batch).map(row).collect()),
                dropout: None,
            },
            network,
        }
    }

    fn run(&self) -> Vec<f64> {
        Array::from_tensor(self.output(&self.weights)).values
    }

    pub fn output(&self, weights: &Weights) -> Tensor<4> {
        self.network
            .forward(weights, self.input.clone(), &self.codes, &self.condition)
            .expect("a call that fits")
    }

    fn error(&self) -> ModelError {
        let result = self.network.forward(&self.weights, self.input.clone(), &self.codes, &self.condition);
        result.expect_err("a call that does not fit")
    }

    /// The same call for one sample of the batch alone.
    fn alone(&self, sample: usize) -> Self {
        Self {
            network: self.network.clone(),
            weights: self.weights.clone(),
            input: self.input.clone().narrow(0, sample, 1),
            codes: vec![self.codes[sample]],
            condition: self.condition.select(sample..sample + 1),
        }
    }
}

fn key(step: u64, samples: &[u64]) -> DropoutKey {
    DropoutKey { seed: 11, step, samples: samples.to_vec() }
}

#[test]
fn published_networks_have_the_published_sizes() {
    let size = |architecture: Architecture| {
        let network = architecture.build().expect("a published network");
        (network.parameters().len(), n_parameters(network.parameters()))
    };
    // Song et al. 2023, the released checkpoints.
    assert_eq!(size(Architecture::Adm(AdmConfig::imagenet64())), (541, 295_899_267));
    assert_eq!(size(Architecture::Adm(AdmConfig::lsun256())), (566, 526_304_771));
    // Geng et al. 2024 (ECT): "55.7M" for the DDPM++ of CIFAR-10.
    let (_, n) = size(Architecture::Song(SongConfig::cifar10_ddpmpp()));
    assert_eq!((n as f64 / 1e5).round() / 10.0, 55.7, "{n}");
    // The frequencies of NCSN++ are stored and not counted.
    let ncsnpp = Architecture::Song(SongConfig::cifar10_ncsnpp()).build().expect("a published network");
    let untrained: Vec<&str> =
        ncsnpp.parameters().iter().filter(|spec| !spec.trainable).map(|spec| spec.name.as_str()).collect();
    assert_eq!(untrained, ["map_noise.freqs"]);
}

/// Σ weighting · output, and its gradients, one for each parameter.
fn projection(call: &Call, weighting: &Tensor<4>) -> Vec<Array> {
    let weights = call.weights.tracked();
    let mut gradients = (call.output(&weights) * weighting.clone()).sum().backward();
    weights.gradients(&mut gradients).into_iter().map(Array::from_tensor).collect()
}

#[test]
fn every_parameter_reaches_the_output() {
    for mut architecture in small_architectures() {
        if let Architecture::Adm(config) = &mut architecture {
            // At 32 channels the groups of the norms have one channel, which forgets the bias in front of it.
            *config = AdmConfig {
                image_size: 8,
                model_channels: 64,
                attention_resolutions: vec![4],
                ..config.clone()
            };
        }
        let call = Call::new(&architecture, 2);
        let before = call.run();
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let gradients = projection(&call, &weighting);
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let overall = gradients.iter().fold(0.0f64, |most, gradient| most.max(largest(&gradient.values)));
        for (index, ((spec, value), gradient)) in call.weights.iter().zip(&gradients).enumerate() {
            if spec.trainable {
                // Where only rounding remains, it is below 1e-6 of the largest.
                let share = largest(&gradient.values) / overall;
                assert!(
                    share > 1e-5,
                    "{architecture:?}: `{}` has a gradient of {share:e} of the largest",
                    spec.name
                );
            } else {
                let mut values = call.weights.values().to_vec();
                values[index] = value.clone() * 1.1;
                let changed = call.output(&Weights::from_values(call.weights.specs(), values));
                assert_ne!(before, Array::from_tensor(changed).values, "{architecture:?}: `{}`", spec.name);
            }
        }
    }
}

#[test]
fn gradients_are_the_slope_of_the_output() {
    for architecture in small_architectures() {
        let call = Call::new(&architecture, 2);
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let moved = |distance: f64| {
            let values = call.weights.iter().zip(0..).map(|((spec, value), index)| {
                let distance = if spec.trainable { distance } else { 0.0 };
                value.clone() + noise(10, index, value.dims()) * distance
            });
            let output = call.output(&Weights::from_values(call.weights.specs(), values.collect()));
            let terms = Array::from_tensor(output)
                .values
                .into_iter()
                .zip(Array::from_tensor(weighting.clone()).values);
            terms.map(|(output, weighting)| output * weighting).sum::<f64>()
        };
        let distance = 1e-4;
        let slope = (moved(distance) - moved(-distance)) / (2.0 * distance);
        let expected: f64 = projection(&call, &weighting)
            .iter()
            .zip(0..)
            .zip(call.weights.specs().iter())
            .filter(|(_, spec)| spec.trainable)
            .map(|((gradient, index), _)| {
                let direction = Array::from_tensor(noise(10, index, [gradient.values.len()])).values;
                gradient
                    .values
                    .iter()
                    .zip(direction)
                    .map(|(gradient, direction)| gradient * direction)
                    .sum::<f64>()
            })
            .sum();
        // The curvature over the distance, and f32 outputs divided by it.
        assert!(
            (slope / expected - 1.0).abs() < 0.01,
            "{architecture:?}: slope {slope}, gradient {expected}"
        );
    }
}

#[test]
fn the_noise_level_and_the_class_reach_the_output() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 1);
        let before = call.run();
        call.codes = vec![0.3];
        let other_level = call.run();
        assert_ne!(before, other_level, "{architecture:?}: noise level");
        if call.condition.labels.is_some() {
            call.condition.labels = Some(vec![2]);
            assert_ne!(call.run(), other_level, "{architecture:?}: class");
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 3);
        call.condition.dropout = Some(key(1, &[7, 8, 9]));
        let together = call.run();
        let n = together.len() / 3;
        for (sample, together) in together.chunks_exact(n).enumerate() {
            assert_eq!(call.alone(sample).run(), together, "{architecture:?}: sample {sample}");
        }
    }
}

#[test]
fn dropout_is_a_function_of_step_layer_and_sample() {
    let mask = |step, layer, sample| {
        let mask: Tensor<4> = key(step, &[sample]).mask(layer, 0.25, [1, 20, 20, 50], &device());
        Array::from_tensor(mask).values
    };
    let base = mask(1, 2, 3);
    assert_eq!(base, mask(1, 2, 3));
    for other in [mask(2, 2, 3), mask(1, 3, 3), mask(1, 2, 4)] {
        assert_ne!(base, other);
    }
    let n = base.len() as f64;
    let kept = base.iter().filter(|&&value| value != 0.0).count() as f64 / n;
    // Five standard deviations of a binomial with p = 3/4.
    assert!((kept - 0.75).abs() < 5.0 * (0.75 * 0.25 / n).sqrt(), "kept {kept}");
    let mean = base.iter().sum::<f64>() / n;
    assert!((mean - kept / 0.75).abs() < 1e-6, "the mean {mean} of what is kept is restored");
}

#[test]
fn dropout_in_a_network_follows_its_key() {
    for architecture in small_architectures() {
        if let Architecture::Mlp(_) = architecture {
            continue;
        }
        let mut call = Call::new(&architecture, 2);
        let without = call.run();
        let mut with = |step, samples| {
            call.condition.dropout = Some(key(step, samples));
            call.run()
        };
        let base = with(1, &[0, 1]);
        assert_ne!(without, base, "{architecture:?}: dropout does something");
        assert_eq!(base, with(1, &[0, 1]), "{architecture:?}: the same key is the same mask");
        assert_ne!(base, with(2, &[0, 1]), "{architecture:?}: another step is another mask");
        let n = base.len() / 2;
        let other = with(1, &[0, 2]);
        assert_eq!(base[..n], other[..n], "{architecture:?}: the first sample keeps its mask");
        assert_ne!(base[n..], other[n..], "{architecture:?}: the second does not");
    }
}

#[test]
fn starting_weights_are_the_published_ones() {
    let architecture = Architecture::Adm(small_adm());
    let mut call = Call::new(&architecture, 2);
    call.weights = Weights::initialize(call.network.parameters(), 1, &device());
    assert!(call.run().iter().all(|&value| value == 0.0), "OpenAI's U-Net starts as the zero function");
    let largest = |name: &str| {
        let (_, value) = call.weights.iter().find(|(spec, _)| spec.name == name).expect(name);
        Array::from_tensor(value.clone()).values.iter().fold(0.0f64, |most, value| most.max(value.abs()))
    };
    // PyTorch's bound for a 3x3 convolution of 32 channels; 9,216 draws come close to it.
    let bound = 1.0 / (32.0f64 * 9.0).sqrt();
    let found = largest("input_blocks.1.0.in_layers.2.weight");
    assert!(0.99 * bound < found && found <= bound, "{found} {bound}");
    assert_eq!(largest("middle_block.1.proj_out.weight"), 0.0);

    let architecture = Architecture::Song(small_song());
    let network = architecture.build().expect("a possible network");
    let bound = |name: &str| {
        let spec = network.parameters().iter().find(|spec| spec.name == name).expect(name);
        match spec.init {
            onestep::model::Init::Uniform { bound } => bound,
            other => panic!("{name}: {other:?}"),
        }
    };
    let xavier = |n_in: f64, n_out: f64| (6.0 / (n_in + n_out)).sqrt();
    let close = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 1e-12, "{got} {expected}");
    close(bound("enc.28x28_conv.weight"), xavier(9.0, 9.0 * 16.0));
    close(bound("enc.28x28_block0.conv1.weight"), 1e-5 * xavier(9.0 * 16.0, 9.0 * 16.0));
    close(bound("enc.14x14_block0.qkv.weight"), 0.2f64.sqrt() * xavier(32.0, 96.0));
    close(bound("dec.28x28_aux_conv.weight"), 1e-5 * xavier(9.0 * 16.0, 9.0 * 2.0));
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let call = || Call::new(&Architecture::Song(small_song()), 2);
    let refused = |change: &dyn Fn(&mut Call)| {
        let mut call = call();
        change(&mut call);
        call.error()
    };
    assert_eq!(refused(&|call| call.condition.labels = None), ModelError::ClassNeeded { n_classes: 3 });
    assert_eq!(
        refused(&|call| call.condition.labels = Some(vec![0, 3])),
        ModelError::UnknownClass { label: 3, n_classes: 3 }
    );
    assert_eq!(
        refused(&|call| call.condition.labels = Some(vec![0])),
        ModelError::WrongBatch { what: "class labels", found: 1, batch: 2 }
    );
    assert_eq!(
        refused(&|call| call.codes = vec![0.0; 3]),
        ModelError::WrongBatch { what: "noise codes", found: 3, batch: 2 }
    );
    assert_eq!(
        refused(&|call| call.condition.augment = Some(vec![vec![0.0; 2], vec![0.0; 9]])),
        ModelError::WrongAugment { found: 9, expected: 2 }
    );
    assert_eq!(
        refused(&|call| call.input = noise(1, 0, [2, 28, 28, 3])),
        ModelError::WrongImage { found: [28, 28, 3], expected: [28, 28, 1] }
    );
    let unconditional = Architecture::Song(SongConfig { n_classes: None, ..small_song() });
    let mut call = Call::new(&unconditional, 2);
    call.condition.labels = Some(vec![0, 1]);
    assert_eq!(call.error(), ModelError::ClassNotTaken);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let reason = |architecture: Architecture| match architecture.build() {
        Err(ModelError::BadArchitecture { reason }) => reason,
        other => panic!("{architecture:?}: {other:?}"),
    };
    let adm = |change: &dyn Fn(&mut AdmConfig)| {
        let mut config = small_adm();
        change(&mut config);
        reason(Architecture::Adm(config))
    };
    let four_levels = adm(&|config| config.channel_mult = vec![1, 2, 2, 2]);
    assert_eq!(four_levels, "image_size 28 cannot be halved 3 times, between the 4 levels of channel_mult");
    let attention = adm(&|config| config.attention_resolutions = vec![16]);
    assert_eq!(attention, "attention_resolutions names 16, the feature maps have sizes [28, 14]");
    assert!(adm(&|config| config.channel_mult = vec![]).contains("channel_mult"));
    assert!(adm(&|config| config.channel_mult = vec![1; 70]).contains("69 times"));
    assert!(adm(&|config| config.model_channels = 48).contains("multiple of 32"));
    assert!(adm(&|config| config.heads = AdmHeads::Width(48)).contains("heads"));
    assert!(adm(&|config| config.heads = AdmHeads::Width(0)).contains("width"));
    assert!(adm(&|config| config.dropout = 1.0).contains("dropout"));
    assert!(adm(&|config| config.dropout = f64::NAN).contains("dropout"));
    assert!(adm(&|config| config.n_classes = Some(0)).contains("n_classes"));

    let song = |change: &dyn Fn(&mut SongConfig)| {
        let mut config = small_song();
        change(&mut config);
        reason(Architecture::Song(config))
    };
    assert!(song(&|config| config.resample_filter = vec![1.0, 2.0, 1.0]).contains("even number of taps"));
    assert!(song(&|config| config.fourier_scale = -1.0).contains("fourier_scale"));
    assert!(song(&|config| config.model_channels = 0).contains("model_channels"));
    assert!(
        reason(Architecture::Dhariwal(DhariwalConfig { num_blocks: 0, ..small_dhariwal() }))
            .contains("num_blocks")
    );
    assert!(
        reason(Architecture::Mlp(MlpConfig { embedding_width: 3, ..MlpConfig::new(2) })).contains("even")
    );
}

#[test]
fn widths_that_edm_refuses_get_fewer_groups() {
    // 48 · (1 + 2) = 144 channels are joined on the way up; 32 groups do not divide them, 24 do.
    let config = SongConfig {
        image_size: 8,
        model_channels: 48,
        channel_mult: vec![1, 2],
        attention_resolutions: vec![],
        ..small_song()
    };
    let call = Call::new(&Architecture::Song(config), 1);
    assert!(call.run().iter().all(|value| value.is_finite()));
}

#[test]
fn settings_survive_a_file_and_misspelt_ones_are_refused() {
    for architecture in small_architectures() {
        let text = toml::to_string(&architecture).expect("settings are plain");
        assert_eq!(toml::from_str::<Architecture>(&text).expect(&text), architecture);
        let json = serde_json::to_string(&architecture).expect("settings are plain");
        assert_eq!(serde_json::from_str::<Architecture>(&json).expect(&json), architecture);
    }
    let minimal = "network = 'song'\nimage_size = 32";
    let Architecture::Song(config) = toml::from_str(minimal).expect("EDM's defaults") else {
        panic!("{minimal}")
    };
    assert_eq!((config.model_channels, config.channel_mult, config.dropout), (128, vec![1, 2, 2, 2], 0.1));
    let heads = "network = 'adm'\nimage_size = 28\nmodel_channels = 32\nnum_res_blocks = 1\nattention_resolutions = [14]\n\
                 channel_mult = [1, 2]\nheads = { width = 16 }\nresample = 'pooling'";
    let Architecture::Adm(config) = toml::from_str(heads).expect(heads) else { panic!("{heads}") };
    assert_eq!(
        (config.heads, config.resample, config.in_channels),
        (AdmHeads::Width(16), AdmResample::Pooling, 3)
    );
    let misspelt = "network = 'song'\nimage_size = 32\nn_class = 10";
    let error = toml::from_str::<Architecture>(misspelt).expect_err(misspelt).to_string();
    assert!(error.contains("n_class"), "{error}");
}

#[test]
fn activations_are_counted_layer_by_layer() {
    // One level, one block: a convolution, a block down, two around the attention in the middle, two up.
    let config = AdmConfig {
        image_size: 8,
        in_channels: 3,
        channel_mult: vec![1],
        attention_resolutions: vec![],
        dropout: 0.0,
        ..small_adm()
    };
    let network = Architecture::Adm(config).build().expect("a possible network");
    // What each keeps, the input first: inputs of norms and convolutions (of the third one too in the blocks
    // that take in 64 channels), queries, keys, values, and what was attended to.
    let (block, joined, attention) = ([32, 3 * 32], [64, 2 * 64 + 2 * 32], [32, 5 * 32]);
    let outside = 3 + 32 + 32;
    let inputs = 3 * block[0] + 2 * joined[0] + attention[0];
    let inner = 3 * block[1] + 2 * joined[1] + attention[1];
    assert_eq!(network.activations(false), 64 * (outside + inputs + inner));
    // The middle counts as one block, of which one input stays.
    let middle = 2 * block[1] + attention[1] + block[0] + attention[0];
    let stay = outside + 2 * block[0] + 2 * joined[0];
    assert_eq!(network.activations(true), 64 * (stay + middle));
}

#[test]
fn activation_checkpointing_changes_no_gradient() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 2);
        call.condition.dropout = Some(key(1, &[0, 1]));
        let weighting = noise(9, 0, call.output(&call.weights).dims());
        let run = |weights: Weights| {
            let input = call.input.clone().autodiff().require_grad();
            let output = call
                .network
                .forward(&weights, input.clone(), &call.codes, &call.condition)
                .expect("a call that fits");
            let mut gradients = (output.clone() * weighting.clone()).sum().backward();
            let input = Array::from_tensor(input.grad(&gradients).expect("the output depends on the input"));
            let parameters: Vec<Array> =
                weights.gradients(&mut gradients).into_iter().map(Array::from_tensor).collect();
            (Array::from_tensor(output.inner()).values, input.values, parameters)
        };
        let (output, input, parameters) = run(call.weights.tracked());
        let (output_again, input_again, parameters_again) = run(call.weights.tracked_with(true));
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let overall = parameters.iter().map(|gradient| largest(&gradient.values)).fold(0.0, f64::max);
        // Operators may round otherwise where they also prepare for a backward pass; nothing else differs. The
        // second term is for gradients that are zero up to rounding.
        let close = |what: &str, plain: &[f64], again: &[f64]| {
            let bound = 1e-4 * largest(plain) + 1e-6 * overall;
            let differences: Vec<f64> = plain.iter().zip(again).map(|(a, b)| a - b).collect();
            let difference = largest(&differences);
            assert!(
                difference <= bound,
                "{architecture:?}: {what} differs by {difference:e}, more than {bound:e}"
            );
        };
        close("output", &output, &output_again);
        close("gradient of the input", &input, &input_again);
        for ((spec, _), (plain, again)) in call.weights.iter().zip(parameters.iter().zip(&parameters_again)) {
            close(&spec.name, &plain.values, &again.values);
        }
    }
}
