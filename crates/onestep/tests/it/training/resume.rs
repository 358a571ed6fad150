//! Runs that are stopped and continued, cut into microbatches or spread over threads are the same run.

use super::{builder, device, files, flat, random_model, tiny, trainer};
use burn::tensor::Tensor;
use onestep::sample::{Plan, default_levels, generate};
use onestep::train::{Event, Flow, Outcome, Recipe, RunFolder};

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
        let mut run = builder(&recipe).create(whole.path()).unwrap();
        assert_eq!(run.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);

        let parts = tempfile::tempdir().unwrap();
        // The observer asks to stop during a step, as a signal would: the step is finished and saved.
        let mut stop_there = |event: &Event| match event {
            Event::Step { step, .. } if *step >= stop => Flow::Stop,
            _ => Flow::Continue,
        };
        let mut run = builder(&recipe).create(parts.path()).unwrap();
        assert_eq!(run.train(&mut stop_there).unwrap(), Outcome::Stopped);
        drop(run);
        let mut resumed = builder(&recipe).resume(parts.path()).unwrap();
        assert!(resumed.damaged().is_empty());
        assert_eq!(resumed.trainer().state().step, stop);
        assert_eq!(resumed.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);
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

#[test]
fn a_resumed_run_refuses_another_recipe_and_other_data() {
    let recipe = tiny("edm", &["train.steps=1"]);
    let run = tempfile::tempdir().unwrap();
    builder(&recipe).create(run.path()).unwrap().train(&mut |_: &Event| Flow::Continue).unwrap();
    let resume =
        |recipe: Recipe| builder(&recipe).resume(run.path()).map(|_| ()).map_err(|error| error.to_string());
    let message = resume(tiny("edm", &["train.steps=1", "train.batch=8"])).unwrap_err();
    assert!(message.contains("`train.batch` was 7 and is now 8"), "{message}");
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
    let mut steps = Vec::new();
    let mut levels = Vec::new();
    let mut watch = |event: &Event| {
        if let Event::Step { step, n_levels, .. } = event {
            steps.push(*step);
            levels.push(n_levels.unwrap());
        }
        Flow::Continue
    };
    let mut run = builder(&recipe).create(run.path()).unwrap();
    assert_eq!(run.train(&mut watch).unwrap(), Outcome::Finished);
    assert_eq!(steps, [1, 2, 3, 4]);
    assert!(levels.is_sorted());
}

/// Bug A12 of the reference: classes are drawn without a seed. A14: noise for all samples at once.
#[test]
fn a_seed_is_an_image_with_its_class_in_any_batch() {
    let recipe = tiny("ct", &[]);
    let model = random_model(&recipe);
    let plan = Plan::Multistep(default_levels(2, &recipe.noise.range(), 7.0).unwrap());
    let draw = |seeds: &[u64], batch| {
        let [height, width, channels] = model.network().image();
        let labels = onestep::sample::classes_of_seeds(seeds, model.network().n_classes());
        let drawing = onestep::sample::Drawing {
            model: &model,
            shape: onestep::data::ImageShape { height, width, channels },
            plan: &plan,
            seeds,
            labels: labels.as_deref(),
            batch,
            device: &device(),
        };
        generate(&drawing, &mut ()).unwrap()
    };
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
    let specs = first.student().network().parameters();
    let restored = run.load(specs, &device()).unwrap().unwrap();
    let mut second = trainer(&recipe);
    second.restore(restored.checkpoint, folder.path()).unwrap();
    second.step().unwrap();
    assert_eq!(flat(second.student().weights()), flat(whole.student().weights()));

    let rounded = tiny("cd", &[perceptual, "train.microbatch=4", "train.precision=\"bf16\""]);
    let Event::Step { loss, .. } = trainer(&rounded).step().unwrap() else { panic!("a step") };
    // Products of student, target and teacher are rounded to 2^-9, those of the distance are not.
    assert!((loss / losses[0] - 1.0).abs() < 0.05, "{loss} {losses:?}");
}
