//! Optimizers, averages and learning rates against the numbers of their originals.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use onestep::checkpoint::AverageConfig;
use onestep::model::{Builder, Init, ParameterSpec, Weights};
use onestep::train::{
    AdamConfig, Average, Decay, LearningRate, Optimizer, OptimizerConfig, OptimizerError, RadamConfig,
};

use crate::golden::{self, Array, Case};

/// One parameter for each shape, named `p0.0`, `p0.1`, ..., and one that is not trained.
fn specs(shapes: &[&[usize]]) -> Arc<[ParameterSpec]> {
    let mut builder = Builder::default();
    for (index, shape) in shapes.iter().enumerate() {
        builder.parameter(format!("p0.{index}"), shape, Init::Zeros);
    }
    builder.buffer("frequencies", &[2], Init::Zeros);
    builder.finish()
}

fn tensor(values: &[f64], dtype: DType) -> Tensor<1> {
    let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
    Tensor::from_data(data, (&Device::default(), dtype))
}

fn values(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.clone().into_data().convert::<f64>().try_into_vec().expect("just converted")
}

/// The optimizer that a key of the golden file names.
fn named(case: &Case, name: &str, weight_decay: f64) -> OptimizerConfig {
    let betas: Vec<f64> =
        case.get("betas").as_array().expect("two").iter().map(|beta| beta.as_f64().unwrap()).collect();
    let (beta1, beta2, epsilon) = (betas[0], betas[1], case.number("eps"));
    let adam = AdamConfig { beta1, beta2, epsilon, weight_decay };
    let radam = |decoupled| RadamConfig { beta1, beta2, epsilon, weight_decay, decoupled };
    match name {
        "radam" => OptimizerConfig::Radam(radam(false)),
        "radam_decoupled" => OptimizerConfig::Radam(radam(true)),
        "adam" => OptimizerConfig::Adam(adam),
        "adamw" => OptimizerConfig::Adamw(adam),
        other => panic!("unknown optimizer `{other}` in the golden file"),
    }
}

#[test]
fn golden_optimizer_trajectories() {
    let Some(case) = golden::case("optimizers") else { return };
    let starts: Vec<&Array> = (0..).map_while(|i| case.find(&format!("p0.{i}"))).collect();
    let shapes: Vec<&[usize]> = starts.iter().map(|start| start.shape.as_slice()).collect();
    let mut n_trajectories = 0;
    for key in case.arrays().keys().filter_map(|key| key.strip_suffix(".grads.0")) {
        // radam.wd0.01.f64: the weight decay itself holds a dot.
        let (name, rest) = key.split_once(".wd").expect("OPTIMIZER.wdW.PRECISION");
        let (weight_decay, precision) = rest.rsplit_once('.').expect("wdW.PRECISION");
        let config = named(&case, name, weight_decay.parse().expect("a number"));
        let (dtype, atol) = match precision {
            "f64" => (DType::F64, case.number("atol_f64")),
            "f32" => (DType::F32, case.number("atol_f32")),
            other => panic!("unknown precision `{other}`"),
        };
        // The relative tolerance is for f32; in f64 the absolute one stands alone.
        let rtol = if dtype == DType::F32 { case.number("rtol") } else { 0.0 };
        let specs = specs(&shapes);
        let buffer = tensor(&[3.0, 4.0], dtype);
        let mut start: Vec<_> = starts.iter().map(|start| tensor(&start.values, dtype)).collect();
        start.push(buffer.clone());
        let mut weights = Weights::from_values(&specs, start);
        let mut optimizer = Optimizer::new(config, &weights);
        let mut trajectory = vec![Vec::new(); starts.len()];
        for step in 0..case.number("steps") as usize {
            let mut gradients: Vec<_> = starts
                .iter()
                .enumerate()
                .map(|(i, start)| {
                    let n = start.values.len();
                    let all = &case.array(&format!("{key}.grads.{i}")).values;
                    tensor(&all[step * n..(step + 1) * n], dtype)
                })
                .collect();
            gradients.push(buffer.clone());
            weights = optimizer.update(&weights, &gradients, case.number("lr"));
            for (all, now) in trajectory.iter_mut().zip(weights.values()) {
                assert_eq!(now.dtype(), dtype);
                all.extend(values(now));
            }
        }
        assert_eq!(values(&weights.values()[starts.len()]), [3.0, 4.0], "a buffer is not trained");
        for (i, got) in trajectory.into_iter().enumerate() {
            let expected = case.array(&format!("{key}.params.{i}"));
            let got = Array { shape: expected.shape.clone(), values: got };
            golden::check(&case.name, &format!("{key}.{i}"), &got, expected, atol, rtol);
        }
        n_trajectories += 1;
    }
    assert!(n_trajectories > 0, "the file holds no trajectory");
}

#[test]
fn golden_averages_by_rate() {
    let Some(case) = golden::case("ema") else { return };
    let initial = case.array("initial");
    let sources = case.array("sources");
    let n = initial.values.len();
    let specs = specs(&[&[n]]);
    let weights = |values: &[f64]| {
        Weights::from_values(&specs, vec![tensor(values, DType::F32), tensor(&[1.0 / 3.0, 0.1], DType::F32)])
    };
    let trajectories =
        case.arrays().iter().filter_map(|(key, array)| Some((key.strip_prefix("after.")?, array)));
    let mut n_trajectories = 0;
    for (rate, expected) in trajectories {
        n_trajectories += 1;
        let rate = rate.parse().expect("a number");
        let mut average = Average::new(AverageConfig::Rate { rate }, &weights(&initial.values));
        let mut got = Vec::new();
        for (update, source) in sources.values.chunks_exact(n).enumerate() {
            average.update(&weights(source), update as u64 * 8, 8);
            got.extend(values(&average.weights.values()[0]));
        }
        case.check(&format!("rate {rate}"), &Array { shape: expected.shape.clone(), values: got }, expected);
        let buffer = average.weights.values()[1].clone().into_data();
        assert_eq!(buffer.as_slice::<f32>().unwrap(), [1.0f32 / 3.0, 0.1], "a buffer does not drift");
    }
    assert_eq!(n_trajectories, case.get("rates").as_array().expect("a list").len());
}

#[test]
fn golden_averages_by_half_life() {
    let Some(case) = golden::case("schedules") else { return };
    let number = |row: &serde_json::Value, key: &str| row[key].as_f64();
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for row in case.blocks("edm_ema_halflife") {
        let config = AverageConfig::HalfLife {
            half_life_images: 1000.0 * number(row, "halflife_kimg").expect("a number"),
            ramp_up_ratio: number(row, "rampup_ratio"),
        };
        let images_seen = row["cur_nimg"].as_u64().expect("a count");
        got.push(config.rate_at(images_seen, row["batch_size"].as_u64().expect("a count")));
        expected.push(number(row, "beta").expect("a number"));
    }
    if got.is_empty() {
        return;
    }
    golden::check_values("schedules", "edm_ema_halflife", &got, &expected, |beta| 1e-12 * beta.abs());
}

#[test]
fn golden_learning_rate_warm_up() {
    let Some(case) = golden::case("schedules") else { return };
    let (mut got, mut expected) = (Vec::new(), Vec::new());
    for row in case.blocks("edm_lr_rampup") {
        let rate = LearningRate {
            peak: row["base_lr"].as_f64().expect("a number"),
            warm_up_images: 1000 * row["rampup_kimg"].as_u64().expect("a count"),
            decay: Decay::Constant,
        };
        got.push(rate.at(row["cur_nimg"].as_u64().expect("a count"), 1_000_000_000));
        expected.push(row["lr"].as_f64().expect("a number"));
    }
    if got.is_empty() {
        return;
    }
    golden::check_values("schedules", "edm_lr_rampup", &got, &expected, |rate| 1e-15 + 1e-12 * rate.abs());
}

#[test]
fn learning_rate_decays_to_zero_at_the_end_and_stays_there() {
    let rate = |decay| LearningRate { peak: 2.0, warm_up_images: 0, decay };
    assert_eq!(rate(Decay::Constant).at(0, 100), 2.0, "no warm-up is the full rate from the first batch on");
    for decay in [Decay::Linear, Decay::Cosine] {
        assert_eq!(rate(decay).at(0, 100), 2.0);
        assert!((rate(decay).at(50, 100) - 1.0).abs() < 1e-15, "both are half way at half time");
        assert_eq!(rate(decay).at(100, 100), 0.0);
        assert_eq!(rate(decay).at(1000, 100), 0.0);
    }
    // (1 + cos(π/4))/2, by hand.
    assert!((rate(Decay::Cosine).at(25, 100) - 1.707_106_781_186_547_5).abs() < 1e-15);
}

#[test]
fn two_half_updates_of_an_average_make_a_whole_one() {
    let config = AverageConfig::HalfLife { half_life_images: 1000.0, ramp_up_ratio: None };
    let whole = config.rate_at(0, 64);
    let half = config.rate_at(0, 32);
    assert!((half * half - whole).abs() < 1e-15, "the half-life does not depend on the batch size");
    assert_eq!(config.rate_at(0, 1000), 0.5);
}

#[test]
fn averages_have_stable_names() {
    let label = |text: &str| serde_json::from_str::<AverageConfig>(text).expect(text).label();
    assert_eq!(label(r#"{"rate": 0.9999}"#), "ema-0.9999");
    assert_eq!(label(r#"{"rate": 0.999943}"#), "ema-0.999943");
    assert_eq!(label(r#"{"rate": 0}"#), "ema-0");
    assert_eq!(label(r#"{"half_life_images": 500000}"#), "ema-half-life-500000");
    assert_eq!(
        label(r#"{"half_life_images": 500000, "ramp_up_ratio": 0.05}"#),
        "ema-half-life-500000-ramp-up-0.05"
    );
    assert_eq!(label(r#"{"relative_std": 0.1}"#), "ema-power-0.1");
}

/// The share of each past update in a power-function average has the deviation in its name, and the published power.
#[test]
fn power_function_averages_have_the_deviation_they_promise() {
    for (relative_std, power) in [(0.05, 16.97), (0.1, 6.94)] {
        let config = AverageConfig::Power { relative_std };
        let (n, batch) = (20_000u64, 10u64);
        // Averages of the time and of its square, followed like a weight.
        let (mut mean, mut square) = (0.0, 0.0);
        for update in 0..n {
            let rate = config.rate_at(update * batch, batch);
            let time = (update + 1) as f64 / n as f64;
            mean = rate * mean + (1.0 - rate) * time;
            square = rate * square + (1.0 - rate) * time * time;
        }
        let std = (square - mean * mean).sqrt();
        assert!((std / relative_std - 1.0).abs() < 1e-2, "{relative_std}: deviation {std}");
        // The profile t^power on [0, 1] has the mean (power + 1)/(power + 2).
        let expected = (power + 1.0) / (power + 2.0);
        assert!((mean - expected).abs() < 1e-3, "{relative_std}: mean {mean}, expected {expected}");
    }
    assert_eq!(
        AverageConfig::Power { relative_std: 0.1 }.rate_at(0, 128),
        0.0,
        "the first update is taken whole"
    );
}

#[test]
fn averages_that_make_no_sense_are_refused() {
    for (text, message) in [
        ("{}", "needs one of `rate`, `half_life_images` and `relative_std`"),
        (r#"{"rate": 0.9, "half_life_images": 5}"#, "and only one of them"),
        (r#"{"rate": 0.9, "relative_std": 0.1}"#, "and only one of them"),
        (r#"{"relative_std": 0.3}"#, "above 0 and below 0.2886, got 0.3"),
        (r#"{"relative_std": 0}"#, "above 0"),
        (r#"{"relative_std": 0.1, "ramp_up_ratio": 1}"#, "`ramp_up_ratio` belongs to `half_life_images`"),
        (r#"{"rate": 0.9, "ramp_up_ratio": 0.05}"#, "`ramp_up_ratio` belongs to `half_life_images`"),
        (r#"{"rate": 1.0}"#, "at least 0 and below 1, got 1"),
        (r#"{"rate": -0.5}"#, "got -0.5"),
        (r#"{"half_life_images": 0}"#, "`half_life_images` of an average must be positive, got 0"),
        (r#"{"half_life_images": 5, "ramp_up_ratio": -1}"#, "`ramp_up_ratio` of an average must be positive"),
        (r#"{"rates": 0.9}"#, "unknown field `rates`"),
    ] {
        let error = serde_json::from_str::<AverageConfig>(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn optimizers_in_recipes() {
    let parse = |text: &str| serde_json::from_str::<OptimizerConfig>(text);
    assert_eq!(parse(r#"{"kind": "radam"}"#).unwrap(), OptimizerConfig::Radam(RadamConfig::default()));
    assert_eq!(
        parse(r#"{"kind": "adamw", "weight_decay": 0.01}"#).unwrap(),
        OptimizerConfig::Adamw(AdamConfig { weight_decay: 0.01, ..AdamConfig::default() })
    );
    assert!(parse(r#"{"kind": "adam", "decoupled": true}"#).unwrap_err().to_string().contains("decoupled"));
    assert!(
        parse(r#"{"kind": "radam", "learning_rate": 1}"#).unwrap_err().to_string().contains("learning_rate")
    );
    assert!(parse(r#"{"kind": "sgd"}"#).unwrap_err().to_string().contains("sgd"));
    for (text, field) in [
        (r#"{"kind": "adam", "beta1": 1.0}"#, "beta1"),
        (r#"{"kind": "radam", "beta2": -0.1}"#, "beta2"),
        (r#"{"kind": "adamw", "epsilon": 0}"#, "epsilon"),
        (r#"{"kind": "adamw", "weight_decay": -1}"#, "weight_decay"),
    ] {
        let error = parse(text).unwrap().check().unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{error}");
    }
    let nan = OptimizerConfig::Adam(AdamConfig { beta1: f64::NAN, ..AdamConfig::default() });
    assert!(matches!(nan.check(), Err(OptimizerError::BadNumber { field: "beta1", .. })));
}

#[test]
fn a_restored_optimizer_goes_on_to_the_bit() {
    let device = Device::default();
    let specs = specs(&[&[3, 4], &[5]]);
    let start = Weights::initialize(&specs, 1, &device);
    let gradients = |step: u64| -> Vec<Tensor<1>> {
        let values = |n: usize, offset: u64| -> Vec<f64> {
            (0..n as u64).map(|i| ((i * 37 + step * 11 + offset) % 19) as f64 / 19.0 - 0.4).collect()
        };
        [12, 5, 2].iter().map(|&n| tensor(&values(n, n as u64), DType::F32)).collect()
    };
    for config in [
        OptimizerConfig::Radam(RadamConfig { weight_decay: 0.01, decoupled: true, ..RadamConfig::default() }),
        OptimizerConfig::Adam(AdamConfig::default()),
        OptimizerConfig::Adamw(AdamConfig { weight_decay: 0.1, ..AdamConfig::default() }),
    ] {
        // Ten steps cross RAdam's fifth, where it begins to rectify.
        let mut whole = (Optimizer::new(config, &start), start.clone());
        for step in 0..10 {
            whole.1 = whole.0.update(&whole.1, &gradients(step), 1e-2);
        }
        let mut first = (Optimizer::new(config, &start), start.clone());
        for step in 0..4 {
            first.1 = first.0.update(&first.1, &gradients(step), 1e-2);
        }
        let arrays = first.0.state(&first.1);
        assert_eq!(arrays.len(), 4, "two moments for each trained parameter");
        let mut second = Optimizer::restore(config, first.0.step(), arrays, &first.1, &device).unwrap();
        let mut weights = first.1;
        for step in 4..10 {
            weights = second.update(&weights, &gradients(step), 1e-2);
        }
        assert_eq!(second.step(), 10);
        for ((spec, got), expected) in weights.iter().zip(whole.1.values()) {
            let bits = |tensor: &Tensor<1>| tensor.clone().into_data().into_bytes();
            assert_eq!(bits(got), bits(expected), "{config:?}: {}", spec.name);
        }
        assert_eq!(second.state(&weights), whole.0.state(&weights));
    }
}

#[test]
fn optimizer_state_of_another_network_is_refused() {
    let device = Device::default();
    let specs = specs(&[&[3, 4], &[5]]);
    let weights = Weights::initialize(&specs, 1, &device);
    let config = OptimizerConfig::Radam(RadamConfig::default());
    let state = Optimizer::new(config, &weights).state(&weights);
    let restore = |state| Optimizer::restore(config, 1, state, &weights, &device).unwrap_err().to_string();

    let mut missing = state.clone();
    missing.remove("second.p0.1");
    assert_eq!(restore(missing), "optimizer state `second.p0.1` is missing; the network needs 5 values");
    let mut extra = state.clone();
    extra.insert("first.frequencies".into(), (vec![2], vec![0.0; 2]));
    assert!(restore(extra).contains("`first.frequencies` belongs to no trained parameter"));
    let mut short = state;
    short.insert("first.p0.0".into(), (vec![11], vec![0.0; 11]));
    assert_eq!(restore(short), "optimizer state `first.p0.0` has 11 values, the network needs 12");
}
