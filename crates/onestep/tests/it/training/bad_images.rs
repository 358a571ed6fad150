//! Images that cannot be read: they end a run that is saved, or are passed over and counted.

use onestep::Error;
use onestep::data::open;
use onestep::train::{Event, Flow, RunBuilder, TrainError};

use super::files;
use super::short::{on_pictures, picture, refusal, resume, train_to};

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
        let Error::Train(TrainError::BadImage { index, reason, .. }) = &error else { panic!("{error}") };
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
fn an_image_that_has_ended_a_run_is_told_and_counted_where_the_run_goes_on_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths: Vec<_> = (0..7).map(|number| picture(&at("data"), number)).collect();
    let bytes = std::fs::read(&paths[5]).unwrap();
    std::fs::write(&paths[5], &bytes[..bytes.len() / 2]).unwrap();
    let recipe = on_pictures("emoji-edm", &at("data"), &["train.batch=1"]);
    assert!(RunBuilder::new(recipe.clone()).create(at("run")).unwrap().train(&mut ()).is_err());
    let mut run = resume(&at("run"), &["data.on_error=skip"]).unwrap();
    let events = train_to(&mut run, 8);
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::BadImage { source, count, .. } => Some((source, *count)),
            _ => None,
        })
        .collect();
    assert!(matches!(&told[..], [(source, 1)] if source.ends_with("05.png")), "{told:?}");
    assert_eq!(run.trainer().state().bad_images, [5]);
    // It is the run that has passed over it from its beginning.
    let skipping = on_pictures("emoji-edm", &at("data"), &["train.batch=1", "data.on_error=skip"]);
    train_to(&mut RunBuilder::new(skipping).create(at("whole")).unwrap(), 8);
    assert!(files(&at("whole"), 8) == files(&at("run"), 8));
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
