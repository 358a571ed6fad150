//! What changes in the course of a run: the stages of progressive distillation and of easy tuning, and the levels that models carry.

use onestep::checkpoint::stage_models;
use onestep::model::{Denoiser, Preconditioning};
use onestep::train::{Event, Flow, Objective, Outcome, Recipe, builtin_recipe};

use super::{batch_of, builder, tiny, trainer};
use crate::golden::Array;

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
        let mut seen = Vec::new();
        let mut watch = |event: &Event| {
            if let Event::Step { n_levels, stage, learning_rate, .. } = event {
                seen.push((n_levels.unwrap() - 1, stage.unwrap(), *learning_rate));
            }
            Flow::Continue
        };
        let mut run_of_it = builder(&recipe).create(run.path()).unwrap();
        assert_eq!(run_of_it.train(&mut watch).unwrap(), Outcome::Finished);
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

/// However few checkpoints are kept, the model of every stage of few steps stays, and can be asked for.
#[test]
fn the_models_of_the_last_stages_are_kept() {
    let recipe = tiny("pd", &["train.steps=10", "train.checkpoint_every=4", "train.keep=1"]);
    assert_eq!(recipe.milestones(), [2, 6, 10]);
    let run = tempfile::tempdir().unwrap();
    let mut run_of_it = builder(&recipe).create(run.path()).unwrap();
    assert_eq!(run_of_it.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);
    let folder = |step: u64| run.path().join(format!("ckpt/step-{step:08}"));
    let models = stage_models(run.path()).unwrap();
    assert_eq!(models.into_iter().collect::<Vec<_>>(), [(1, folder(10)), (2, folder(6)), (4, folder(2))]);
    assert!(!folder(4).exists() && !folder(8).exists());
    assert!(stage_models(&folder(10).join("model.safetensors")).unwrap().is_empty(), "a file is no run");
    // A damaged one is no model, and hides none of the others.
    std::fs::write(folder(6).join("state.json"), "{").unwrap();
    assert_eq!(stage_models(run.path()).unwrap().into_keys().collect::<Vec<_>>(), [1, 4]);

    let stopped_early = tiny("pd", &["train.steps=7"]);
    assert_eq!(stopped_early.milestones(), [2, 6]);
    assert!(tiny("cd", &[]).milestones().is_empty());
    let published = Recipe::parse(builtin_recipe("cifar10-pd").unwrap(), &[]).unwrap();
    assert_eq!(published.milestones(), [500_000, 550_000, 650_000, 750_000], "of 8, 4, 2 and 1 steps");
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
    let low = |batch: u64, first: u64| {
        let recipe = tiny("ect", &[&format!("train.batch={batch}")]);
        match &recipe.objective {
            Objective::Tuning(settings) => settings.levels(recipe.train.seed, first..first + batch).low,
            other => panic!("{other:?}"),
        }
    };
    let whole = low(28, 0);
    let parts: Vec<f64> = [0, 7, 14, 21].into_iter().flat_map(|first| low(7, first)).collect();
    assert_eq!(whole, parts);
}
