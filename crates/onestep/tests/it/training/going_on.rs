//! Runs that go on: what may change, what becomes of schedules, data that have moved or are others, and what is refused
//! before anything is made.

use onestep::Error;
use onestep::checkpoint::CheckpointError;
use onestep::train::{Event, Extend, Flow, Recipe, Run, RunBuilder, TrainError};

use super::short::{on_pictures, picture, points, refusal, resume, train_to};
use super::{files, flat};

/// Rate and number of levels of every step.
fn schedule(events: &[Event]) -> Vec<(f64, usize)> {
    let step = |event: &Event| match event {
        Event::Step { learning_rate, n_levels, .. } => Some((*learning_rate, n_levels.unwrap_or(0))),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

#[test]
fn what_may_change_is_changed_and_told_and_everything_else_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = RunBuilder::new(points(&["train.steps=6"])).create(folder.path()).unwrap();
    train_to(&mut run, 2);
    drop(run);
    for (setting, key, from, to) in [
        ("train.learning_rate.peak=5e-4", "train.learning_rate.peak", "0.001", "0.0005"),
        ("train.clip_gradient=1.5", "train.clip_gradient", "not set", "1.5"),
        ("train.microbatch=4", "train.microbatch", "not set", "4"),
        ("train.activation_checkpointing=true", "train.activation_checkpointing", "false", "true"),
        ("train.precision=bf16", "train.precision", "not set", "\"bf16\""),
        ("train.preview_every=5", "train.preview_every", "0", "5"),
        ("train.keep=4", "train.keep", "2", "4"),
        ("train.checkpoint_every=1", "train.checkpoint_every", "2", "1"),
        ("data.on_error=skip", "data.on_error", "\"stop\"", "\"skip\""),
    ] {
        let mut run = resume(folder.path(), &[setting]).unwrap();
        let changes = &run.resumed().unwrap().changes;
        let [change] = changes.as_slice() else { panic!("{setting}: {changes:?}") };
        assert_eq!((change.key.as_str(), change.from.as_str(), change.to.as_str()), (key, from, to));
        // It is part of the run at once, and told when training goes on.
        let mut told = Vec::new();
        let mut observer = |event: &Event| {
            told.push(event.clone());
            Flow::Stop
        };
        run.train(&mut observer).unwrap();
        let changed = Event::Changed { key: key.into(), from: from.into(), to: to.into() };
        assert_eq!(told.iter().filter(|event| **event == changed).count(), 1, "{told:?}");
        drop(run);
        assert!(resume(folder.path(), &[]).unwrap().resumed().unwrap().changes.is_empty(), "{setting}");
    }
    for (settings, named) in [
        (&["train.batch=17"][..], &["`train.batch` was 16 and is now 17"][..]),
        (&["train.seed=1"], &["`train.seed` was 0 and is now 1"]),
        (
            &["network.width=64", "noise.sigma_max=40.0"],
            &["`network.width` was 128 and is now 64", "`noise.sigma_max` was 80.0 and is now 40.0"],
        ),
        (&["objective.curriculum.end_intervals=99"], &["`objective.curriculum.end_intervals` was"]),
        (&["train.averages=[]"], &["`train.averages` was"]),
    ] {
        let error = refusal(resume(folder.path(), settings));
        assert!(matches!(error, Error::Train(TrainError::RecipeDiffers { .. })), "{error}");
        for named in named {
            assert!(error.to_string().contains(named), "{error}");
        }
    }
    let error = refusal(resume(folder.path(), &["train.steps=1"]));
    assert_eq!(error.to_string(), "the run has done 2 steps, and `train.steps` asks for 1 in all");
}

#[test]
fn a_longer_run_needs_to_know_what_becomes_of_its_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let finished =
        |name: &str| train_to(&mut RunBuilder::new(points(&["train.steps=6"])).create(at(name)).unwrap(), 6);
    let before = schedule(&finished("a"));
    let error = refusal(resume(&at("a"), &["train.steps=10"]));
    let Error::Train(TrainError::ScheduleUnclear { from: 6, to: 10, now, stretched, ended }) = &error else {
        panic!("{error}")
    };
    // The last step's values, and those of both ways on.
    assert_eq!((now.learning_rate, now.n_levels.unwrap()), before[5]);
    assert_eq!(ended, now);
    let longer = points(&["train.steps=10"]);
    assert_eq!(*stretched, longer.schedule_at(6));
    assert!(stretched.learning_rate > 2.0 * now.learning_rate && stretched.n_levels < now.n_levels);
    assert!(error.to_string().contains(&format!("{} levels", before[5].1)), "{error}");

    let extended = |name: &str, extend: Extend| {
        let recipe = Run::recipe_in(at(name), &["train.steps=10".into()]).unwrap();
        RunBuilder::new(recipe).extend(extend).resume(at(name)).unwrap()
    };
    let events = train_to(&mut extended("a", Extend::End), 10);
    assert_eq!(schedule(&events), [before[5]; 4], "at the values of the end");
    finished("b");
    let events = train_to(&mut extended("b", Extend::Schedule), 10);
    let expected: Vec<_> = (6..10)
        .map(|step| (longer.learning_rate_at(step), longer.schedule_at(step).n_levels.unwrap()))
        .collect();
    assert_eq!(schedule(&events), expected, "where a run of 10 steps would be");

    // The choice is kept: stopped and gone on with it is the same run.
    finished("c");
    train_to(&mut extended("c", Extend::End), 8);
    train_to(&mut resume(&at("c"), &[]).unwrap(), 10);
    assert!(files(&at("a"), 10) == files(&at("c"), 10));
    // Where nothing spans the run there is nothing to choose.
    let plain = [
        "train.steps=4",
        "train.learning_rate.decay=constant",
        "objective.curriculum={ kind = \"fixed\", n_levels = 9 }",
    ];
    train_to(&mut RunBuilder::new(points(&plain)).create(at("d")).unwrap(), 4);
    assert_eq!(resume(&at("d"), &["train.steps=5"]).unwrap().resumed().unwrap().step, 4);
}

/// Checkpoints of earlier versions have a digest in place of the recipe, which lies in the folder alone.
#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    train_to(&mut RunBuilder::new(points(&["train.steps=6"])).create(folder.path()).unwrap(), 2);
    let path = folder.path().join("ckpt/step-00000002/state.json");
    let mut manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let state = manifest["state"].as_object_mut().unwrap();
    assert!(state.remove("recipe").is_some());
    state.insert("recipe_digest".into(), "abc".into());
    std::fs::write(&path, manifest.to_string()).unwrap();
    let error = refusal(resume(folder.path(), &["train.batch=17"]));
    assert!(error.to_string().contains("`train.batch` was 16 and is now 17"), "{error}");
    train_to(&mut resume(folder.path(), &[]).unwrap(), 6);
    assert!(
        std::fs::read_to_string(folder.path().join("ckpt/step-00000006/state.json"))
            .unwrap()
            .contains("recipe")
    );
}

#[test]
fn data_that_have_moved_are_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    (0..6).for_each(|number| drop(picture(&at("here"), number)));
    let recipe = on_pictures("emoji-edm", &at("here"), &[]);
    let mut whole = RunBuilder::new(recipe.clone()).create(at("whole")).unwrap();
    train_to(&mut whole, 8);
    train_to(&mut RunBuilder::new(recipe).create(at("parts")).unwrap(), 3);
    std::fs::rename(at("here"), at("there")).unwrap();
    let source = format!("data.source={:?}", at("there").display().to_string());
    assert!(
        resume(&at("parts"), &[&source]).unwrap().resumed().unwrap().changes.is_empty(),
        "where data lie is no part of a run"
    );
    // A change is written down beside the models. Students and pictures know those by their digests.
    let models = || -> Vec<_> {
        files(&at("parts"), 3).into_iter().filter(|(name, _)| name.ends_with(".safetensors")).collect()
    };
    let before = models();
    let mut run = resume(&at("parts"), &[&source, "train.keep=3"]).unwrap();
    assert_eq!(run.resumed().unwrap().changes.len(), 1);
    assert!(models() == before, "not a byte of a saved model is touched");
    train_to(&mut run, 8);
    assert_eq!(flat(run.trainer().student().weights()), flat(whole.trainer().student().weights()));
    drop(run);
    // One picture more is another set.
    picture(&at("there"), 9);
    let error = refusal(resume(&at("parts"), &[]));
    assert!(matches!(error, Error::Train(TrainError::OtherData { .. })), "{error}");
}

#[test]
fn numbers_that_are_not_finite_end_a_run_that_says_what_is_saved() {
    for (every, expected) in [(100, None), (1, Some(3))] {
        let folder = tempfile::tempdir().unwrap();
        let every = format!("train.checkpoint_every={every}");
        let recipe = points(&["train.steps=9", "train.learning_rate.peak=1e30", &every]);
        let error = RunBuilder::new(recipe).create(folder.path()).unwrap().train(&mut ()).unwrap_err();
        let Error::Train(TrainError::NotFinite { step, n, saved, .. }) = error else { panic!("{error}") };
        assert_eq!((step, n, saved), (4, 3, expected));
    }
}

#[test]
fn a_folder_that_was_taken_away_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut run = RunBuilder::new(points(&["train.steps=6"])).create(&path).unwrap();
    let mut remove = |event: &Event| {
        if let Event::Step { step: 3, .. } = event {
            std::fs::remove_dir_all(&path).unwrap();
            // Another folder of the same name is not that of the run.
            std::fs::create_dir_all(&path).unwrap();
        }
        Flow::Continue
    };
    let error = run.train(&mut remove).unwrap_err();
    assert!(matches!(error, Error::Checkpoint(CheckpointError::TakenAway { .. })), "{error}");
}

#[test]
fn what_cannot_fit_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let large = points(&["train.batch=100000000", "train.steps=6"]);
    let error = refusal(RunBuilder::new(large).available_memory(8 << 30).create(&path));
    assert!(matches!(error, Error::Train(TrainError::Memory { .. })), "{error}");
    assert!(error.to_string().contains("100000000 images at a time"), "{error}");
    assert!(!path.exists());
    assert!(RunBuilder::new(points(&["train.steps=6"])).available_memory(8 << 30).check().is_ok());
    // A network of absurd size is not even laid out.
    for (setting, part) in [
        ("network.num_blocks=100000", "num_blocks = 100000, and at most 1000"),
        ("network.model_channels=1000000", "model_channels"),
        ("network.image_size=1000000", "image_size"),
        ("network.channel_mult=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "17 numbers in channel_mult"),
    ] {
        let message = Recipe::builtin("emoji-edm", &[setting]).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
