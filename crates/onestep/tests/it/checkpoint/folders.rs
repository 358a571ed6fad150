//! Run folders: saving, choosing, pruning, locking, and falling back.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use onestep::checkpoint::{CheckpointError, ErrorClass, Which, load_model, read_header, stage_models};
use onestep::model::{Builder, Init};
use onestep::train::{RunFolder, RunLock};

use super::faults::{Fault, FaultyDisk};
use super::{assert_same, checkpoint_at, continued, files_under, load, names, specs, with_value};

fn run() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn flip_last_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_run_is_saved_and_continued_to_the_bit() {
    let run = run();
    let saved = checkpoint_at(1200, 9);
    let folder = RunFolder::open(run.path(), 3).unwrap();
    assert!(folder.load(&specs(), &Device::default()).unwrap().is_none(), "nothing yet is not an error");
    let done = folder.save(&saved).unwrap();
    assert_eq!(done.folder, run.path().join("ckpt/step-00001200"));
    assert!(done.pruned.is_empty());
    drop(folder);
    let first = files_under(run.path());
    let file_names: Vec<_> = first
        .keys()
        .map(|path| path.strip_prefix(run.path()).unwrap().to_str().unwrap().replace('\\', "/"))
        .collect();
    assert_eq!(
        file_names,
        [
            ".lock",
            "ckpt/step-00001200/ema-0.9999.safetensors",
            "ckpt/step-00001200/ema-half-life-500000-ramp-up-0.05.safetensors",
            "ckpt/step-00001200/model.safetensors",
            "ckpt/step-00001200/optim.safetensors",
            "ckpt/step-00001200/state.json",
            "ckpt/step-00001200/target.safetensors",
            "ckpt/step-00001200/teacher.safetensors",
            "latest",
        ]
    );
    assert_eq!(std::fs::read_to_string(run.path().join("latest")).unwrap(), "step-00001200\n");

    let restored = load(run.path()).unwrap();
    assert!(restored.skipped.is_empty());
    assert_same(&restored.checkpoint, &saved);
    assert_eq!(restored.checkpoint.header.step, 1200, "the header's counts are those of the state");
    assert_eq!(restored.checkpoint.header.images_seen, 64 * 1200);
    let labels: Vec<_> = restored.checkpoint.averages.iter().map(|average| average.config.label()).collect();
    assert_eq!(labels, ["ema-0.9999", "ema-half-life-500000-ramp-up-0.05"], "in the order of the recipe");

    let second = self::run();
    RunFolder::open(second.path(), 3).unwrap().save(&restored.checkpoint).unwrap();
    for (path, bytes) in files_under(&second.path().join("ckpt")) {
        let same = run.path().join(path.strip_prefix(second.path()).unwrap());
        assert!(bytes == first[&same], "{} differs after save, load, save", path.display());
    }
}

/// The way to lose a run: training anew where one lies. Whoever has not loaded it cannot save over it.
#[test]
fn a_run_that_was_not_loaded_is_not_saved_over() {
    let run = run();
    RunFolder::create(run.path(), 1).unwrap().save(&checkpoint_at(1200, 9)).unwrap();
    let before = files_under(run.path());
    let refused = |result: Result<(), CheckpointError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, CheckpointError::HasRun { .. }), "{error}");
        assert_eq!(error.class(), ErrorClass::CannotCreate);
        assert!(files_under(run.path()) == before, "not a byte is touched");
    };
    refused(RunFolder::create(run.path(), 1).map(drop));
    for step in [3, 1200, 2000] {
        refused(RunFolder::open(run.path(), 1).unwrap().save(&checkpoint_at(step, 1)).map(drop));
    }
    // Without the file that names the last one, a run is still a run.
    std::fs::remove_file(run.path().join("latest")).unwrap();
    assert!(RunFolder::create(run.path(), 1).is_err());
    continued(RunFolder::open(run.path(), 1).unwrap()).save(&checkpoint_at(1300, 9)).unwrap();
    assert_eq!(names(run.path()), ["step-00001300"]);
}

#[test]
fn which_weights() {
    let run = run();
    let saved = checkpoint_at(7, 3);
    RunFolder::open(run.path(), 3).unwrap().save(&saved).unwrap();
    let step = run.path().join("ckpt/step-00000007");
    let of = |path: &Path, which: &str| {
        let loaded = load_model(path, &which.parse().unwrap()).unwrap();
        assert_eq!(loaded.header.step, 7);
        let summary = read_header(path, &which.parse().unwrap()).unwrap();
        assert_eq!((&summary.file, &summary.header), (&loaded.file, &loaded.header));
        loaded.arrays["output.weight"].1.clone()
    };
    let value = |weights: &onestep::model::Weights| -> Vec<f32> {
        weights.values()[3].clone().into_data().try_into_vec().unwrap()
    };
    for path in [run.path(), step.as_path(), &run.path().join("latest")] {
        assert_eq!(of(path, "best"), value(&saved.averages[0].weights));
        assert_eq!(of(path, "ema-0.9999"), value(&saved.averages[0].weights));
        assert_eq!(of(path, "ema-half-life-500000-ramp-up-0.05"), value(&saved.averages[1].weights));
        assert_eq!(of(path, "raw"), value(&saved.weights));
        assert_eq!(of(path, "target"), value(saved.method.target.as_ref().unwrap()));
        for unknown in ["ema-0.5", "optim", "model", "../step-00000007/model"] {
            let error = load_model(path, &unknown.parse().unwrap()).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!(
                    "there are no weights `{unknown}` here; there are `raw`, `ema-0.9999`, \
                     `ema-half-life-500000-ramp-up-0.05`, `target`: "
                )),
                "{error}"
            );
        }
    }
    assert_eq!(of(&step.join("model.safetensors"), "best"), value(&saved.weights), "a file is what it is");

    let mut plain = checkpoint_at(8, 3);
    plain.averages.clear();
    plain.method.target = None;
    continued(RunFolder::open(run.path(), 3).unwrap()).save(&plain).unwrap();
    let loaded = load_model(run.path(), &Which::Best).unwrap();
    assert_eq!(
        loaded.file,
        run.path().join("ckpt/step-00000008/model.safetensors"),
        "no average: the weights"
    );
    assert!(load_model(run.path(), &Which::Target).is_err());
    assert!(load(run.path()).unwrap().checkpoint.method.target.is_none());
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_reported() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 9] = [
        ("changed since it was saved", |folder| flip_last_byte(&folder.join("model.safetensors"))),
        ("changed since it was saved", |folder| flip_last_byte(&folder.join("ema-0.9999.safetensors"))),
        ("changed since it was saved", |folder| flip_last_byte(&folder.join("target.safetensors"))),
        ("changed since it was saved", |folder| flip_last_byte(&folder.join("optim.safetensors"))),
        ("training state cannot be read", |folder| std::fs::write(folder.join("state.json"), "{").unwrap()),
        ("of the checkpoint is missing", |folder| std::fs::remove_file(folder.join("state.json")).unwrap()),
        ("of the checkpoint is missing", |folder| {
            std::fs::remove_file(folder.join("optim.safetensors")).unwrap()
        }),
        ("there is no model here", |folder| std::fs::remove_dir_all(folder).unwrap()),
        ("holds step 10", |folder| {
            std::fs::copy(
                folder.parent().unwrap().join("step-00000010/state.json"),
                folder.join("state.json"),
            )
            .unwrap();
        }),
    ];
    for (message, damage) in damages {
        let run = run();
        let folder = RunFolder::open(run.path(), 5).unwrap();
        for step in [10, 20, 30] {
            folder.save(&checkpoint_at(step, 1)).unwrap();
        }
        drop(folder);
        damage(&run.path().join("ckpt/step-00000030"));
        let restored = load(run.path()).unwrap();
        assert_eq!(restored.folder, run.path().join("ckpt/step-00000020"));
        assert_same(&restored.checkpoint, &checkpoint_at(20, 1));
        assert_eq!(restored.skipped.len(), 1);
        assert_eq!(restored.skipped[0].folder, run.path().join("ckpt/step-00000030"));
        let error = restored.skipped[0].error.to_string();
        assert!(error.contains(message) && error.contains("step-00000030"), "{message}: {error}");

        // The run goes on from there, comes by the damaged step again, and puts it right.
        continued(RunFolder::open(run.path(), 5).unwrap()).save(&checkpoint_at(30, 1)).unwrap();
        let restored = load(run.path()).unwrap();
        assert!(restored.skipped.is_empty());
        assert_same(&restored.checkpoint, &checkpoint_at(30, 1));
        assert_eq!(names(run.path()), ["step-00000010", "step-00000020", "step-00000030"]);
    }
}

#[test]
fn sampling_falls_back_too() {
    let run = run();
    let folder = RunFolder::open(run.path(), 5).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    folder.save(&checkpoint_at(20, 1)).unwrap();
    flip_last_byte(&run.path().join("ckpt/step-00000020/ema-0.9999.safetensors"));
    let loaded = load_model(run.path(), &Which::Best).unwrap();
    assert_eq!((loaded.header.step, loaded.skipped.len()), (10, 1));
    let loaded = load_model(run.path(), &Which::Raw).unwrap();
    assert_eq!(
        (loaded.header.step, loaded.skipped.len()),
        (20, 0),
        "only the file that is used has to be intact"
    );

    // A step folder that is named is not exchanged for another.
    let error = load_model(&run.path().join("ckpt/step-00000020"), &Which::Best).unwrap_err();
    assert!(matches!(error, CheckpointError::WrongDigest { .. }), "{error}");

    flip_last_byte(&run.path().join("ckpt/step-00000010/ema-0.9999.safetensors"));
    let error = load_model(run.path(), &Which::Best).unwrap_err();
    assert_eq!(error.class(), ErrorClass::BadData);
    assert!(error.to_string().starts_with("none of the 2 checkpoints is intact; the newest: "), "{error}");
}

#[test]
fn a_newer_format_or_another_network_is_not_passed_over() {
    let run = run();
    let folder = RunFolder::open(run.path(), 5).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    folder.save(&checkpoint_at(20, 1)).unwrap();
    let mut builder = Builder::default();
    builder.parameter("other", &[2], Init::Zeros);
    let error = folder.load(&builder.finish(), &Device::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::WrongModel { .. }), "{error}");

    let state = run.path().join("ckpt/step-00000020/state.json");
    let text = std::fs::read_to_string(&state).unwrap().replacen("\"format\":1", "\"format\":2,\"new\":0", 1);
    std::fs::write(&state, text).unwrap();
    let error = folder.load(&specs(), &Device::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::NewerFormat { found: 2, .. }), "{error}");
}

#[test]
fn a_spoilt_latest_leads_to_the_newest() {
    let run = run();
    let folder = RunFolder::open(run.path(), 5).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    folder.save(&checkpoint_at(20, 1)).unwrap();
    drop(folder);
    let latest = run.path().join("latest");
    for text in [&b""[..], b"../../../etc", b"step-20", b"\xff", b"step-00000020.replaced"] {
        std::fs::write(&latest, text).unwrap();
        assert_eq!(load(run.path()).unwrap().checkpoint.state.step, 20);
    }
    std::fs::remove_file(&latest).unwrap();
    assert_eq!(load(run.path()).unwrap().checkpoint.state.step, 20);
    std::fs::write(&latest, "step-00000010\n").unwrap();
    assert_eq!(load(run.path()).unwrap().checkpoint.state.step, 10, "the one that is named comes first");
}

#[test]
fn pruning_keeps_the_newest_and_the_one_in_use() {
    let run = run();
    let folder = RunFolder::open(run.path(), 2).unwrap();
    assert_eq!(folder.save(&checkpoint_at(1, 1)).unwrap().pruned.len(), 0);
    assert_eq!(folder.save(&checkpoint_at(2, 1)).unwrap().pruned.len(), 0);
    let saved = folder.save(&checkpoint_at(3, 1)).unwrap();
    assert_eq!(saved.pruned, [run.path().join("ckpt/step-00000001")]);
    folder.save(&checkpoint_at(123_456_789, 1)).unwrap();
    assert_eq!(names(run.path()), ["step-00000003", "step-123456789"], "more digits than eight");
    assert_eq!(load_model(run.path(), &Which::Best).unwrap().header.step, 123_456_789);
    // What is not ours is left alone.
    std::fs::create_dir(run.path().join("ckpt/notes")).unwrap();
    drop(folder);

    // A run continued from an older step: the steps after it are of an abandoned past.
    let folder = continued(RunFolder::open(run.path(), 2).unwrap());
    folder.save(&checkpoint_at(4, 1)).unwrap();
    assert_eq!(names(run.path()), ["notes", "step-00000003", "step-00000004"]);
    drop(folder);
    let folder = continued(RunFolder::open(run.path(), 0).unwrap());
    folder.save(&checkpoint_at(5, 1)).unwrap();
    assert_eq!(names(run.path()), ["notes", "step-00000005"], "the one in use is kept even if none is to be");
}

#[test]
fn milestones_are_kept_for_good() {
    let run = run();
    let folder = RunFolder::open(run.path(), 1).unwrap().keeping([2, 9]);
    for step in 1..=5 {
        folder.save(&checkpoint_at(step, 1)).unwrap();
    }
    assert_eq!(names(run.path()), ["step-00000002", "step-00000005"]);
    folder.save(&checkpoint_at(9, 1)).unwrap();
    assert_eq!(names(run.path()), ["step-00000002", "step-00000009"]);
    // A milestone of a past that was abandoned is none.
    folder.save(&checkpoint_at(6, 1)).unwrap();
    assert_eq!(names(run.path()), ["step-00000002", "step-00000006"]);
    assert!(stage_models(run.path()).unwrap().is_empty(), "no run of progressive distillation");
}

#[test]
fn saving_a_step_again_replaces_it() {
    let run = run();
    let folder = RunFolder::open(run.path(), 3).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    let before = files_under(run.path());
    folder.save(&checkpoint_at(10, 1)).unwrap();
    assert!(files_under(run.path()) == before, "the same state is the same bytes");
    folder.save(&checkpoint_at(10, 2)).unwrap();
    assert_eq!(names(run.path()), ["step-00000010"]);
    drop(folder);
    assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(10, 2));
}

#[test]
fn state_that_is_not_finite_is_never_written() {
    let run = run();
    let folder = RunFolder::open(run.path(), 3).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    let before = files_under(run.path());
    let mut bad_weights = checkpoint_at(20, 1);
    bad_weights.weights = with_value(&bad_weights.weights, 3, 7, f32::NAN);
    let mut bad_average = checkpoint_at(20, 1);
    bad_average.averages[1].weights = with_value(&bad_average.averages[1].weights, 0, 2, f32::INFINITY);
    let mut bad_target = checkpoint_at(20, 1);
    bad_target.method.target = Some(with_value(&bad_target.weights, 1, 0, f32::NAN));
    let mut bad_moments = checkpoint_at(20, 1);
    let weights = bad_moments.weights.clone();
    let gradients: Vec<_> = with_value(&weights, 1, 3, f32::INFINITY).values().to_vec();
    bad_moments.optimizer.update(&weights, &gradients, 1e-3);
    for (bad, tensor) in [
        (bad_weights, "`output.weight` holds a value that is not finite at index 7"),
        (bad_average, "`layers.0.weight` holds a value that is not finite at index 2"),
        (bad_target, "`layers.0.bias` holds a value that is not finite at index 0"),
        (bad_moments, "`first.layers.0.bias` holds a value that is not finite at index 3"),
    ] {
        let error = folder.save(&bad).unwrap_err();
        assert_eq!(error.class(), ErrorClass::BadNumbers);
        assert!(error.to_string().starts_with(tensor), "{error}");
        assert!(files_under(run.path()) == before, "nothing changed, nothing left");
    }
}

#[test]
fn two_averages_of_one_name_are_refused() {
    let run = run();
    let mut twice = checkpoint_at(1, 1);
    twice.averages.push(twice.averages[0].clone());
    let error = RunFolder::open(run.path(), 3).unwrap().save(&twice).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run has two averages `ema-0.9999`; give them different rates or leave one out"
    );
    assert!(names(run.path()).is_empty());
}

#[test]
fn a_second_process_is_told_who_has_the_run() {
    let run = run();
    let first = RunFolder::open(run.path(), 3).unwrap();
    assert!(first.lock().is_enforced());
    let error = RunFolder::open(run.path(), 3).unwrap_err();
    assert!(
        matches!(error, CheckpointError::Locked { owner: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert_eq!(error.class(), ErrorClass::Locked);
    assert!(error.to_string().contains(&format!("process {} is already training", std::process::id())));
    assert!(
        load_model(run.path(), &Which::Best).is_err(),
        "reading needs no lock, there is just nothing yet"
    );
    drop(first);
    // The number of the last owner is still there and means nothing.
    let lock = RunLock::acquire(run.path()).unwrap();
    drop(lock);
    RunFolder::open(run.path(), 3).unwrap();
}

#[test]
fn leftovers_of_a_dead_writer_are_cleared_at_the_start() {
    let run = run();
    RunFolder::open(run.path(), 3).unwrap().save(&checkpoint_at(10, 1)).unwrap();
    let ckpt = run.path().join("ckpt");
    std::fs::create_dir(ckpt.join(".tmp-step-00000020")).unwrap();
    std::fs::write(ckpt.join(".tmp-step-00000020/model.safetensors"), "half").unwrap();
    std::fs::write(ckpt.join(".tmp-latest"), "step-").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(run.path(), ckpt.join(".tmp-link")).unwrap();
    assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(10, 1));
    assert_eq!(names(run.path()), ["step-00000010"]);
    assert!(run.path().join("latest").exists(), "a link is removed, not what it points to");

    // A replacement that stopped half way goes back ...
    std::fs::rename(ckpt.join("step-00000010"), ckpt.join("step-00000010.replaced")).unwrap();
    assert_eq!(
        load_model(run.path(), &Which::Best).unwrap().header.step,
        10,
        "also for readers without the lock"
    );
    assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(10, 1));
    assert_eq!(names(run.path()), ["step-00000010"]);
    // ... or forwards.
    std::fs::create_dir(ckpt.join("step-00000010.replaced")).unwrap();
    assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(10, 1));
    assert_eq!(names(run.path()), ["step-00000010"]);
}

#[test]
fn too_little_space_is_found_before_anything_is_written() {
    let run = run();
    let needed = checkpoint_at(20, 1).bytes_needed();
    let open = |available| {
        RunFolder::with_storage(run.path(), 3, Arc::new(FaultyDisk::reliable().with_available(available)))
            .unwrap()
    };
    open(needed).save(&checkpoint_at(10, 1)).unwrap();
    let size: u64 = files_under(&run.path().join("ckpt")).values().map(|bytes| bytes.len() as u64).sum();
    assert!(size <= needed && needed <= size * 6 / 5 + 20_000, "{needed} bytes asked for, {size} taken");
    let before = files_under(run.path());
    let error = continued(open(needed - 1)).save(&checkpoint_at(20, 1)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::CannotCreate);
    assert_eq!(
        error.to_string(),
        format!(
            "not enough space: {needed} bytes needed, {} available; free some or save elsewhere: {}",
            needed - 1,
            run.path().display()
        )
    );
    assert!(files_under(run.path()) == before);
}

#[test]
fn a_folder_without_permission() {
    let parent = run();
    let run = parent.path().join("run");
    let open = |fault, budget| RunFolder::with_storage(&run, 3, Arc::new(FaultyDisk::new(fault, budget, 0)));
    let error = open(Fault::Permission, 0).unwrap_err();
    assert!(matches!(error, CheckpointError::CannotCreate { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::CannotCreate);
    assert!(error.to_string().contains("check that the folder is writable"), "{error}");

    // Permission is lost in the middle of a run: the next save says so and what was saved stays.
    RunFolder::open(&run, 3).unwrap().save(&checkpoint_at(10, 1)).unwrap();
    let before = files_under(&run);
    let error = continued(open(Fault::Permission, 3).unwrap()).save(&checkpoint_at(20, 1)).unwrap_err();
    assert!(matches!(error, CheckpointError::CannotCreate { .. }), "{error}");
    assert!(files_under(&run) == before);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder() {
    use std::os::unix::fs::PermissionsExt;
    let parent = run();
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write anywhere; there the test above has to do.
    if std::fs::create_dir(parent.path().join("probe")).is_err() {
        let error = RunFolder::open(&parent.path().join("run"), 3).unwrap_err();
        assert!(matches!(error, CheckpointError::CannotCreate { .. }), "{error}");
        let error = RunFolder::open(parent.path(), 3).unwrap_err();
        assert!(matches!(error, CheckpointError::CannotCreate { .. }), "{error}");
    }
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
}
