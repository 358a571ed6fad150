//! What the networks promise, whatever their weights.

use burn::tensor::Tensor;
use onestep::model::network::{AdmConfig, SongConfig};
use onestep::model::{Architecture, Init, Precision, Weights, n_parameters};
use onestep::noise::{Purpose, Stream};
use onestep_kernels::dropout;

use super::device;
use super::small::{Call, key, small_adm, small_architectures, small_song};
use crate::golden::Array;

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

#[test]
fn the_noise_level_and_the_class_reach_the_output() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 1);
        let before = call.run();
        call.codes = vec![0.3];
        let other_level = call.run();
        assert_ne!(before, other_level, "{architecture:?}: noise level");
        if call.condition.labels.is_some() {
            call.condition.labels = Some(vec![Some(2)]);
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

/// bf16 has 8 bits: what comes out is near what f32 gives, but not the same; and it too is blind to batch mates.
#[test]
fn bf16_is_near_f32_and_blind_to_the_batch() {
    for architecture in small_architectures() {
        let mut call = Call::new(&architecture, 3);
        let exact = call.run();
        call.weights = call.weights.with_precision(Precision::Bf16);
        let rounded = call.run();
        if matches!(architecture, Architecture::Mlp(_)) || Precision::Bf16.here() == Precision::F32 {
            // Nothing but linear layers, which stay in f32; or a machine that gains nothing by bf16.
            assert_eq!(rounded, exact);
            continue;
        }
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
        let difference = square(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b));
        let relative = (difference / square(&mut exact.iter().copied())).sqrt();
        assert!((1e-4..0.03).contains(&relative), "{architecture:?}: {relative:e}");
        let n = rounded.len() / 3;
        assert_eq!(call.alone(1).run(), rounded[n..2 * n], "{architecture:?}");
    }
}

#[test]
fn dropout_is_a_function_of_step_layer_and_sample() {
    let mask = |step, layer, sample| {
        let mask = key(step, &[sample]).mask(layer, 0.25);
        Array::from_tensor(dropout(Tensor::<4>::ones([1, 20, 20, 50], &device()), mask)).values
    };
    let base = mask(1, 2, 3);
    assert_eq!(base, mask(1, 2, 3));
    // The words of one stream in their order.
    let mut stream = Stream::with_lane(key(1, &[3]).seed, Purpose::Dropout, 1, 3, 2);
    let drawn =
        (0..base.len()).map(|_| if stream.next_u32() < 1 << 30 { 0.0 } else { f64::from(4.0f32 / 3.0) });
    assert_eq!(base, drawn.collect::<Vec<_>>());
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

/// The mask is drawn again in the backward pass, so a network with dropout keeps no more than one without.
#[test]
fn dropout_keeps_nothing() {
    let kept = |dropout| {
        let config = SongConfig { dropout, ..SongConfig::cifar10_ddpmpp() };
        let network = Architecture::Song(config).build().expect("a published network");
        [false, true].map(|checkpointing| network.activations(checkpointing))
    };
    assert_eq!(kept(0.13), kept(0.0));
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
            Init::Uniform { bound } => bound,
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
