//! Samples say how they were made, and are made again by what they say.

use std::ops::Range;
use std::path::Path;

use burn::tensor::Device;
use onestep::data::Outputs;
use onestep::data::picture::read_parameters;
use onestep::edit::Job;
use onestep::model::{Precision, PrecisionChoice};
use onestep::sample::SampleError;
use onestep::{DrawRecord, Error, Model, OpenOptions, SampleWriter};
use tempfile::tempdir;

use crate::eval::{model_in_file, small_model};

fn record_inside(picture: &Path) -> DrawRecord {
    let text = read_parameters(picture).unwrap().expect("it says how it was made");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn samples_are_made_again_by_what_their_pictures_say() {
    let folder = tempdir().unwrap();
    let model = model_in_file(folder.path());
    let draw = model.draw().seeds([3, 9, 4]).classes([2, 0, 1]).steps(2).definite().unwrap();
    let samples = draw.run_with(&mut ()).unwrap();
    let record = DrawRecord { columns: Some(2), scale: Some(3), ..draw.record().unwrap() };
    let path = |name: &str| folder.path().join(name);
    record.save(&samples, path("grid.png")).unwrap();
    assert_eq!(record_inside(&path("grid.png")), record);
    let beside = std::fs::read_to_string(path("grid.json")).unwrap();
    assert_eq!(serde_json::from_str::<DrawRecord>(&beside).unwrap(), record);
    let again = record.options().open(&record.model).unwrap();
    assert_eq!(record.draw(&again).unwrap().run().unwrap(), samples);
    // One of several stands alone.
    record.save(&samples, path("each")).unwrap();
    let alone = record_inside(&path("each/seed-000009-class-00.png"));
    assert_eq!((alone.seeds.as_slice(), alone.classes.as_deref()), (&[9][..], Some(&[0][..])));
    assert_eq!(alone.draw(&again).unwrap().run().unwrap().values, samples.values_of(1));
    record.save(&samples, path("all.npz")).unwrap();
    assert!(path("all.npz").exists() && path("all.json").exists() && path("each/samples.json").exists());
    let error = record.save(&samples, path("all.gif")).unwrap_err();
    assert_eq!(error.to_string(), "cannot write a .gif");
}

/// Files of older versions are read by this order and these names, and the next version reads those of this one.
#[test]
fn a_record_has_its_keys_in_their_order() {
    let record = r#"{"tool":"onestep 0.1.0","model":"run/model.safetensors","model_sha256":"ab","weights":"best","precision":"bf16","sampler":"heun","levels":[80.0,0.5],"churn":3.0,"nfe":3,"seeds":[7],"classes":null,"columns":null,"scale":2}"#;
    let read: DrawRecord = serde_json::from_str(record).unwrap();
    assert_eq!((read.precision, read.scale), (Precision::Bf16, Some(2)));
    assert_eq!(serde_json::to_string(&read).unwrap(), record);
    // The first ones had one precision and did not say so.
    let first = record.replace(r#""precision":"bf16","#, "");
    assert_eq!(serde_json::from_str::<DrawRecord>(&first).unwrap().precision, Precision::F32);
    assert!(serde_json::from_str::<DrawRecord>(&record.replacen('{', r#"{"surprise":1,"#, 1)).is_err());
}

#[test]
fn another_model_is_refused() {
    let folder = tempdir().unwrap();
    let model = model_in_file(folder.path());
    let record = model.draw().definite().unwrap().record().unwrap();
    let changed = DrawRecord { model_sha256: "0".repeat(64), ..record.clone() };
    let sha256 = model.origin().unwrap().sha256.clone();
    let file = folder.path().join("model.safetensors");
    let refused = SampleError::AnotherModel { path: file, was: "0".repeat(64), is: Some(sha256) };
    assert_eq!(changed.draw(&model).unwrap_err(), refused);
    // A model of no file has no record, and is no model of one.
    let in_memory = small_model();
    assert!(in_memory.draw().definite().unwrap().record().is_none());
    assert!(matches!(record.draw(&in_memory), Err(SampleError::AnotherModel { is: None, .. })));
    // Where it lies does not matter.
    std::fs::create_dir(folder.path().join("moved")).unwrap();
    let moved = folder.path().join("moved/model.safetensors");
    std::fs::rename(&record.model, &moved).unwrap();
    assert!(record.draw(&OpenOptions::default().open(moved).unwrap()).is_ok());
    assert!(matches!(record.options().open(&record.model), Err(Error::Checkpoint(_))));
}

/// The drawing of a model in a file, opened in some precision.
fn opened(folder: &Path, precision: impl Into<PrecisionChoice>) -> Model {
    model_in_file(folder);
    OpenOptions::default().precision(precision).open(folder.join("model.safetensors")).unwrap()
}

#[test]
fn records_say_what_was_computed() {
    let folder = tempdir().unwrap();
    let rows = [
        (PrecisionChoice::Auto, Precision::fastest()),
        (Precision::F32.into(), Precision::F32),
        (Precision::Bf16.into(), Precision::Bf16.here()),
    ];
    for (asked, computed) in rows {
        let model = opened(folder.path(), asked);
        assert_eq!(model.precision(), Some(computed));
        let draw = model.draw().seeds(0..3).definite().unwrap();
        let record = draw.record().unwrap();
        assert_eq!((draw.precision(), record.precision), (Some(computed), computed));
        let again = record.options().open(&record.model).unwrap();
        assert_eq!(record.replaced_precision(again.device()), None);
        assert_eq!(record.draw(&again).unwrap().run().unwrap(), draw.run_with(&mut ()).unwrap());
        let edits = model.edit(Job::vary_seed(3)).definite().unwrap();
        let record = edits.record();
        assert_eq!(record.model.as_ref().unwrap().precision, computed);
        let reopened = record.open(&Device::flex()).unwrap();
        assert_eq!(reopened.replaced_precision(), None);
        assert_eq!(reopened.edits().run().unwrap(), edits.run_with(&mut ()).unwrap());
    }
    // Without a word it is f32, on every machine.
    assert_eq!(model_in_file(folder.path()).precision(), Some(Precision::F32));
    // A denoiser of one's own computes in what it likes.
    let own = Model::from_fn(small_model().shape(), small_model().profile().clone(), |noisy, _| noisy);
    assert_eq!((own.precision(), own.with_precision(Precision::Bf16).precision()), (None, None));
}

#[test]
fn a_drawing_goes_on_in_the_precision_it_was_begun_in() {
    let folder = tempdir().unwrap();
    let begun = folder.path().join("begun");
    let exact = opened(folder.path(), Precision::F32);
    let draw = exact.draw().seeds(0..3).definite().unwrap();
    draw.record().unwrap().save(&draw.run_with(&mut ()).unwrap(), &begun).unwrap();

    let auto = opened(folder.path(), PrecisionChoice::Auto);
    let definite = |seeds: Range<u64>| auto.draw().seeds(seeds).definite().unwrap();
    let record = definite(0..3).record().unwrap();
    let (went_on, record) = definite(0..3).going_on(record, &begun);
    assert_eq!((went_on.precision(), record.precision), (Some(Precision::F32), Precision::F32));
    assert_eq!(went_on.run_with(&mut ()).unwrap(), draw.run_with(&mut ()).unwrap());
    // Another draw, and another folder, bind nothing.
    for (seeds, path) in [(0..4, begun.clone()), (0..3, folder.path().join("other"))] {
        let record = definite(seeds.clone()).record().unwrap();
        let (other, record) = definite(seeds).going_on(record, &path);
        assert_eq!((other.precision(), record.precision), (auto.precision(), Precision::fastest()));
    }
    // Two precisions are never mixed, and both are named.
    let rounded = DrawRecord { precision: Precision::Bf16, ..draw.record().unwrap() };
    let refused = SampleWriter::create(rounded, exact.shape(), &begun, &Outputs::default().overwrite(false));
    let said = refused.err().expect("it is refused").to_string();
    assert!(said.contains("begun in f32") && said.contains("asked for: bf16"), "{said}");
}
