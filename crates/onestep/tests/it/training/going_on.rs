//! Runs that go on: what may change, what becomes of schedules, data and teachers that have moved or are others, and images
//! that cannot be read.

use std::path::{Path, PathBuf};

use image::RgbImage;
use onestep::checkpoint::{CheckpointError, Which, load_model};
use onestep::data::open;
use onestep::model::{Preconditioned, Weights};
use onestep::train::{
    Draft, Event, Extend, Flow, Outcome, Recipe, Run, RunBuilder, TrainError, builtin_recipe,
};
use onestep::{Error, Result};

use super::{device, files, flat};

fn settled(name: &str, settings: &[&str]) -> Recipe {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    Recipe::parse(builtin_recipe(name).unwrap(), &settings).unwrap()
}

/// A short run on points, with a rate and a number of levels that follow its length.
fn points(settings: &[&str]) -> Recipe {
    let own = ["train.batch=16", "train.checkpoint_every=2", "train.preview_every=0"];
    settled("toy2d-ct", &own.iter().chain(settings).copied().collect::<Vec<_>>())
}

/// Trains until `last` updates are done, or to the end, and returns all events.
fn train_to(run: &mut Run, last: u64) -> Vec<Event> {
    let mut events = Vec::new();
    run.train(&mut |event: &Event| {
        events.push(event.clone());
        match event {
            Event::Step { step, .. } if *step >= last => Flow::Stop,
            _ => Flow::Continue,
        }
    })
    .unwrap();
    events
}

/// Rate and number of levels of every step.
fn schedule(events: &[Event]) -> Vec<(f64, usize)> {
    let step = |event: &Event| match event {
        Event::Step { learning_rate, n_levels, .. } => Some((*learning_rate, n_levels.unwrap_or(0))),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

fn refusal<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    }
}

fn resume(folder: &Path, settings: &[&str]) -> Result<Run> {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    RunBuilder::new(Run::recipe_in(folder, &settings)?).resume(folder)
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

/// A picture that is a function of its number.
fn picture(folder: &Path, number: u32) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{number:02}.png"));
    let pixel =
        |x: u32, y: u32| image::Rgb([(x * 31 + number * 7) as u8, (y * 29) as u8, (number * 40) as u8]);
    RgbImage::from_fn(8, 8, pixel).save(&path).unwrap();
    path
}

/// A short run on a folder of pictures.
fn on_pictures(name: &str, folder: &Path, settings: &[&str]) -> Recipe {
    let source = format!("data.source={:?}", folder.display().to_string());
    let own = [
        source.as_str(),
        "data.split=null",
        "network.model_channels=8",
        "network.channel_mult=[1,1]",
        "train.steps=8",
        "train.batch=2",
        "train.checkpoint_every=100",
        "train.preview_every=0",
    ];
    settled(name, &own.iter().chain(settings).copied().collect::<Vec<_>>())
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
    let mut run = resume(&at("parts"), &[&source]).unwrap();
    assert!(run.resumed().unwrap().changes.is_empty(), "where data lie is no part of a run");
    train_to(&mut run, 8);
    assert_eq!(flat(run.trainer().student().weights()), flat(whole.trainer().student().weights()));
    drop(run);
    // One picture more is another set.
    picture(&at("there"), 9);
    let error = refusal(resume(&at("parts"), &[]));
    assert!(matches!(error, Error::Train(TrainError::OtherData { .. })), "{error}");
}

#[test]
fn a_bad_image_is_named_after_the_run_is_saved_and_a_repaired_set_goes_on() {
    for (repair, replaced, removed) in [("replace", 1, 0), ("remove", 0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let paths: Vec<_> = (0..7).map(|number| picture(&at("data"), number)).collect();
        // An image that is not the first one met: the run gets somewhere before it.
        let recipe = on_pictures("emoji-edm", &at("data"), &["train.batch=1"]);
        let data = open(&recipe.data).unwrap();
        let mut probe = RunBuilder::new(recipe.clone()).create(at("probe")).unwrap();
        train_to(&mut probe, 1);
        let bad = paths.iter().position(|path| path.ends_with("05.png")).unwrap();
        assert!(data.source(bad).ends_with("05.png"));
        let bytes = std::fs::read(&paths[bad]).unwrap();
        std::fs::write(&paths[bad], &bytes[..bytes.len() / 2]).unwrap();

        let mut run = RunBuilder::new(recipe.clone()).create(at("run")).unwrap();
        let mut last = 0;
        let mut watch = |event: &Event| {
            if let Event::Checkpoint { step, .. } = event {
                last = *step;
            }
            Flow::Continue
        };
        let error = run.train(&mut watch).unwrap_err();
        let Error::Train(TrainError::BadImage { index, reason }) = &error else { panic!("{error}") };
        assert_eq!(*index, bad);
        assert!(reason.to_string().contains("05.png"), "{reason}");
        assert!(last > 0 && last == run.trainer().state().step, "the steps done are saved: {last}");
        drop(run);
        // As it is, it ends there again; another set is still another set.
        assert!(resume(&at("run"), &[]).unwrap().train(&mut ()).is_err());
        match repair {
            "replace" => drop(picture(&at("data"), 5)),
            _ => std::fs::remove_file(&paths[bad]).unwrap(),
        }
        let extra = picture(&at("data"), 8);
        let error = refusal(resume(&at("run"), &[]));
        assert!(matches!(error, Error::Train(TrainError::OtherData { .. })), "{error}");
        std::fs::remove_file(extra).unwrap();
        let mut run = resume(&at("run"), &[]).unwrap();
        let events = train_to(&mut run, 8);
        assert!(events.contains(&Event::Repaired { replaced, removed }), "{repair}: {events:?}");
        drop(run);
        assert_eq!(
            resume(&at("run"), &[]).unwrap().resumed().unwrap().step,
            8,
            "the repaired set is the run's"
        );
    }
}

#[test]
fn bad_images_are_passed_over_where_asked_and_counted_and_the_run_resumes_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths: Vec<_> = (0..6).map(|number| picture(&at("data"), number)).collect();
    for bad in [2, 5] {
        std::fs::write(&paths[bad], "no picture").unwrap();
    }
    let recipe = on_pictures("emoji-edm", &at("data"), &["data.on_error=skip", "data.image_size=8"]);
    let mut whole = RunBuilder::new(recipe.clone()).create(at("whole")).unwrap();
    let events = train_to(&mut whole, 8);
    let mut told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::BadImage { source, count, .. } => Some((source.clone(), *count)),
            _ => None,
        })
        .collect();
    assert_eq!(told.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 2], "each is told once");
    told.sort();
    assert!(told[0].0.ends_with("02.png") && told[1].0.ends_with("05.png"), "{told:?}");

    train_to(&mut RunBuilder::new(recipe).create(at("parts")).unwrap(), 4);
    train_to(&mut resume(&at("parts"), &[]).unwrap(), 8);
    assert!(files(&at("whole"), 8) == files(&at("parts"), 8));
    // Where none is good, that is an end too.
    paths.iter().for_each(|path| std::fs::write(path, "no picture").unwrap());
    assert!(resume(&at("parts"), &[]).is_err());
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

/// A trained teacher of pictures in the classes `names`, in this order of numbers.
fn taught(at: &dyn Fn(&str) -> PathBuf, out: &str, data: &str, settings: &[&str]) -> PathBuf {
    let recipe = on_pictures("emoji-edm", &at(data), settings);
    train_to(&mut RunBuilder::new(recipe).create(at(out)).unwrap(), 8);
    at(out)
}

#[test]
fn another_teacher_is_refused_and_the_same_one_may_move() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    (0..4).for_each(|number| drop(picture(&at("data"), number)));
    taught(&at, "edm", "data", &[]);
    taught(&at, "other", "data", &["train.seed=5"]);
    let teacher = |name: &str| format!("train.teacher={:?}", at(name).display().to_string());
    let recipe = on_pictures("emoji-cd", &at("data"), &[&teacher("edm")]);
    train_to(&mut RunBuilder::new(recipe).create(at("cd")).unwrap(), 3);
    let error = refusal(resume(&at("cd"), &[&teacher("other")]));
    let digest = |name: &str| load_model(&at(name), &Which::Best).unwrap().sha256;
    let message = error.to_string();
    assert!(message.contains(&digest("edm")) && message.contains(&digest("other")), "{message}");
    std::fs::rename(at("edm"), at("moved")).unwrap();
    let mut run = resume(&at("cd"), &[&teacher("moved")]).unwrap();
    assert!(run.resumed().unwrap().changes.is_empty());
    assert_eq!(run.train(&mut ()).unwrap(), Outcome::Finished);
}

#[test]
fn a_teacher_of_other_noise_is_refused_and_classes_are_put_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The same classes; the numbers that they have are those of the names in order.
    for (data, names) in [("abc", ["a", "b", "c"]), ("xbc", ["x", "b", "c"])] {
        for (number, name) in names.iter().enumerate() {
            picture(&at(data).join(name), number as u32);
            picture(&at(data).join(name), number as u32 + 3);
        }
    }
    let teacher = taught(&at, "edm", "abc", &[]);
    let with = |name: &str, data: &str, settings: &[&str]| {
        let teacher = format!("train.teacher={:?}", teacher.display().to_string());
        let settings: Vec<&str> = std::iter::once(teacher.as_str()).chain(settings.iter().copied()).collect();
        RunBuilder::new(on_pictures(name, &at(data), &settings)).create(at("student"))
    };
    for (settings, part) in [
        (&["noise.sigma_data=0.7"][..], "noise.sigma_data = 0.5, the recipe has 0.7"),
        (&["noise.sigma_max=90.0"], "levels 0.002 to 80, the recipe wants 0.002 to 90"),
        (&["noise.sigma_min=0.001"], "levels 0.002 to 80, the recipe wants 0.001 to 80"),
    ] {
        let message = refusal(with("emoji-cd", "abc", settings)).to_string();
        assert!(message.contains(part), "{message}");
    }
    let message = refusal(with("emoji-cd", "xbc", &[])).to_string();
    assert!(message.contains("its classes are a, b, c, those of the data are b, c, x"), "{message}");
    assert!(message.contains("class-embedding"), "{message}");

    // Data whose classes are the same in another order.
    struct Turned(Box<dyn onestep::data::Dataset>, Vec<String>);
    impl onestep::data::Dataset for Turned {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn shape(&self) -> onestep::data::ImageShape {
            self.0.shape()
        }
        fn class_names(&self) -> &[String] {
            &self.1
        }
        fn sample(
            &self,
            index: usize,
        ) -> std::result::Result<onestep::data::Sample, onestep::data::DataError> {
            let sample = self.0.sample(index)?;
            Ok(onestep::data::Sample { label: sample.label.map(|label| (label + 1) % 3), ..sample })
        }
        fn source(&self, index: usize) -> String {
            self.0.source(index)
        }
        fn fingerprint(&self) -> String {
            "turned".into()
        }
    }
    let recipe =
        on_pictures("emoji-cd", &at("abc"), &[&format!("train.teacher={:?}", teacher.display().to_string())]);
    let turned = Turned(open(&recipe.data).unwrap(), ["c", "a", "b"].map(String::from).to_vec());
    let run = RunBuilder::new(recipe).data(Box::new(turned)).create(at("turned")).unwrap();
    let original = load_model(&teacher, &Which::Best).unwrap().into_model(&device()).unwrap();
    let rows = |model: &Preconditioned| {
        let (spec, value) = class_embedding(model.weights());
        let values: Vec<f32> = value.to_data().iter::<f32>().collect();
        let width = spec.shape[1];
        (0..3).map(|class| values[class * width..][..width].to_vec()).collect::<Vec<_>>()
    };
    let (own, its) = (rows(run.trainer().student()), rows(&original));
    assert_eq!(own, [its[2].clone(), its[0].clone(), its[1].clone()]);
}

/// The table of what a network knows of its classes.
fn class_embedding(weights: &Weights) -> (&onestep::model::ParameterSpec, &burn::tensor::Tensor<1>) {
    weights.iter().find(|(spec, _)| spec.name.contains("label") && spec.shape.len() == 2).expect("classes")
}

#[test]
fn a_student_starts_from_a_teacher_of_other_classes_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (data, names) in [("old", &["a", "b"][..]), ("new", &["p", "q", "r"])] {
        names
            .iter()
            .enumerate()
            .for_each(|(number, name)| drop(picture(&at(data).join(name), number as u32)));
    }
    let teacher = taught(&at, "edm", "old", &[]);
    let original = load_model(&teacher, &Which::Best).unwrap().into_model(&device()).unwrap();
    let teacher = format!("train.teacher={:?}", teacher.display().to_string());
    let start = ["train.start=teacher", teacher.as_str()];
    let begin = |out: &str, settings: &[&str]| {
        let all: Vec<&str> = start.iter().chain(settings).copied().collect();
        RunBuilder::new(on_pictures("emoji-edm", &at("new"), &all)).create(at(out))
    };
    let message = refusal(begin("a", &[])).to_string();
    assert!(message.contains("train.renew = [\"class-embedding\"]"), "{message}");
    let renew = "train.renew=[\"class-embedding\"]";
    for (out, settings, n_classes) in [
        ("b", &[renew][..], Some(3)),
        ("c", &[renew, "data.labels=false"], None),
        // The layers are the same at every size.
        ("d", &[renew, "data.image_size=16"], Some(3)),
    ] {
        let mut run = begin(out, settings).unwrap();
        let student = run.trainer().student();
        assert_eq!(student.network().n_classes(), n_classes);
        for (spec, value) in student.weights().iter().filter(|(spec, _)| !spec.name.contains("label")) {
            let named = |name: &str| match out {
                "d" => name.replace("8x8", "4x4").replace("16x16", "8x8"),
                _ => name.to_owned(),
            };
            let same = |other: &str| named(&spec.name) == other;
            let (_, other) = original.weights().iter().find(|(other, _)| same(&other.name)).unwrap();
            assert_eq!(value.to_data(), other.to_data(), "{out}: {}", spec.name);
        }
        train_to(&mut run, 2);
    }
    // Renewing is part of the start.
    let error =
        Draft::read(builtin_recipe("emoji-edm").unwrap(), &[renew.into()]).unwrap().complete().unwrap_err();
    assert!(error.to_string().contains("train.start"), "{error}");
}
