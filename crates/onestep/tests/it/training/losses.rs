//! Losses of whole runs: distances, guards, precision, and learning what is known in closed form.

use burn::tensor::{Tensor, TensorData};
use onestep::data::{Sample, open};
use onestep::model::{
    Condition, Denoiser, GaussianMixture, Precision, Preconditioned, Preconditioning, Weights,
};
use onestep::noise::{Purpose, Stream, TrainingLevels};
use onestep::objective::{Batch, Consistency, Distance, LevelPairs, Path as OdePath, Weighting};
use onestep::solver::Solver;
use onestep::train::{
    Event, LearningRate, Objective, Optimizer, OptimizerConfig, RadamConfig, Recipe, Trainer, builtin_recipe,
};

use super::{Seen, batch_of, device, flat, random_model, tiny, trainer};
use crate::golden::Array;
use crate::objectives::loaded;

/// Normalized tangents have a known size, and the learned weighting starts from it: were it to start from zero, a run of
/// thousands of steps would end before rare levels count.
#[test]
fn the_learned_weighting_starts_from_the_size_of_a_normalized_tangent() {
    // A student that is a copy of its teacher has no tangent yet.
    for (method, least) in [("scd", -1e-6), ("sct", 0.3)] {
        let recipe = tiny(method, &[]);
        let n_values = 8.0 * 8.0 * 3.0f64;
        assert_eq!(first_weighting(&recipe), Some(n_values.ln()));
        let Event::Step { loss, .. } = trainer(&recipe).step().unwrap() else { panic!("a step was skipped") };
        // e^w times a mean square just below 1/n_values, less w.
        let share = loss + n_values.ln();
        assert!((least..=1.0).contains(&share), "{method}: {share}");
    }
    let clipped = tiny("sct", &["objective.normalization={ kind = \"clip\" }"]);
    assert_eq!(first_weighting(&clipped), Some(0.0));
    assert!(trainer(&tiny("ct", &[])).checkpoint().method.weighting.is_none());
    let fixed = tiny("sct", &["objective.adaptive=false"]);
    assert_eq!(first_weighting(&fixed), None);
    assert!(trainer(&fixed).checkpoint().method.weighting.is_none());
}

/// Where the weighting that a continuous-time recipe learns starts, for images of 8x8.
fn first_weighting(recipe: &Recipe) -> Option<f64> {
    match &recipe.objective {
        Objective::Continuous(settings) => settings.first_weighting(8 * 8 * 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn updates_that_are_not_finite_are_skipped_counted_and_end_the_run_after_three() {
    let recipe = tiny("edm", &["train.steps=100"]);
    let poisoned = |bad: fn(usize) -> bool| {
        let see = move |index: usize, sample: &mut Sample| {
            if bad(index) {
                sample.values[0] = f32::NAN;
            }
        };
        Box::new(Seen::new(open(&recipe.data).unwrap(), see))
    };
    // One image of a hundred, batches of seven: one step of an epoch is skipped, the weights stay finite.
    let mut run = Trainer::new(recipe.clone(), poisoned(|index| index == 5), None, &device()).unwrap();
    let mut skipped = 0;
    for _ in 0..14 {
        let before = run.student().weights().clone();
        if let Event::Skipped { sigma_low, sigma_high, .. } = run.step().unwrap() {
            skipped += 1;
            assert!(0.0 < sigma_low && sigma_low <= sigma_high);
            for (a, b) in before.values().iter().zip(run.student().weights().values()) {
                assert_eq!(a.to_data(), b.to_data(), "a skipped update leaves the weights alone");
            }
        }
    }
    assert_eq!(skipped, 1);
    assert_eq!(run.state().skipped_updates, 1);
    let mut run = Trainer::new(recipe.clone(), poisoned(|_| true), None, &device()).unwrap();
    assert!(matches!(run.step().unwrap(), Event::Skipped { .. }));
    assert!(matches!(run.step().unwrap(), Event::Skipped { .. }));
    let message = run.step().unwrap_err().to_string();
    assert!(message.contains("step 3") && message.contains("noise levels"), "{message}");
}

fn losses(distance: Distance, model: &Preconditioned, batch: &Batch) -> Vec<f64> {
    let n = batch.clean.dims()[0];
    let distance = loaded(distance);
    let objective = Consistency { distance, weighting: Weighting::Uniform, sigma_data: 0.5 };
    let pairs = LevelPairs { low: vec![1.0; n], high: vec![2.0; n] };
    Array::from_tensor(objective.loss(model, model, OdePath::Data, batch, &pairs).unwrap()).values
}

/// Bug A1 of the reference: the distance a recipe names never reaches the loss.
#[test]
fn every_distance_reaches_the_loss() {
    let recipe = tiny("ct", &[]);
    let (model, batch) = (random_model(&recipe), batch_of(&recipe, 3));
    let all = [
        Distance::L1,
        Distance::L2,
        Distance::L2At32,
        Distance::PseudoHuber { huber_c: None },
        Distance::StLpips { size: Some(24) },
        Distance::StLpips { size: Some(32) },
    ]
    .map(|distance| losses(distance, &model, &batch));
    for i in 0..all.len() {
        for j in 0..i {
            assert!((all[i][0] / all[j][0] - 1.0).abs() > 1e-3, "distances {i} and {j} agree");
        }
    }
}

/// Bug B3: the gradient of a root at zero.
#[test]
fn distances_have_finite_gradients_at_zero_difference() {
    for distance in
        [Distance::L1, Distance::L2, Distance::L2At32, Distance::PseudoHuber { huber_c: Some(0.03) }]
    {
        let a = Tensor::<4>::ones([2, 4, 4, 3], &device()).autodiff().require_grad();
        let value = loaded(distance.clone()).between(a.clone(), Tensor::ones([2, 4, 4, 3], &device()));
        let mut gradients = value.clone().sum().backward();
        assert_eq!(Array::from_tensor(value.inner()).values, [0.0; 2]);
        let gradient = Array::from_tensor(a.grad_remove(&mut gradients).unwrap());
        assert!(gradient.values.iter().all(|g| g.abs() == 0.0), "{distance:?}");
    }
}

/// Bug B6 of another implementation: the pseudo-Huber distance of single pixels instead of the image.
#[test]
fn pseudo_huber_takes_the_norm_of_the_whole_image() {
    let a = Tensor::<4>::from_data(TensorData::new(vec![3.0f32, 4.0, 0.0, 0.0], [1, 2, 2, 1]), &device());
    let distance = loaded(Distance::PseudoHuber { huber_c: Some(0.5) });
    let value = distance.between(a, Tensor::zeros([1, 2, 2, 1], &device()));
    let expected = (25.0f64 + 0.25).sqrt() - 0.5;
    assert!((Array::from_tensor(value).values[0] - expected).abs() < 1e-6);
}

/// A run in bf16 is another run in the same direction: weights move, nearly as in f32, and stay f32.
#[test]
fn training_in_bf16_follows_training_in_f32() {
    let weights = |precision: &str| {
        let precision = format!("train.precision=\"{precision}\"");
        let recipe = tiny("edm", &["network.model_channels=32", "network.dropout=0.0", &precision]);
        let mut trainer = trainer(&recipe);
        let start = flat(trainer.student().weights());
        for _ in 0..4 {
            trainer.step().unwrap();
        }
        (start, flat(trainer.student().weights()))
    };
    let ((start, exact), (_, rounded)) = (weights("f32"), weights("bf16"));
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let (moved, apart) = (distance(&start, &exact), distance(&exact, &rounded));
    // Processors that are not faster in bf16 compute f32 for it, and then nothing differs.
    let differs = Precision::Bf16.here() == Precision::Bf16;
    assert!((apart > 0.0) == differs && apart < 0.5 * moved, "{apart} apart after {moved}");
}

/// Bug A16 of the reference: losses are binned by levels the loss was not computed at.
#[test]
fn losses_by_level_use_the_levels_of_the_loss() {
    let Event::Step { loss, loss_by_level, n_levels, .. } = trainer(&tiny("cd", &[])).step().unwrap() else {
        panic!("a skipped step")
    };
    let grid = TrainingLevels::karras(n_levels.unwrap(), 0.002, 80.0, 7.0).unwrap();
    let mut sizes = 0.0;
    for quarter in &loss_by_level {
        for level in [quarter.sigma_low, quarter.sigma_high] {
            assert!(grid.as_slice()[1..].contains(&level), "{level} is not a level of this loss");
        }
        sizes += quarter.loss;
    }
    assert!(loss_by_level.windows(2).all(|w| w[0].sigma_high <= w[1].sigma_low));
    assert!(loss > 0.0 && sizes > 0.0);
}

/// Student and target of one Gaussian, learned with a small network, against the exact consistency function.
fn error_on_a_gaussian(distill: bool, n_levels: usize) -> f64 {
    let exact = GaussianMixture::single(vec![0.4, -0.3], 0.3, 0.002).unwrap();
    let recipe = Recipe::parse(builtin_recipe("toy2d-ct").unwrap(), &["network.width=64".into()]).unwrap();
    let network = recipe.network.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 1, &device());
    let mut student = Preconditioned::new(network, weights, Preconditioning::Boundary, recipe.noise.range());
    let mut optimizer = Optimizer::new(OptimizerConfig::Radam(RadamConfig::default()), student.weights());
    let rate = LearningRate { peak: 2e-3, warm_up_images: 0, decay: onestep::train::Decay::Cosine };
    let distance = loaded(Distance::L2);
    let objective = Consistency { distance, weighting: Weighting::Uniform, sigma_data: 0.5 };
    let (steps, n) = (1500u64, 128usize);
    let mut average = student.weights().clone();
    let mut target = student.weights().clone();
    for step in 0..steps {
        let grid = TrainingLevels::karras(n_levels, 0.002, 80.0, 7.0).unwrap();
        let mut stream = Stream::new(2, Purpose::Test, step, 0);
        let clean: Vec<f32> = (0..n).flat_map(|_| exact.draw(&mut stream)).map(|v| v as f32).collect();
        let noise = stream.standard_normal(2 * n);
        let intervals: Vec<usize> = (0..n).map(|_| stream.below(n_levels as u64 - 1) as usize).collect();
        let pairs = LevelPairs {
            low: intervals.iter().map(|&i| grid.as_slice()[i]).collect(),
            high: intervals.iter().map(|&i| grid.as_slice()[i + 1]).collect(),
        };
        let tensor = |values| Tensor::from_data(TensorData::new(values, [n, 1, 1, 2]), &device());
        let batch = Batch { clean: tensor(clean), noise: tensor(noise), condition: Condition::default() };
        let path =
            if distill { OdePath::Teacher { teacher: &exact, solver: Solver::Heun } } else { OdePath::Data };
        let tracked = student.weights().tracked();
        let reference = student.with_weights(target.clone());
        let losses =
            objective.loss(&student.with_weights(tracked.clone()), &reference, path, &batch, &pairs).unwrap();
        let gradients = tracked.gradients(&mut losses.mean().backward());
        let weights = optimizer.update(student.weights(), &gradients, rate.at(step, steps));
        average = onestep::train::blend(&average, &weights, 0.99);
        target = onestep::train::blend(&target, &weights, 0.95);
        student = student.with_weights(weights);
    }
    // Root mean square over points of the noisy data at the levels of the grid, relative to the data's deviation.
    let student = student.with_weights(average);
    let mut stream = Stream::new(3, Purpose::Test, 0, 0);
    let m = 1024;
    let sigmas: Vec<f64> = (0..m).map(|i| [0.1, 0.5, 2.5, 17.5, 80.0][i % 5]).collect();
    let noisy: Vec<f32> = sigmas
        .iter()
        .flat_map(|sigma| {
            let clean = exact.draw(&mut stream);
            let z = stream.normal_pair();
            [(clean[0] + sigma * z[0]) as f32, (clean[1] + sigma * z[1]) as f32]
        })
        .collect();
    let noisy = Tensor::<4>::from_data(TensorData::new(noisy, [m, 1, 1, 2]), &device());
    let got = student.denoise(noisy.clone(), &sigmas, &Condition::default()).unwrap();
    let want = exact.consistency_function(noisy, &sigmas).unwrap();
    let square = Array::from_tensor(got - want).values.iter().map(|e| e * e).sum::<f64>() / (2 * m) as f64;
    square.sqrt() / 0.3
}

/// Learning happens: both methods approach the exact consistency function of a Gaussian.
#[test]
fn distillation_and_isolation_learn_the_consistency_function_of_a_gaussian() {
    // Neighboring levels can only agree as well as the step between them is exact: more levels, a smaller error.
    let coarse = [true, false].map(|distill| error_on_a_gaussian(distill, 10));
    let fine = [true, false].map(|distill| error_on_a_gaussian(distill, 40));
    println!(
        "gaussian | CD {:.4} at 10 levels, {:.4} at 40 | CT {:.4}, {:.4} |",
        coarse[0], fine[0], coarse[1], fine[1]
    );
    // Seen: CD 0.23 to 0.04, CT 0.29 to 0.06 of the deviation of the data; an untrained network is off by about 1.
    assert!(fine[0] < 0.06 && fine[0] < 0.5 * coarse[0], "CD: {coarse:?} {fine:?}");
    assert!(fine[1] < 0.09 && fine[1] < 0.5 * coarse[1], "CT: {coarse:?} {fine:?}");
}
