//! Losses and whole training steps against golden numbers; the reference's loss bugs, one test each.

use burn::tensor::Tensor;
use onestep::model::{Condition, Denoiser, Preconditioned, Preconditioning, Weights};
use onestep::noise::{AdaptiveExponent, Curriculum, Gap, LogNormal, SamplingLevels, TargetRate};
use onestep::objective::{
    Batch, Consistency, Distance, LevelPairs, LoadedDistance, Path, ProgressiveDistillation, Weighting,
    denoising, huber_c_for,
};
use onestep::perceptual::{PerceptualKind, Pooling, Trunk, WeightFiles};
use onestep::solver::Solver;
use onestep::train::{Optimizer, OptimizerConfig, RadamConfig, blend};

use crate::devices::device;
use crate::golden::models::{check_loss_gradients, condition, golden_model, taking_part, to_golden_layout};
use crate::golden::{self, Array, Case, check_values};
use crate::networks::settings::classes;
use crate::perceptual::by_rule;

/// A weighting by the name of OpenAI's code.
pub fn weighting(name: &str) -> Weighting {
    match name {
        "uniform" => Weighting::Uniform,
        "snr" => Weighting::Snr,
        "snr+1" => Weighting::SnrPlusOne,
        "karras" => Weighting::Karras,
        "truncated-snr" => Weighting::TruncatedSnr,
        other => panic!("unknown weighting `{other}`"),
    }
}

fn distance(name: &str) -> LoadedDistance {
    loaded(match name {
        "l1" => Distance::L1,
        "l2" => Distance::L2,
        "l2-32" => Distance::L2At32,
        other => panic!("unknown distance `{other}`"),
    })
}

/// A distance that needs no file, ready to compute.
pub fn loaded(distance: Distance) -> LoadedDistance {
    distance.load(&WeightFiles::default(), &device()).expect("no file is needed")
}

fn batch(case: &Case, prefix: &str) -> Batch {
    let image = |key: &str| case.array(&format!("{prefix}{key}")).channels_last().tensor(&device());
    Batch { clean: image("x_start"), noise: image("noise"), condition: condition(case, prefix) }
}

/// The pairs that indices into the descending grid of `n` levels mean.
fn pairs(case: &Case, key: &str, n: usize) -> LevelPairs {
    let grid = SamplingLevels::karras(
        n,
        case.noise_setting("sigma_min").unwrap_or(0.002),
        case.noise_setting("sigma_max").unwrap_or(80.0),
        case.noise_setting("rho").unwrap_or(7.0),
    )
    .unwrap();
    let indices = case.array(key).indices();
    LevelPairs {
        high: indices.iter().map(|&i| grid.as_slice()[i]).collect(),
        low: indices.iter().map(|&i| grid.as_slice()[i + 1]).collect(),
    }
}

/// Compares per-sample losses, their mean, the norm of the whole gradient and the listed gradients.
fn check_loss(case: &Case, key: &str, model: &Preconditioned, tracked: &Weights, losses: Tensor<1>) {
    let got = Array::from_tensor(losses.clone().inner());
    case.check(&format!("{key} loss"), &got, case.array(&format!("{key}.loss")));
    let result = &case.json["results"][key];
    let rtol = case.number("rtol");
    let mean = got.values.iter().sum::<f64>() / got.values.len() as f64;
    let expected = result["mean_loss"].as_f64().expect("mean_loss");
    check_values(&case.name, &format!("{key} mean"), &[mean], &[expected], |e| rtol * e.abs());
    let gradients = tracked.gradients(&mut losses.mean().backward());
    let norm = result["grad_norm"].as_f64().expect("grad_norm");
    let norm_rtol = case.json["grad_norm_rtol"].as_f64().unwrap_or(2e-4);
    check_loss_gradients(case, &format!("{key}.grad."), model, gradients, norm, norm_rtol);
}

/// The network that a loss trains.
fn student(case: &Case, preconditioning: Preconditioning) -> Preconditioned {
    golden_model(case, Some("student"), preconditioning)
        .unwrap_or_else(|| panic!("{}: no weights of the student", case.name))
}

fn consistency_case(name: &str, distills: bool) {
    let Some(case) = golden::case(name) else { return };
    let student = student(&case, Preconditioning::Boundary);
    let target = taking_part(&case, "target", Preconditioning::Boundary);
    let teacher = distills.then(|| taking_part(&case, "teacher", Preconditioning::Edm));
    let path = match &teacher {
        Some(teacher) => Path::Teacher { teacher: teacher.as_ref(), solver: Solver::Heun },
        None => Path::Data,
    };
    let batch = batch(&case, "");
    let pairs = pairs(&case, "indices", case.number("num_scales") as usize);
    for key in case.json["results"].as_object().expect("results").keys() {
        let (norm, weight) = key.split_once('.').expect("LOSSNORM.WEIGHTING");
        let objective = Consistency {
            distance: distance(norm),
            weighting: weighting(weight),
            sigma_data: case.number("diffusion.sigma_data"),
        };
        let tracked = student.weights().tracked();
        let learning = student.with_weights(tracked.clone());
        let losses = objective.loss(&learning, target.as_ref(), path, &batch, &pairs).unwrap();
        check_loss(&case, key, &student, &tracked, losses);
    }
}

/// With LPIPS as OpenAI trained with it; whether a result distills is the first word of its name.
#[test]
fn golden_consistency_with_lpips() {
    let Some(case) = golden::case("consistency_lpips") else { return };
    let (trunk, pooling, size) = (Trunk::Vgg16, Pooling::Average, 224);
    let Some(network) = by_rule(PerceptualKind::Lpips { trunk, pooling }) else { return };
    let distance = Distance::Lpips { trunk, pooling, size };
    let distance = LoadedDistance::with_network(distance, network.into()).expect("its own network");
    let student = student(&case, Preconditioning::Boundary);
    let target = taking_part(&case, "target", Preconditioning::Boundary);
    let teacher = taking_part(&case, "teacher", Preconditioning::Edm);
    let batch = batch(&case, "");
    let pairs = pairs(&case, "indices", case.number("num_scales") as usize);
    for key in case.json["results"].as_object().expect("results").keys() {
        let (kind, weight) = key.split_once('.').expect("KIND.WEIGHTING");
        let path = match kind {
            "cd" => Path::Teacher { teacher: teacher.as_ref(), solver: Solver::Heun },
            "ct" => Path::Data,
            other => panic!("unknown kind `{other}`"),
        };
        let sigma_data = case.number("diffusion.sigma_data");
        let objective = Consistency { distance: distance.clone(), weighting: weighting(weight), sigma_data };
        let tracked = student.weights().tracked();
        let learning = student.with_weights(tracked.clone());
        let losses = objective.loss(&learning, target.as_ref(), path, &batch, &pairs).unwrap();
        check_loss(&case, key, &student, &tracked, losses);
    }
}

#[test]
fn golden_distillation() {
    consistency_case("consistency_cd", true);
}

#[test]
fn golden_consistency_training() {
    consistency_case("consistency_ct", false);
}

#[test]
fn golden_consistency_weightings() {
    consistency_case("consistency_ct_weights", false);
}

#[test]
fn golden_progressive_distillation() {
    let Some(case) = golden::case("progdist") else { return };
    let student = student(&case, Preconditioning::Edm);
    let teacher = taking_part(&case, "teacher", Preconditioning::Edm);
    let batch = batch(&case, "");
    // This case counts intervals, the others levels.
    let steps = pairs(&case, "indices", case.number("num_scales") as usize + 1);
    for key in case.json["results"].as_object().expect("results").keys() {
        let (norm, weight) = key.split_once('.').expect("LOSSNORM.WEIGHTING");
        let objective = ProgressiveDistillation {
            distance: distance(norm),
            weighting: weighting(weight),
            sigma_data: case.number("diffusion.sigma_data"),
            rho: case.number("diffusion.rho"),
        };
        let tracked = student.weights().tracked();
        let learning = student.with_weights(tracked.clone());
        let losses = objective.loss(&learning, teacher.as_ref(), &batch, &steps).unwrap();
        check_loss(&case, key, &student, &tracked, losses);
    }
}

#[test]
fn golden_easy_tuning() {
    let Some(case) = golden::case("ect_loss") else { return };
    let Some(model) = golden_model(&case, None, Preconditioning::Edm) else { return };
    let image = |key: &str| case.array(key).channels_last().tensor(&device());
    let batch = Batch { clean: image("images"), noise: image("eps"), condition: condition(&case, "") };
    let proposal = LogNormal { p_mean: case.number("P_mean"), p_std: case.number("P_std") };
    let high = case.array("t").values.clone();
    let drawn: Vec<f64> = case.array("normal_for_t").values.iter().map(|&z| proposal.level(z)).collect();
    check_values(&case.name, "t", &drawn, &high, |t| 1e-5 * t);
    for (key, result) in case.json["results"].as_object().expect("results") {
        let number = |name: &str| result[name].as_f64().unwrap_or_else(|| panic!("{key}: no `{name}`"));
        let gap = match result["adj"].as_str() {
            Some("const") => Gap::Constant { shrink: number("q") },
            Some("sigmoid") => Gap::Sigmoid { shrink: number("q"), k: case.number("k"), b: case.number("b") },
            other => panic!("{key}: adjustment {other:?}"),
        };
        let low: Vec<f64> = high.iter().map(|&t| gap.partner(t, number("stage") as u32)).collect();
        let expected = &case.array(&format!("{key}.r")).values;
        check_values(&case.name, &format!("{key} r"), &low, expected, |r| 1e-6 + 1e-5 * r.abs());
        let objective = Consistency {
            distance: loaded(Distance::PseudoHuber { huber_c: Some(number("c")) }),
            weighting: Weighting::InverseGap,
            sigma_data: model.range().sigma_data,
        };
        let pairs = LevelPairs { low, high: high.clone() };
        let tracked = model.weights().tracked();
        let losses =
            objective.loss(&model.with_weights(tracked.clone()), &model, Path::Data, &batch, &pairs).unwrap();
        check_loss(&case, key, &model, &tracked, losses);
    }
}

/// The two forms of easy tuning: that of a diffusion model in training, the consistency form afterwards.
#[test]
fn golden_easy_tuning_network() {
    let Some(case) = golden::case("ect_net") else { return };
    for (key, preconditioning) in
        [("denoised_train", Preconditioning::Edm), ("denoised_eval", Preconditioning::Boundary)]
    {
        let Some(model) = golden_model(&case, None, preconditioning) else { return };
        let noisy = case.array("x").channels_last();
        let sigma = &case.array("sigma").values;
        let got = model.denoise(noisy.tensor(&device()), sigma, &condition(&case, "")).unwrap();
        case.check(key, &Array::from_tensor(got), &case.array(key).channels_last());
    }
}

#[test]
fn golden_pseudo_huber() {
    let Some(case) = golden::case("schedules") else { return };
    for block in case.blocks("pseudo_huber_constant") {
        let n_values = block["shape"].as_array().expect("a shape").iter();
        let n_values: u64 = n_values.map(|n| n.as_u64().expect("a size")).product();
        let expected = block["c"].as_f64().expect("a number");
        check_values("schedules", "pseudo-Huber c", &[huber_c_for(n_values as usize)], &[expected], |c| {
            1e-12 * c
        });
    }
    let Some(example) = case.json.get("pseudo_huber_example") else { return };
    let rows = |key: &str| {
        let rows: Vec<Vec<f32>> = serde_json::from_value(example[key].clone()).expect("rows");
        let shape = [rows.len(), 1, 1, rows[0].len()];
        Tensor::<4>::from_data(burn::tensor::TensorData::new(rows.concat(), shape), &device())
    };
    let distance = loaded(Distance::PseudoHuber { huber_c: example["c"].as_f64() });
    let got = Array::from_tensor(distance.between(rows("a"), rows("b"))).values;
    let expected: Vec<f64> = serde_json::from_value(example["per_row"].clone()).expect("a row each");
    // f32 against f64.
    check_values("schedules", "pseudo-Huber", &got, &expected, |d| 1e-6 * d.abs());
}

#[test]
fn golden_denoising() {
    let Some(case) = golden::case("edm_training") else { return };
    let student = student(&case, Preconditioning::Edm);
    let batch = batch(&case, "");
    let sigma = &case.array("sigmas").values;
    for key in case.json["results"].as_object().expect("results").keys() {
        let (norm, weight) = key.split_once('.').expect("LOSSNORM.WEIGHTING");
        assert_eq!(norm, "l2", "the denoising loss is a squared error");
        let tracked = student.weights().tracked();
        let sigma_data = case.number("diffusion.sigma_data");
        let losses =
            denoising(&student.with_weights(tracked.clone()), &batch, sigma, weighting(weight), sigma_data)
                .unwrap();
        check_loss(&case, key, &student, &tracked, losses);
    }
}

#[test]
fn golden_edm_loss() {
    for name in ["edm_loss", "edm_loss_cond"] {
        let Some(case) = golden::case(name) else { continue };
        let Some(model) = golden_model(&case, None, Preconditioning::Edm) else { continue };
        match case.json["results"].as_object() {
            None => check_edm_loss(&case, &model, "", &case.json, condition(&case, "")),
            Some(results) => {
                for (key, result) in results {
                    let given = condition(&case, "");
                    let condition = match key.as_str() {
                        "labels" => Condition { augment: None, ..given },
                        "labels_augment" => given,
                        "no_labels" => Condition { labels: None, augment: None, ..given },
                        "dropped" => {
                            let labels = Some(classes(case.array("dropped_class_labels")));
                            Condition { labels, augment: None, ..given }
                        }
                        other => panic!("{name}: unknown result `{other}`"),
                    };
                    check_edm_loss(&case, &model, &format!("{key}."), result, condition);
                }
            }
        }
    }
}

/// One result of EDM's loss: its arrays begin with `prefix`, its numbers are in `result`.
fn check_edm_loss(
    case: &Case,
    model: &Preconditioned,
    prefix: &str,
    result: &serde_json::Value,
    condition: Condition,
) {
    let proposal = LogNormal { p_mean: case.number("P_mean"), p_std: case.number("P_std") };
    let sigma: Vec<f64> = case.array("normal_for_sigma").values.iter().map(|&z| proposal.level(z)).collect();
    let image = |key: &str| case.array(key).channels_last().tensor(&device());
    let batch = Batch { clean: image("images"), noise: image("noise"), condition };
    let tracked = model.weights().tracked();
    let learning = model.with_weights(tracked.clone());
    let losses = denoising(&learning, &batch, &sigma, Weighting::Karras, case.number("sigma_data")).unwrap();
    // The loss of a sample may be the sum or the mean over its values; ours is the mean.
    let n = batch.clean.dims()[1..].iter().product::<usize>() as f64;
    let expected = case.array(&format!("{prefix}loss_per_sample"));
    let element = &case.array(&format!("{prefix}loss_elementwise")).values;
    let scale = element.iter().sum::<f64>() / expected.values.iter().sum::<f64>();
    let ours = Array::from_tensor(losses.clone().inner()).values;
    let got = ours.iter().map(|loss| loss * n / scale).collect();
    case.check(&format!("{prefix}loss"), &Array { shape: expected.shape.clone(), values: got }, expected);
    let number =
        |key: &str| result[key].as_f64().unwrap_or_else(|| panic!("{}: no {prefix}{key}", case.name));
    let (mean, rtol) = (ours.iter().sum::<f64>() / ours.len() as f64, case.number("rtol"));
    let expected = number("mean_loss");
    check_values(&case.name, &format!("{prefix}mean"), &[mean], &[expected], |e| rtol * e.abs());
    let gradients = tracked.gradients(&mut losses.mean().backward());
    check_loss_gradients(case, &format!("{prefix}grad."), model, gradients, number("grad_norm"), rtol);
}

#[test]
fn golden_training_steps() {
    let Some(case) = golden::case("ct_training_steps") else { return };
    let mut student = student(&case, Preconditioning::Boundary);
    let number = |path: &str| case.number(path);
    let objective = Consistency {
        distance: distance(case.get("loss.loss_norm").as_str().expect("a name")),
        weighting: weighting(case.get("loss.weight_schedule").as_str().expect("a name")),
        sigma_data: number("loss.sigma_data"),
    };
    assert_eq!(case.text("optimizer.name"), "RAdam");
    let betas = case.get("optimizer.betas");
    let mut optimizer = Optimizer::new(
        OptimizerConfig::Radam(RadamConfig {
            beta1: betas[0].as_f64().unwrap(),
            beta2: betas[1].as_f64().unwrap(),
            epsilon: number("optimizer.eps"),
            weight_decay: number("optimizer.weight_decay"),
            decoupled: !case.text("optimizer.weight_decay_kind").contains("not decoupled"),
        }),
        student.weights(),
    );
    let start = number("schedule.start_scales") as usize;
    let curriculum = Curriculum::Progressive {
        start_intervals: start,
        end_intervals: number("schedule.end_scales") as usize,
    };
    let rate = TargetRate::Adaptive {
        initial_rate: number("schedule.start_ema"),
        exponent: AdaptiveExponent::ReleasedCode,
    };
    let total = number("schedule.total_steps") as u64;
    let (mut target, mut average) = (student.weights().clone(), student.weights().clone());
    for log in case.get("log").as_array().expect("a log") {
        let step = log["step"].as_u64().expect("a count");
        let batch = batch(&case, &format!("step{step}."));
        let n_levels = curriculum.n_levels(step, total);
        assert_eq!(n_levels as f64, log["num_scales"].as_f64().unwrap());
        let pairs = pairs(&case, &format!("step{step}.indices"), n_levels);
        let tracked = student.weights().tracked();
        let losses = objective
            .loss(
                &student.with_weights(tracked.clone()),
                &student.with_weights(target.clone()),
                Path::Data,
                &batch,
                &pairs,
            )
            .unwrap();
        let got = Array::from_tensor(losses.clone().inner());
        let mu = rate.rate(&curriculum, step, total);
        let expected_mu = log["target_ema"].as_f64().expect("a rate");
        check_values(&case.name, &format!("step {step} mu"), &[mu], &[expected_mu], |e| 1e-12 * e);
        let rtol = number("rtol_loss");
        let expected = &case.array(&format!("step{step}.loss")).values;
        check_values(&case.name, &format!("step {step} loss"), &got.values, expected, |e| rtol * e.abs());
        let gradients = tracked.gradients(&mut losses.mean().backward());
        let weights = optimizer.update(student.weights(), &gradients, number("optimizer.lr"));
        average = blend(&average, &weights, number("ema_rate"));
        target = blend(&target, &weights, mu);
        student = student.with_weights(weights);
    }
    for (who, weights) in [("model", student.weights()), ("target", &target), ("ema", &average)] {
        let named = to_golden_layout(&case, &student, weights.values().to_vec());
        for (name, expected) in case.arrays() {
            let Some(parameter) = name.strip_prefix(&format!("final.{who}.")) else { continue };
            let bound = number("atol_parameters");
            check_values(
                &case.name,
                &format!("{who} {parameter}"),
                &named[parameter].values,
                &expected.values,
                |_| bound,
            );
        }
    }
}

/// The resize inside the distance at 32 pixels, here at every pair of sizes that the case names.
#[test]
fn golden_resize_bilinear() {
    let Some(case) = golden::case("resize_bilinear") else { return };
    for pair in case.get("pairs").as_array().expect("a list") {
        let (from, to) = (pair[0].as_u64().expect("a size"), pair[1].as_u64().expect("a size"));
        let input = case.array(&format!("in_{from}_to_{to}")).channels_last();
        let expected = case.array(&format!("out_{from}_to_{to}")).channels_last();
        let [height, width] = [expected.shape[1], expected.shape[2]];
        let got =
            Array::from_tensor(onestep_kernels::resize_bilinear(input.tensor(&device()), height, width));
        assert_eq!(got.shape, expected.shape, "{from} to {to}");
        case.check(&format!("{from} to {to}"), &got, &expected);
    }
}

/// Network plus preconditioning, both kinds; at sigma_min the boundary form is the identity.
///
/// Without the network's weights, preconditioning of the network's recorded output.
#[test]
fn golden_denoise() {
    let Some(case) = golden::case("denoise") else { return };
    let condition = condition(&case, "");
    let noisy = case.array("x_t").channels_last();
    let sigma = &case.array("sigmas").values;
    for (key, preconditioning) in
        [("distillation", Preconditioning::Boundary), ("teacher", Preconditioning::Edm)]
    {
        let expected = case.array(&format!("{key}.denoised")).channels_last();
        let got = match golden_model(&case, None, preconditioning) {
            Some(model) => {
                Array::from_tensor(model.denoise(noisy.tensor(&device()), sigma, &condition).unwrap())
            }
            None => {
                println!("golden | denoise | {key}: no weights: recorded outputs stand in |");
                let output = case.array(&format!("{key}.model_output")).channels_last();
                preconditioned(&case, preconditioning, &noisy, &output)
            }
        };
        case.check(&format!("{key} denoised"), &got, &expected);
    }
}

/// c_skip·x + c_out·F, in f64, with the F and the noise codes that the case holds.
fn preconditioned(case: &Case, preconditioning: Preconditioning, noisy: &Array, output: &Array) -> Array {
    let number = |key: &str| case.noise_setting(key).unwrap_or_else(|| panic!("{}: no {key}", case.name));
    let at: Vec<_> = (case.array("sigmas").values.iter())
        .map(|&sigma| preconditioning.coefficients(sigma, number("sigma_min"), number("sigma_data")))
        .collect();
    // OpenAI's network is told 1000 times our c_noise.
    let codes: Vec<f64> = at.iter().map(|at| 1000.0 * at.c_noise).collect();
    let expected = case.array("rescaled_t");
    case.check("noise codes", &Array { shape: expected.shape.clone(), values: codes }, expected);
    let per_sample = noisy.values.len() / at.len();
    let both = noisy.values.iter().zip(&output.values).enumerate();
    let values =
        both.map(|(i, (x, f))| at[i / per_sample].c_skip * x + at[i / per_sample].c_out * f).collect();
    Array { shape: noisy.shape.clone(), values }
}
