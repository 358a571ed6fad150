//! Whole runs: exact resume, microbatches, guards, and learning what is known in closed form.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::{DataError, Dataset, ImageShape, Sample, open};
use onestep::model::network::SongConfig;
use onestep::model::{
    Architecture, Condition, Denoiser, DropoutKey, GaussianMixture, Preconditioned, Preconditioning, Weights,
};
use onestep::noise::{
    AdaptiveExponent, Curriculum, Gap, Proposal, Purpose, Stream, TargetRate, TrainingLevels,
};
use onestep::objective::{
    Batch, Consistency, Distance, LevelPairs, Path as OdePath, ProgressiveDistillation, Weighting,
};
use onestep::perceptual::{Pooling, Trunk};
use onestep::sample::{Plan, default_levels, generate};
use onestep::solver::Solver;
use onestep::train::checkpoint::RunFolder;
use onestep::train::{
    Augmentation, AverageConfig, Batches, Event, Flow, LearningRate, Levels, MemoryForecast, Objective,
    Optimizer, OptimizerConfig, PathConfig, RadamConfig, Recipe, Trainer, builtin_recipe, builtin_recipes,
};

use crate::golden::Array;
use crate::objectives::loaded;

fn device() -> Device {
    Device::flex()
}

/// A small convolutional run on 8x8 emoji with dropout, flips, classes, (but for PD) an average and (CT) an adaptive target;
/// easy tuning and progressive distillation go through several stages.
fn tiny(method: &str, settings: &[&str]) -> Recipe {
    let mut all: Vec<String> = [
        "data.image_size=8",
        "data.limit=100",
        "network.image_size=8",
        "network.model_channels=16",
        "network.channel_mult=[1,1]",
        "network.num_blocks=1",
        "network.attention_resolutions=[4]",
        "network.dropout=0.2",
        "train.steps=6",
        "train.batch=7",
        "train.checkpoint_every=3",
        "train.preview_every=0",
    ]
    .iter()
    .chain(settings)
    .map(ToString::to_string)
    .collect();
    let own: &[&str] = match method {
        "ct" => &["objective.target={ kind = \"adaptive\", initial_rate = 0.9 }"],
        "ect" => &["objective.images_per_stage=14"],
        "pd" => &["objective.start_intervals=4", "objective.steps_per_stage=2"],
        _ => &[],
    };
    // What the test asks for wins.
    all.splice(0..0, own.iter().map(ToString::to_string));
    Recipe::parse(builtin_recipe(&format!("emoji-{method}")).unwrap(), &all).unwrap()
}

fn teacher(recipe: &Recipe) -> Option<Preconditioned> {
    recipe.needs_teacher().then(|| {
        let network = recipe.network.build().unwrap();
        let weights = Weights::initialize(network.parameters(), 99, &device());
        Preconditioned::new(network, weights, Preconditioning::Edm, recipe.noise.range())
    })
}

fn trainer(recipe: &Recipe) -> Trainer {
    Trainer::new(recipe.clone(), open(&recipe.data).unwrap(), teacher(recipe), &device()).unwrap()
}

/// Every file of a step's folder with its bytes.
fn files(run: &Path, step: u64) -> Vec<(String, Vec<u8>)> {
    let folder = run.join("ckpt").join(format!("step-{step:08}"));
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// 2 + 4 steps are 6 steps, to the bit, for every method: weights, averages, target, optimizer, data order, noise, dropout.
/// Progressive distillation is stopped within its first stage, between two stages, and within the second.
#[test]
fn resume_equals_not_stopping() {
    let stops = [
        ("edm", 2),
        ("cd", 2),
        ("ct", 2),
        ("ict", 2),
        ("ect", 2),
        ("pd", 1),
        ("pd", 2),
        ("pd", 3),
        ("scd", 2),
        ("sct", 2),
    ];
    for (method, stop) in stops {
        let recipe = tiny(method, &[]);
        let whole = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(whole.path(), 9).unwrap();
        assert!(trainer(&recipe).run(&folder, &mut |_: &Event| Flow::Continue).unwrap());

        let parts = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(parts.path(), 9).unwrap();
        // The observer asks to stop during a step, as a signal would: the step is finished and saved.
        let mut stop_there = |event: &Event| match event {
            Event::Step { step, .. } if *step >= stop => Flow::Stop,
            _ => Flow::Continue,
        };
        assert!(!trainer(&recipe).run(&folder, &mut stop_there).unwrap());
        let data = open(&recipe.data).unwrap();
        let (mut resumed, damaged) =
            Trainer::resume(recipe.clone(), data, teacher(&recipe), &folder, &device()).unwrap();
        assert!(damaged.is_empty());
        assert_eq!(resumed.state().step, stop);
        assert!(resumed.run(&folder, &mut |_: &Event| Flow::Continue).unwrap());
        let (whole, parts) = (files(whole.path(), 6), files(parts.path(), 6));
        assert_eq!(whole.len(), parts.len());
        for ((name, a), (other, b)) in whole.iter().zip(&parts) {
            assert_eq!(name, other);
            assert!(a == b, "{method}: {name} differs after resuming");
        }
        let expected = if ["ct", "scd", "sct"].contains(&method) { 5 } else { 4 };
        assert_eq!(
            whole.len(),
            expected,
            "{method}: model, average (PD: teacher), optimizer, state; for CT the target, in continuous time the weighting"
        );
    }
}

/// Bug A2 of the reference: progressive distillation cannot start, and divides by the steps of a decay that is off.
#[test]
fn progressive_distillation_goes_through_its_stages() {
    for decay in ["linear", "constant"] {
        let decay_setting = format!("train.learning_rate.decay={decay}");
        let settings = [
            "train.steps=10",
            "train.checkpoint_every=1",
            "train.keep=20",
            "network.dropout=0.0",
            &decay_setting,
        ];
        let recipe = tiny("pd", &settings);
        let run = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(run.path(), 20).unwrap();
        let mut seen = Vec::new();
        let mut watch = |event: &Event| {
            if let Event::Step { n_levels, stage, learning_rate, .. } = event {
                seen.push((n_levels.unwrap() - 1, stage.unwrap(), *learning_rate));
            }
            Flow::Continue
        };
        let mut run_of_it = trainer(&recipe);
        assert!(run_of_it.run(&folder, &mut watch).unwrap());
        let intervals: Vec<usize> = seen.iter().map(|&(intervals, ..)| intervals).collect();
        assert_eq!(intervals, [4, 4, 2, 2, 2, 2, 1, 1, 1, 1]);
        let stages: Vec<u64> = seen.iter().map(|&(_, stage, _)| stage).collect();
        assert_eq!(stages, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        let peak = recipe.train.learning_rate.peak;
        let shares: Vec<f64> = seen.iter().map(|&(.., rate)| rate / peak).collect();
        let expected = match decay {
            "linear" => [1.0, 0.5, 1.0, 0.75, 0.5, 0.25, 1.0, 0.75, 0.5, 0.25],
            _ => [1.0; 10],
        };
        assert_eq!(shares, expected, "the rate's schedule begins with every stage");

        let array = |step: u64, file: &str| {
            let path = run.path().join(format!("ckpt/step-{step:08}/{file}.safetensors"));
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        // The numbers alone: headers say at which step they were written.
        let numbers = |bytes: Vec<u8>| {
            bytes[8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize..].to_vec()
        };
        for (stage_end, within) in [(2, 3), (6, 7), (6, 10)] {
            assert!(
                numbers(array(stage_end, "model")) == numbers(array(within, "teacher")),
                "the student of step {stage_end} is the teacher at step {within}"
            );
        }
        let optimizer_step = |step: u64| {
            let (_, header) = safetensors::SafeTensors::read_metadata(&array(step, "optim")).unwrap();
            let header = header.metadata().clone().unwrap_or_default();
            header
                .values()
                .find_map(|text| serde_json::from_str::<serde_json::Value>(text).ok()?["step"].as_u64())
        };
        assert_eq!(
            [2, 3, 6, 7].map(optimizer_step),
            [Some(2), Some(1), Some(4), Some(1)],
            "a new optimizer each"
        );
    }
}

/// What a finished model says about its sampling, without being asked.
#[test]
fn headers_carry_the_levels_to_sample_at() {
    let levels = |method: &str, settings: &[&str], steps: usize| {
        let mut trainer = trainer(&tiny(method, settings));
        (0..steps).for_each(|_| drop(trainer.step().unwrap()));
        let header = trainer.checkpoint().header;
        (header.preconditioning, header.sampling_levels.map(|levels| levels.len()))
    };
    assert_eq!(levels("ct", &[], 1), (Preconditioning::Boundary, None));
    assert_eq!(levels("ect", &[], 1), (Preconditioning::Boundary, Some(2)));
    // Four steps lie between five levels; the model of a stage is that of its last step.
    assert_eq!(levels("pd", &[], 2), (Preconditioning::Edm, Some(5)));
    assert_eq!(levels("pd", &[], 3), (Preconditioning::Edm, Some(3)));
}

/// Easy tuning trains in the form of a diffusion model, and what it makes is the identity at the smallest level.
#[test]
fn easy_tuning_is_used_in_the_consistency_form() {
    let recipe = tiny("ect", &[]);
    let mut run = trainer(&recipe);
    run.step().unwrap();
    assert_eq!(run.student().preconditioning(), Preconditioning::Edm);
    let batch = batch_of(&recipe, 2);
    let noisy = batch.clean + batch.noise * recipe.noise.sigma_min;
    let sigma = [recipe.noise.sigma_min; 2];
    let got = run.best().denoise(noisy.clone(), &sigma, &batch.condition).unwrap();
    assert_eq!(Array::from_tensor(got).values, Array::from_tensor(noisy).values);
}

/// Bug B5 of another implementation: the schedule of its gap depends on how often it reports.
#[test]
fn the_gap_is_a_function_of_images_seen() {
    let low = |batch: usize, first: u64| {
        let recipe = tiny("ect", &[&format!("train.batch={batch}")]);
        match Batches::levels(&recipe, first / batch as u64, first, batch).unwrap() {
            Levels::Pairs(pairs) => pairs.low,
            other => panic!("{other:?}"),
        }
    };
    let whole = low(28, 0);
    let parts: Vec<f64> = [0, 7, 14, 21].into_iter().flat_map(|first| low(7, first)).collect();
    assert_eq!(whole, parts);
}

/// A denoiser that remembers whether it was told to drop out.
struct Listening<'a>(&'a Preconditioned, std::cell::RefCell<Vec<bool>>);

impl Denoiser for Listening<'_> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, onestep::model::ModelError> {
        self.1.borrow_mut().push(condition.dropout.is_some());
        self.0.denoise(noisy, sigma, condition)
    }
    fn sigma_min(&self) -> f64 {
        self.0.sigma_min()
    }
}

#[test]
fn teachers_never_drop_out() {
    let recipe = tiny("cd", &[]);
    let (model, mut batch) = (random_model(&recipe), batch_of(&recipe, 2));
    batch.condition.dropout = Some(DropoutKey { seed: 1, step: 0, samples: vec![0, 1] });
    let listen = || Listening(&model, Vec::new().into());
    let pairs = LevelPairs { low: vec![1.0; 2], high: vec![2.0; 2] };
    let (distance, weighting, sigma_data) = (loaded(Distance::L2), Weighting::Uniform, 0.5);

    let (student, target, teacher) = (listen(), listen(), listen());
    let path = OdePath::Teacher { teacher: &teacher, solver: Solver::Heun };
    let consistency = Consistency { distance: distance.clone(), weighting, sigma_data };
    consistency.loss(&student, &target, path, &batch, &pairs).unwrap();
    assert_eq!((student.1.into_inner(), target.1.into_inner()), (vec![true], vec![true]));
    assert_eq!(teacher.1.into_inner(), [false; 2]);

    let (student, teacher) = (listen(), listen());
    let objective = ProgressiveDistillation { distance, weighting, sigma_data, rho: 7.0 };
    objective.loss(&student, &teacher, &batch, &pairs).unwrap();
    assert_eq!((student.1.into_inner(), teacher.1.into_inner()), (vec![true], vec![false; 2]));
}

#[test]
fn augmentation_tells_the_network_what_it_did() {
    let shape = ImageShape { height: 8, width: 8, channels: 3 };
    let image: Vec<f32> = (0..shape.n_values()).map(|i| (i % 13) as f32 / 13.0).collect();
    let apply = |probability: f64, sample: u64| {
        let mut values = image.clone();
        let labels = Augmentation { probability }.apply(&mut values, shape, 4, sample);
        (values, labels)
    };
    let (mut unchanged, mut mirrored, n) = (0, 0, 2000);
    for sample in 0..n {
        let (values, labels) = apply(0.12, sample);
        assert_eq!((values.clone(), labels.clone()), apply(0.12, sample), "a place of the run is a change");
        if labels.iter().all(|&label| label == 0.0) {
            assert_eq!(values, image, "labels of 0 say that nothing was done");
            unchanged += 1;
        }
        mirrored += usize::from(labels[0] == 1.0);
    }
    // No horizontal flip, no vertical one, and none of four changes. Five standard deviations of a binomial share.
    for (count, p) in [(unchanged, 0.5 * 0.94 * 0.88f64.powi(4)), (mirrored, 0.5)] {
        let share = count as f64 / n as f64;
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / n as f64).sqrt(), "{share} instead of {p}");
    }
    let only_flips = (0..100).map(|sample| apply(0.0, sample).1);
    assert!(only_flips.clone().all(|labels| labels[1..].iter().all(|&label| label == 0.0)));

    // A run with it moves the weights of the labels, and one whose network is not told is refused.
    let recipe =
        tiny("edm", &["train.augment={ probability = 1.0 }", "network.augment_dim=9", "train.batch=16"]);
    let mut run = trainer(&recipe);
    let labels = |run: &Trainer| {
        let (_, value) =
            run.student().weights().iter().find(|(spec, _)| spec.name.contains("map_augment")).unwrap();
        Array::from_tensor(value.clone()).values
    };
    let before = labels(&run);
    // The first update of networks whose last layer starts at zero reaches that layer alone.
    (0..3).for_each(|_| drop(run.step().unwrap()));
    assert_ne!(before, labels(&run));
    let text = builtin_recipe("emoji-edm").unwrap();
    let message =
        Recipe::parse(text, &["train.augment={ probability = 0.12 }".into()]).unwrap_err().to_string();
    assert!(message.contains("augment_dim = 9"), "{message}");
}

#[test]
fn a_resumed_run_refuses_another_recipe_and_other_data() {
    let recipe = tiny("edm", &["train.steps=1"]);
    let run = tempfile::tempdir().unwrap();
    let folder = RunFolder::open(run.path(), 2).unwrap();
    trainer(&recipe).run(&folder, &mut |_: &Event| Flow::Continue).unwrap();
    let resume = |recipe: Recipe| {
        let data = open(&recipe.data).unwrap();
        Trainer::resume(recipe, data, None, &folder, &device()).map(|_| ()).map_err(|error| error.to_string())
    };
    let message = resume(tiny("edm", &["train.steps=1", "train.batch=8"])).unwrap_err();
    assert!(message.contains("another recipe"), "{message}");
    // Saving more often is no other run.
    resume(tiny("edm", &["train.steps=1", "train.checkpoint_every=1"])).unwrap();
}

/// Microbatches add up to the batch: the same step, up to the order of summation.
#[test]
fn microbatches_equal_the_full_batch() {
    let event = |settings: &[&str]| match trainer(&tiny("ct", settings)).step().unwrap() {
        Event::Step { loss, gradient_norm, .. } => (loss, gradient_norm),
        other => panic!("{other:?}"),
    };
    let (loss, norm) = event(&[]);
    for micro in ["train.microbatch=1", "train.microbatch=3", "train.microbatch=7"] {
        let (other_loss, other_norm) = event(&[micro]);
        // 1e-6: f32 sums in another order.
        assert!((loss / other_loss - 1.0).abs() < 1e-6, "{micro}: {loss} {other_loss}");
        assert!((norm / other_norm - 1.0).abs() < 1e-5, "{micro}: {norm} {other_norm}");
    }
}

/// Bug A3 of the reference: its loop never ends.
#[test]
fn a_run_ends_at_its_last_step_exactly() {
    let recipe = tiny("ct", &["train.steps=4"]);
    let run = tempfile::tempdir().unwrap();
    let folder = RunFolder::open(run.path(), 2).unwrap();
    let mut steps = Vec::new();
    let mut levels = Vec::new();
    let mut watch = |event: &Event| {
        if let Event::Step { step, n_levels, .. } = event {
            steps.push(*step);
            levels.push(n_levels.unwrap());
        }
        Flow::Continue
    };
    assert!(trainer(&recipe).run(&folder, &mut watch).unwrap());
    assert_eq!(steps, [1, 2, 3, 4]);
    assert!(levels.is_sorted());
}

/// A data set one of whose images is not a number.
struct Poisoned {
    inner: Box<dyn Dataset>,
    bad: fn(usize) -> bool,
}

impl Dataset for Poisoned {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn shape(&self) -> ImageShape {
        self.inner.shape()
    }
    fn class_names(&self) -> &[String] {
        self.inner.class_names()
    }
    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        let mut sample = self.inner.sample(index)?;
        if (self.bad)(index) {
            sample.values[0] = f32::NAN;
        }
        Ok(sample)
    }
    fn source(&self, index: usize) -> String {
        self.inner.source(index)
    }
    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }
}

#[test]
fn updates_that_are_not_finite_are_skipped_counted_and_end_the_run_after_three() {
    let recipe = tiny("edm", &["train.steps=100"]);
    let poisoned = |bad| Box::new(Poisoned { inner: open(&recipe.data).unwrap(), bad });
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

fn batch_of(recipe: &Recipe, n: usize) -> Batch {
    let data = open(&recipe.data).unwrap();
    let shape = data.shape();
    let values: Vec<f32> = (0..n).flat_map(|i| data.sample(i).unwrap().values).collect();
    let noise = Stream::new(1, Purpose::Test, 0, 0).standard_normal(values.len());
    let extents = [n, shape.height, shape.width, shape.channels];
    Batch {
        clean: Tensor::from_data(TensorData::new(values, extents), &device()),
        noise: Tensor::from_data(TensorData::new(noise, extents), &device()),
        condition: Condition::classes(vec![0; n]),
    }
}

fn losses(distance: Distance, model: &Preconditioned, batch: &Batch) -> Vec<f64> {
    let n = batch.clean.dims()[0];
    let distance = loaded(distance);
    let objective = Consistency { distance, weighting: Weighting::Uniform, sigma_data: 0.5 };
    let pairs = LevelPairs { low: vec![1.0; n], high: vec![2.0; n] };
    Array::from_tensor(objective.loss(model, model, OdePath::Data, batch, &pairs).unwrap()).values
}

fn random_model(recipe: &Recipe) -> Preconditioned {
    let network = recipe.network.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 5, &device());
    Preconditioned::new(network, weights, Preconditioning::Boundary, recipe.noise.range())
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

/// Bug A6 of the reference: student and target drop out differently.
#[test]
fn student_and_target_share_their_dropout_masks() {
    let recipe = tiny("ct", &[]);
    let (model, mut batch) = (random_model(&recipe), batch_of(&recipe, 3));
    let n = 3;
    let noisy = batch.clean.clone() + batch.noise.clone();
    let key = |step| DropoutKey { seed: 1, step, samples: vec![0, 1, 2] };
    let estimate = |step| {
        let condition = Condition { dropout: Some(key(step)), ..batch.condition.clone() };
        Array::from_tensor(model.denoise(noisy.clone(), &vec![1.0; n], &condition).unwrap()).values
    };
    assert_eq!(estimate(1), estimate(1));
    assert_ne!(estimate(1), estimate(2), "dropout is on");
    // With both levels equal the two evaluations are one: only different masks could make a loss.
    batch.condition.dropout = Some(key(1));
    let distance = loaded(Distance::L2);
    let objective = Consistency { distance, weighting: Weighting::Uniform, sigma_data: 0.5 };
    let pairs = LevelPairs { low: vec![1.0; n], high: vec![1.0; n] };
    let loss = objective.loss(&model, &model, OdePath::Data, &batch, &pairs).unwrap();
    assert_eq!(Array::from_tensor(loss).values, [0.0; 3]);
}

/// Bug B3: the gradient of a root at zero.
#[test]
fn distances_have_finite_gradients_at_zero_difference() {
    for distance in
        [Distance::L1, Distance::L2, Distance::L2At32, Distance::PseudoHuber { huber_c: Some(0.03) }]
    {
        let a = Tensor::<4>::ones([2, 4, 4, 3], &device()).autodiff().require_grad();
        let value = loaded(distance).between(a.clone(), Tensor::ones([2, 4, 4, 3], &device()));
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

/// Bug A7 of the reference: consistency training loads and holds a teacher it never asks.
#[test]
fn initialization_is_explicit_and_training_in_isolation_needs_no_teacher() {
    let recipe = tiny("ct", &[]);
    assert!(!recipe.needs_teacher());
    trainer(&recipe).step().unwrap();
    let distilled = tiny("cd", &[]);
    let data = || open(&distilled.data).unwrap();
    let Err(error) = Trainer::new(distilled.clone(), data(), None, &device()) else {
        panic!("no teacher, no error")
    };
    assert!(error.to_string().contains("needs a teacher"));
    let teacher = teacher(&distilled).unwrap();
    let student = Trainer::new(distilled.clone(), data(), Some(teacher.clone()), &device()).unwrap();
    for (a, b) in student.student().weights().values().iter().zip(teacher.weights().values()) {
        assert_eq!(a.to_data(), b.to_data(), "distillation starts from the teacher");
    }
}

/// A teacher must have an ODE to follow, and whose weights are copied must be told the noise level in the same way.
#[test]
fn teachers_of_another_form_are_refused() {
    let refusal = |settings: &[&str], form| {
        let recipe = tiny("scd", settings);
        let network = recipe.network.build().unwrap();
        let weights = Weights::initialize(network.parameters(), 99, &device());
        let teacher = Preconditioned::new(network, weights, form, recipe.noise.range());
        let data = open(&recipe.data).unwrap();
        Trainer::new(recipe, data, Some(teacher), &device()).err().map(|error| error.to_string())
    };
    let trig = "objective.preconditioning=\"trig\"";
    assert!(refusal(&[], Preconditioning::Boundary).unwrap().contains("give a diffusion model"));
    assert!(refusal(&[trig], Preconditioning::Edm).unwrap().contains("\"trig-edm\""));
    assert!(refusal(&[], Preconditioning::Trig).unwrap().contains("to \"trig\""));
    // Another form teaches all the same, where the student starts for itself.
    assert_eq!(refusal(&[trig, "train.start=\"random\""], Preconditioning::Edm), None);
    assert_eq!(refusal(&[trig], Preconditioning::Trig), None);
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
    assert!(apart > 0.0 && apart < 0.5 * moved, "{apart} apart after {moved}");
}

fn flat(weights: &Weights) -> Vec<f64> {
    weights.values().iter().flat_map(|value| Array::from_tensor(value.clone()).values).collect()
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

/// Bug A12 of the reference: classes are drawn without a seed. A14: noise for all samples at once.
#[test]
fn a_seed_is_an_image_with_its_class_in_any_batch() {
    let recipe = tiny("ct", &[]);
    let model = random_model(&recipe);
    let plan = Plan::Multistep(default_levels(2, &recipe.noise.range(), 7.0).unwrap());
    let draw =
        |seeds: &[u64], batch| generate(&model, &plan, seeds, None, batch, &device(), &mut |_| true).unwrap();
    let together = draw(&[3, 17, 4, 8, 15], 64);
    for batch in [1, 2, 3] {
        assert_eq!(draw(&[3, 17, 4, 8, 15], batch), together, "batches of {batch}");
    }
    let alone = draw(&[17], 64);
    let n = together.shape.n_values();
    assert_eq!(alone.values, together.values[n..2 * n]);
    assert_eq!(alone.labels.unwrap()[0], together.labels.unwrap()[1]);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut trainer = trainer(&tiny("cd", &[]));
            trainer.step().unwrap();
            trainer.step().unwrap();
            trainer.student().weights().values().iter().map(Tensor::to_data).collect::<Vec<_>>()
        })
    };
    let one = run(1);
    assert!(one == run(2), "2 threads");
    assert!(one == run(7), "7 threads");
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

#[test]
fn recipes_parse_describe_themselves_and_come_back_from_toml() {
    for (name, text) in builtin_recipes() {
        let recipe = Recipe::parse(text, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(recipe.name, *name);
        assert!(recipe.about.len() > 20, "{name}");
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe, "{name}");
        let after = name.split_once('-').and_then(|(_, rest)| rest.strip_prefix(recipe.method()));
        assert!(after.is_some_and(|after| after.is_empty() || after.starts_with('-')), "{name}");
        recipe.network.build().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The numbers of the published runs (bugs A7, A13, B2: launch scripts, configurations and paper disagree).
#[test]
fn published_recipes_have_the_published_numbers() {
    let rows: [(&str, u64, usize, f64, &str); 36] = [
        ("cifar10-edm", 400_000, 512, 1e-3, "random"),
        ("cifar10-cd", 800_000, 512, 4e-4, "teacher"),
        ("cifar10-ct", 800_000, 512, 4e-4, "random"),
        ("cifar10-cd-lpips", 800_000, 512, 4e-4, "teacher"),
        ("cifar10-ct-lpips", 800_000, 512, 4e-4, "random"),
        ("imagenet64-cd-lpips", 600_000, 2048, 8e-6, "teacher"),
        ("imagenet64-ct-lpips", 800_000, 2048, 1e-4, "random"),
        ("lsun256-cd-lpips", 600_000, 2048, 1e-5, "teacher"),
        ("lsun256-ct-lpips", 1_000_000, 2048, 5e-5, "random"),
        ("cifar10-scd", 400_000, 512, 1e-4, "teacher"),
        ("cifar10-sct", 400_000, 512, 1e-4, "teacher"),
        ("cifar10-cd-continuous", 800_000, 512, 5e-6, "teacher"),
        ("cifar10-ct-continuous", 800_000, 512, 5e-6, "teacher"),
        ("cifar10-trigflow", 400_000, 512, 1e-3, "random"),
        ("imagenet64-trigflow", 400_000, 2048, 1e-4, "random"),
        ("imagenet64-scd", 400_000, 2048, 1e-4, "teacher"),
        ("imagenet64-sct", 400_000, 2048, 1e-4, "teacher"),
        ("imagenet64-edm", 600_000, 4096, 1e-4, "random"),
        ("imagenet64-cd", 600_000, 2048, 8e-6, "teacher"),
        ("imagenet64-ct", 800_000, 2048, 1e-4, "random"),
        ("lsun256-edm", 600_000, 256, 1e-4, "random"),
        ("lsun256-cd", 600_000, 2048, 1e-5, "teacher"),
        ("lsun256-ct", 1_000_000, 2048, 5e-5, "random"),
        ("cifar10-cd-l1", 800_000, 512, 2e-4, "teacher"),
        ("cifar10-pd", 750_000, 512, 5e-5, "teacher"),
        ("cifar10-edm-ddpmpp", 390_625, 512, 1e-3, "random"),
        ("cifar10-ict", 400_000, 1024, 1e-4, "random"),
        ("cifar10-ict-deep", 400_000, 1024, 1e-4, "random"),
        ("imagenet64-ict", 800_000, 4096, 1e-4, "random"),
        ("imagenet64-ict-deep", 800_000, 4096, 1e-4, "random"),
        ("cifar10-ect", 200_000, 128, 1e-4, "teacher"),
        ("cifar10-ect-1h", 8_000, 128, 1e-4, "teacher"),
        ("imagenet64-ect", 100_000, 128, 1e-4, "teacher"),
        ("emoji-ect", 5_000, 32, 5e-4, "teacher"),
        ("cifar10-edm-small", 3_500, 32, 1e-3, "random"),
        ("cifar10-ect-small", 2_000, 32, 5e-4, "teacher"),
    ];
    // No large recipe without its row.
    for (name, _) in
        builtin_recipes().iter().filter(|(name, _)| !name.starts_with("toy") && !name.starts_with("emoji"))
    {
        assert!(rows.iter().any(|row| row.0 == *name), "{name} has no row");
    }
    for (name, steps, batch, rate, start) in rows {
        let train = Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap().train;
        assert_eq!((train.steps, train.batch, train.learning_rate.peak), (steps, batch, rate), "{name}");
        assert_eq!(format!("{:?}", train.start).to_lowercase(), start, "{name}");
    }
}

/// What makes a published run what it is, beyond length and rate.
#[test]
fn published_recipes_have_the_published_objectives() {
    let recipe = |name: &str| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
    let song = |name: &str| match recipe(name).network {
        Architecture::Song(config) => config,
        other => panic!("{name}: {other:?}"),
    };
    for (name, rate) in [
        ("cifar10-ict", 0.99993),
        ("cifar10-ict-deep", 0.99993),
        ("imagenet64-ict", 0.99997),
        ("imagenet64-ict-deep", 0.99997),
    ] {
        let ict = recipe(name);
        let Objective::Consistency { path, curriculum, proposal, distance, weighting, target } =
            ict.objective
        else {
            panic!("{name}")
        };
        assert_eq!(path, PathConfig::Data);
        assert_eq!(curriculum, Curriculum::Doubling { start_intervals: 10, end_intervals: 1280 });
        assert_eq!(proposal, Proposal::LogNormal { p_mean: -1.1, p_std: 2.0 });
        assert_eq!(distance, Distance::PseudoHuber { huber_c: None });
        assert_eq!(weighting, Weighting::InverseGap);
        assert!(target.is_student());
        assert_eq!(ict.train.averages, [AverageConfig::Rate { rate }]);
    }
    let [small, deep] = ["cifar10-ict", "cifar10-ict-deep"].map(song);
    assert_eq!((small.fourier_scale, small.dropout), (0.02, 0.3));
    assert_eq!(deep.num_blocks, 2 * small.num_blocks);

    for (name, shrink, stages, huber_c, weighting, middle, dropout) in [
        ("cifar10-ect", 2.0, 8, 0.0, Weighting::InverseGap, 0.821, Some(0.2)),
        ("cifar10-ect-1h", 256.0, 1, 0.0, Weighting::InverseGap, 0.821, Some(0.2)),
        ("imagenet64-ect", 4.0, 4, 0.06, Weighting::Karras, 1.526, None),
    ] {
        let ect = recipe(name);
        let Objective::Tuning { p_mean, p_std, gap, images_per_stage, distance, weighting: own } =
            ect.objective
        else {
            panic!("{name}")
        };
        assert_eq!((p_mean, p_std, own), (-1.1, 2.0, weighting));
        assert_eq!(gap, Gap::Sigmoid { shrink, k: 8.0, b: 1.0 });
        assert_eq!((ect.train.steps * ect.train.batch as u64).div_ceil(images_per_stage), stages, "{name}");
        assert_eq!(distance, Distance::PseudoHuber { huber_c: Some(huber_c) });
        assert_eq!(ect.noise.sigma_min, 0.003);
        assert_eq!(ect.sampling.unwrap().levels, [80.0, middle]);
        assert!(dropout.is_none_or(|dropout| song(name).dropout == dropout), "{name}");
    }
    // The teacher of easy tuning is the network that is tuned.
    let (teacher, student) = (song("cifar10-edm-ddpmpp"), song("cifar10-ect"));
    assert_eq!(SongConfig { dropout: 0.2, ..teacher }, student);
    assert_eq!(SongConfig { dropout: 0.2, ..SongConfig::cifar10_ddpmpp() }, student);

    let pd = recipe("cifar10-pd");
    let stage = |step| pd.stage(step).unwrap().n_intervals;
    assert_eq!(
        [0, 49_999, 50_000, 549_999, 550_000, 649_999, 650_000, 749_999].map(stage),
        [4096, 4096, 2048, 4, 2, 2, 1, 1]
    );
    assert_eq!((pd.train.clip_gradient, pd.train.averages.len()), (Some(1.0), 0));
    assert_eq!((pd.learning_rate_at(50_000), pd.learning_rate_at(75_000)), (5e-5, 2.5e-5));
    for (name, _) in builtin_recipes() {
        let clips = recipe(name).train.clip_gradient.is_some();
        assert_eq!(clips, recipe(name).method() == "pd", "{name}: clipping is off elsewhere");
    }
}

/// The published runs with LPIPS: those of CIFAR-10 are from another code, which takes maxima and never an average.
#[test]
fn published_recipes_with_lpips_have_the_published_parts() {
    let adaptive =
        |initial_rate| TargetRate::Adaptive { initial_rate, exponent: AdaptiveExponent::ReleasedCode };
    let growing = |end_intervals| Curriculum::Progressive { start_intervals: 2, end_intervals };
    let fixed = |n_levels| Curriculum::Fixed { n_levels };
    let kept = |rate| TargetRate::Fixed { rate };
    for (name, curriculum, target, pooling, seen_at) in [
        ("cifar10-cd", fixed(18), kept(0.0), Pooling::Max, 224),
        ("cifar10-ct", growing(150), adaptive(0.9), Pooling::Max, 224),
        ("imagenet64-cd", fixed(40), kept(0.95), Pooling::Average, 224),
        ("imagenet64-ct", growing(200), adaptive(0.95), Pooling::Average, 224),
        ("lsun256-cd", fixed(40), kept(0.95), Pooling::Average, 256),
        ("lsun256-ct", growing(150), adaptive(0.95), Pooling::Average, 256),
    ] {
        let recipe = |name: &str| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
        let published = recipe(&format!("{name}-lpips"));
        let Objective::Consistency { curriculum: own, target: rate, distance, weighting, proposal, .. } =
            published.objective
        else {
            panic!("{name}")
        };
        assert_eq!((own, rate), (curriculum, target), "{name}");
        assert_eq!((weighting, proposal), (Weighting::Uniform, Proposal::Uniform), "{name}");
        assert_eq!(distance, Distance::Lpips { trunk: Trunk::Vgg16, pooling, size: 224 }, "{name}");
        let [height, width, _] = published.network.build().unwrap().image();
        assert_eq!(distance.compared_at([height, width]), [seen_at; 2], "{name}");
        // Nothing else tells it from the recipe with L2.
        let mut plain = recipe(name);
        let Objective::Consistency { distance: other, .. } = &mut plain.objective else { panic!("{name}") };
        assert_eq!(*other, Distance::L2, "{name}");
        *other = distance;
        (plain.name, plain.about) = (published.name.clone(), published.about.clone());
        assert_eq!(plain, published);
    }
    let emoji = Recipe::parse(builtin_recipe("emoji-cd-lpips").unwrap(), &[]).unwrap();
    assert_eq!(emoji.distance(), Some(Distance::StLpips { size: None }));
    let teachers = ["emoji-cd", "emoji-edm"]
        .map(|name| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap().network);
    assert!(teachers.iter().all(|network| *network == emoji.network), "the teacher is emoji-edm");
}

/// Which network looks is part of the run; where its weights lie is not.
#[test]
fn weights_of_the_distance_may_move_and_must_fit() {
    let text = builtin_recipe("imagenet64-cd-lpips").unwrap();
    let digest = |setting: &str| Recipe::parse(text, &[setting.into()]).unwrap().digest();
    let own = Recipe::parse(text, &[]).unwrap().digest();
    assert_eq!(digest("train.distance_files={ trunk = \"a.pth\", heads = \"b/c.pth\" }"), own);
    for other in ["trunk=\"alexnet\"", "pooling=\"max\"", "size=128", "kind=\"l2\""] {
        let other = match other {
            "kind=\"l2\"" => digest("objective.distance={ kind = \"l2\" }"),
            part => digest(&format!("objective.distance.{part}")),
        };
        assert_ne!(other, own);
    }
    // Found out when the run is set up, not at its thousandth step.
    let set_up = |settings: &[&str]| {
        let recipe = tiny("cd", settings);
        match Trainer::new(recipe.clone(), open(&recipe.data).unwrap(), teacher(&recipe), &device()) {
            Ok(_) => panic!("{settings:?}"),
            Err(error) => error.to_string(),
        }
    };
    let lpips = "objective.distance={ kind = \"lpips\" }";
    let message = set_up(&[lpips]);
    assert!(message.contains("there is no vgg16-397923af.pth"), "{message}");
    let message = set_up(&[lpips, "train.distance_files.trunk=no/such.pth"]);
    assert!(message.contains("there is no no/such.pth"), "{message}");
}

/// A run with a perceptual distance goes on exactly as any other, its loss in f32 whatever the network computes in.
#[test]
fn runs_with_a_perceptual_distance_resume_and_stay_in_f32() {
    let perceptual = "objective.distance={ kind = \"st-lpips\", size = 24 }";
    let recipe = tiny("cd", &[perceptual, "train.microbatch=4"]);
    let mut whole = trainer(&recipe);
    let losses: Vec<f64> = (0..2)
        .map(|_| match whole.step().unwrap() {
            Event::Step { loss, gradient_norm, .. } => {
                assert!(gradient_norm > 0.0);
                loss
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(losses.iter().all(|&loss| loss > 0.0 && loss.is_finite()));
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::open(folder.path(), 2).unwrap();
    let mut first = trainer(&recipe);
    first.step().unwrap();
    run.save(&first.checkpoint()).unwrap();
    let data = open(&recipe.data).unwrap();
    let (mut second, _) = Trainer::resume(recipe.clone(), data, teacher(&recipe), &run, &device()).unwrap();
    second.step().unwrap();
    assert_eq!(flat(second.student().weights()), flat(whole.student().weights()));

    let rounded = tiny("cd", &[perceptual, "train.microbatch=4", "train.precision=\"bf16\""]);
    let Event::Step { loss, .. } = trainer(&rounded).step().unwrap() else { panic!("a step") };
    // Products of student, target and teacher are rounded to 2^-9, those of the distance are not.
    assert!((loss / losses[0] - 1.0).abs() < 0.05, "{loss} {losses:?}");
}

/// What is kept for the gradient of the distance, and its weights, are part of the forecast.
#[test]
fn forecasts_count_the_network_of_the_distance() {
    let forecast = |name: &str| {
        let recipe = Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
        (MemoryForecast::of(&recipe, recipe.network.build().unwrap().as_ref()), recipe)
    };
    let ((plain, _), (looking, recipe)) = (forecast("cifar10-cd"), forecast("cifar10-cd-lpips"));
    let Some(distance) = recipe.distance() else { panic!("a distance") };
    let kind = distance.perceptual().unwrap();
    assert_eq!(looking.weights - plain.weights, 4 * kind.n_weights() as u64);
    let kept = kind.activations([224, 224]).unwrap() as u64;
    assert_eq!(looking.activations - plain.activations, 4 * recipe.train.batch as u64 * kept);
    assert_eq!(looking.checkpoint, plain.checkpoint);
}

#[test]
fn objectives_that_cannot_be_are_refused() {
    for (name, bad, part) in [
        ("toy2d-pd", "train.start=\"random\"", "begins with a copy"),
        ("toy2d-pd", "objective.start_intervals=12", "power of 2"),
        ("toy2d-pd", "objective.start_intervals=1", "power of 2"),
        ("toy2d-pd", "objective.steps_per_stage=10", "last stage, which ends after 80 steps"),
        ("toy2d-pd", "objective.weighting=\"inverse-gap\"", "pairs of levels"),
        ("toy2d-edm", "objective.weighting=\"inverse-gap\"", "pairs of levels"),
        ("toy2d-ect", "objective.gap.shrink=1.0", "above 1"),
        ("toy2d-ect", "objective.images_per_stage=0", "at least 1"),
        ("toy2d-ect", "objective.images_per_stage=1000", "more images"),
        ("toy2d-ect", "objective.distance.huber_c=-1.0", "positive number or 0"),
        ("toy2d-cd", "objective.distance={ kind = \"st-lpips\" }", "points of 2 coordinates"),
        ("toy2d-ect", "objective.distance={ kind = \"lpips\" }", "points of 2 coordinates"),
        ("toy2d-pd", "objective.distance={ kind = \"lpips\" }", "points of 2 coordinates"),
        ("emoji-cd", "objective.distance={ kind = \"st-lpips\", size = 20 }", "at least 21"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", size = 15 }", "at least 16"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", size = 100000 }", "at most 4096"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", trunk = \"vgg19\" }", "unknown variant"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", huber_c = 0.1 }", "unknown field"),
        ("emoji-cd-lpips", "train.distance_files.trunk=\"a.pth\"", "no other reads any"),
        ("emoji-edm", "train.distance_files.heads=\"a.pth\"", "no other reads any"),
        ("emoji-scd", "objective.distance={ kind = \"st-lpips\" }", "unknown field"),
        ("toy2d-ect", "sampling.levels=[0.821, 80.0]", "must descend"),
        ("toy2d-ict", "objective.curriculum.end_intervals=5", "must grow"),
        ("toy2d-ict", "train.averages=[{ relative_std = 0.5 }]", "relative_std"),
    ] {
        let message = Recipe::parse(builtin_recipe(name).unwrap(), &[bad.into()]).expect_err(bad).to_string();
        assert!(message.contains(part), "{name} {bad}: {message}");
    }
}

#[test]
fn a_consistency_model_is_no_teacher() {
    let recipe = tiny("pd", &[]);
    let data = || open(&recipe.data).unwrap();
    let Err(error) = Trainer::new(recipe.clone(), data(), Some(random_model(&recipe)), &device()) else {
        panic!("a consistency model has no steps to distill")
    };
    assert!(error.to_string().contains("only a diffusion model"), "{error}");
}

#[test]
fn settings_change_a_recipe_and_misspelt_ones_are_refused() {
    let text = builtin_recipe("emoji-ct").unwrap();
    let parse = |setting: &str| Recipe::parse(text, &[setting.to_string()]);
    assert_eq!(parse("train.batch=3").unwrap().train.batch, 3);
    assert_eq!(parse("data.source=some/folder").unwrap().data.source, "some/folder");
    for (bad, part) in [
        ("train.bacth=3", "bacth"),
        ("train.batch", "key.path=value"),
        ("train.batch.size=3", "single value"),
        ("train.batch=0", "at least 1"),
        ("train.batch=-1", "invalid value"),
        ("noise.sigma_min=nan", "sigma_min"),
        ("noise.sigma_min=90", "sigma_min"),
        ("train.learning_rate.peak=nan", "positive"),
        ("objective.kind=\"magic\"", "magic"),
        ("objective.curriculum={ kind = \"fixed\", n_levels = 1 }", "at least 2"),
        ("objective.target={ kind = \"fixed\", rate = 1.5 }", "rate"),
        ("train.microbatch=1000000", "between 1 and"),
    ] {
        let message = parse(bad).expect_err(bad).to_string();
        assert!(message.contains(part), "{bad}: {message}");
    }
}
