//! Processes that die, disks that fill up, machines that lose power, in the middle of saving.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use onestep::checkpoint::{CheckpointError, ErrorClass};
use onestep::noise::{Purpose, Stream};
use onestep::train::RunFolder;

use super::faults::{Fault, FaultyDisk};
use super::{assert_same, checkpoint_at, continued, files_under, load, names};

/// Where the child of [`sigkill_in_the_middle_of_saving`] saves.
const CHILD: &str = "ONESTEP_TEST_SAVE_FOREVER";

/// Units that one save costs, with two checkpoints there already so that it also prunes.
fn cost_of_saving() -> u64 {
    let run = tempfile::tempdir().unwrap();
    prepare(run.path());
    let disk = FaultyDisk::reliable();
    let folder = continued(RunFolder::with_storage(run.path(), 2, Arc::new(disk.clone())).unwrap());
    folder.save(&checkpoint_at(30, 1)).unwrap();
    disk.spent()
}

/// A run with the steps 10 and 20.
fn prepare(run: &Path) {
    let folder = RunFolder::open(run, 2).unwrap();
    folder.save(&checkpoint_at(10, 1)).unwrap();
    folder.save(&checkpoint_at(20, 1)).unwrap();
}

/// A budget between 0 and `cost`: half of them anywhere, half of them in the last operations, after all the bytes.
fn draw_budget(stream: &mut Stream, trial: u64, cost: u64) -> u64 {
    let range = if trial.is_multiple_of(2) { cost } else { 40 };
    cost - 1 - (stream.uniform() * range as f64) as u64
}

/// Saves step `step` on a disk that fails, then loads as a new process would: either the checkpoint before or the
/// new one must be there, whole. Returns which.
fn save_and_recover(run: &Path, disk: &FaultyDisk, step: u64, seed: u64) -> u64 {
    let result = RunFolder::with_storage(run, 2, Arc::new(disk.clone()))
        .and_then(|folder| continued(folder).save(&checkpoint_at(step, seed)));
    assert!(disk.has_struck());
    if let Err(error) = &result {
        assert_eq!(error.class(), ErrorClass::Io, "{error}");
    }
    let restored = load(run).expect("a checkpoint was lost");
    assert!(restored.skipped.is_empty(), "{:?}", restored.skipped);
    assert!(!names(run).iter().any(|name| name.starts_with(".tmp")), "leftovers are cleared at the start");
    restored.checkpoint.state.step
}

#[test]
fn five_hundred_kills_while_saving_lose_nothing() {
    let cost = cost_of_saving();
    let mut stream = Stream::new(1, Purpose::Initialize, 0, 0);
    let mut n_new = 0;
    for trial in 0..500 {
        let run = tempfile::tempdir().unwrap();
        prepare(run.path());
        let disk = FaultyDisk::new(Fault::Kill, draw_budget(&mut stream, trial, cost), trial);
        let step = save_and_recover(run.path(), &disk, 30, 1);
        assert!(step == 20 || step == 30);
        n_new += u64::from(step == 30);
        assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(step, 1));
        // And the run goes on.
        continued(RunFolder::open(run.path(), 2).unwrap()).save(&checkpoint_at(30, 1)).unwrap();
        assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(30, 1));
        assert_eq!(names(run.path()), ["step-00000020", "step-00000030"]);
    }
    assert!(0 < n_new && n_new < 500, "kills both before and after the moment of truth: {n_new}");
}

#[test]
fn losing_power_while_saving_loses_nothing() {
    let cost = cost_of_saving();
    let mut stream = Stream::new(2, Purpose::Initialize, 0, 0);
    for trial in 0..100 {
        let run = tempfile::tempdir().unwrap();
        prepare(run.path());
        let disk = FaultyDisk::new(Fault::PowerCut, draw_budget(&mut stream, trial, cost), trial);
        let folder = RunFolder::with_storage(run.path(), 2, Arc::new(disk.clone())).unwrap_or_else(|_| {
            // It struck while opening.
            RunFolder::open(run.path(), 2).unwrap()
        });
        let saved = continued(folder).save(&checkpoint_at(30, 1));
        disk.lose_power();
        let restored = load(run.path()).expect("a checkpoint was lost");
        assert!(restored.skipped.is_empty(), "{:?}", restored.skipped);
        let step = restored.checkpoint.state.step;
        assert_same(&restored.checkpoint, &checkpoint_at(step, 1));
        assert!(step == 30 || (step == 20 && saved.is_err()), "what was reported as saved is there");
    }
}

#[test]
fn kills_while_replacing_the_only_checkpoint_lose_nothing() {
    let prepare = |run: &Path| drop(RunFolder::open(run, 1).unwrap().save(&checkpoint_at(10, 1)).unwrap());
    let replace = |run: &Path, disk: &FaultyDisk| {
        RunFolder::with_storage(run, 1, Arc::new(disk.clone()))
            .and_then(|folder| continued(folder).save(&checkpoint_at(10, 2)))
    };
    let run = tempfile::tempdir().unwrap();
    prepare(run.path());
    let disk = FaultyDisk::reliable();
    replace(run.path(), &disk).unwrap();
    let cost = disk.spent();
    // Every one of the last operations, where the folders change places.
    for budget in (cost - 60..cost).chain([0, 1, cost / 3, cost / 2]) {
        let run = tempfile::tempdir().unwrap();
        prepare(run.path());
        let disk = FaultyDisk::new(Fault::Kill, budget, 0);
        let _ = replace(run.path(), &disk);
        assert!(disk.has_struck());
        let restored = load(run.path()).expect("the only checkpoint was lost");
        assert!(restored.skipped.is_empty(), "{:?}", restored.skipped);
        let seed = u64::MAX - restored.checkpoint.state.seed;
        assert!(seed == 1 || seed == 2);
        assert_same(&restored.checkpoint, &checkpoint_at(10, seed));
        assert_eq!(names(run.path()), ["step-00000010"]);
    }
}

#[test]
fn a_disk_that_fills_up_leaves_no_trace() {
    let cost = cost_of_saving();
    let mut stream = Stream::new(3, Purpose::Initialize, 0, 0);
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
        for _ in 0..10 {
            let run = tempfile::tempdir().unwrap();
            prepare(run.path());
            let before = files_under(run.path());
            let budget = 20 + (stream.uniform() * (cost - 200) as f64) as u64;
            let disk = FaultyDisk::new(Fault::Writes(kind), budget, 0);
            let folder = continued(RunFolder::with_storage(run.path(), 2, Arc::new(disk)).unwrap());
            let error = folder.save(&checkpoint_at(30, 1)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::CannotCreate);
            let needed = checkpoint_at(30, 1).bytes_needed();
            match &error {
                CheckpointError::DiskFull { path, needed: told, available: Some(_) }
                    if kind == io::ErrorKind::StorageFull =>
                {
                    assert!(path.starts_with(run.path()));
                    assert_eq!(*told, needed);
                }
                // How much room there is says nothing of a limit.
                CheckpointError::Limited { path, .. } if kind != io::ErrorKind::StorageFull => {
                    assert!(path.starts_with(run.path()));
                }
                other => panic!("{other}"),
            }
            assert!(
                files_under(run.path()) == before,
                "the older checkpoints are intact and nothing is left"
            );
        }
    }
}

#[test]
fn failing_syncs_and_renames_leave_the_checkpoint_before() {
    for fault in [Fault::Syncs, Fault::Renames] {
        let run = tempfile::tempdir().unwrap();
        prepare(run.path());
        let before = files_under(run.path());
        let disk = Arc::new(FaultyDisk::new(fault, 10, 0));
        let folder = continued(RunFolder::with_storage(run.path(), 2, disk).unwrap());
        let error = folder.save(&checkpoint_at(30, 1)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io);
        assert!(error.to_string().contains(&run.path().display().to_string()), "{error}");
        assert!(files_under(run.path()) == before, "{fault:?}");
    }
}

/// Not a test of its own: what [`sigkill_in_the_middle_of_saving`] starts as another process, and kills.
#[test]
fn child_that_saves_forever() {
    let Some(run) = std::env::var_os(CHILD) else { return };
    let run = Path::new(&run);
    let folder = RunFolder::open(run, 2).unwrap();
    let mut step = folder
        .load(&super::specs(), &burn::tensor::Device::default())
        .unwrap()
        .map_or(0, |restored| restored.checkpoint.state.step);
    let patience = Instant::now() + Duration::from_secs(60);
    while Instant::now() < patience {
        step += 1;
        folder.save(&checkpoint_at(step, 1)).unwrap();
    }
}

/// This test binary again, running only [`child_that_saves_forever`] in `run`.
fn child(run: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "checkpoint::kills::child_that_saves_forever", "--test-threads=1"]);
    command.env(CHILD, run).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn sigkill_in_the_middle_of_saving() {
    let run = tempfile::tempdir().unwrap();
    let mut stream = Stream::new(4, Purpose::Initialize, 0, 0);
    let mut newest = 0;
    for trial in 0..20 {
        let mut child = child(run.path()).spawn().unwrap();
        let pid = child.id();
        // Wait for its first save of this life, then a moment that falls anywhere in a save.
        let patience = Instant::now() + Duration::from_secs(60);
        while latest_step(run.path()) <= newest && Instant::now() < patience {
            assert!(child.try_wait().unwrap().is_none(), "the child has failed");
            std::thread::sleep(Duration::from_millis(2));
        }
        if trial == 0 {
            // It is still alive and owns the run.
            let error = RunFolder::open(run.path(), 2).unwrap_err();
            assert!(
                matches!(error, CheckpointError::Locked { owner: Some(owner), .. } if owner == pid),
                "{error}"
            );
        }
        std::thread::sleep(Duration::from_secs_f64(0.04 * stream.uniform()));
        // SIGKILL: the process gets no chance to do anything.
        child.kill().unwrap();
        child.wait().unwrap();
        let restored = load(run.path()).expect("a checkpoint was lost");
        assert!(restored.skipped.is_empty(), "trial {trial}: {:?}", restored.skipped);
        let step = restored.checkpoint.state.step;
        assert!(step > newest, "trial {trial}: step {step} after {newest}");
        assert_same(&restored.checkpoint, &checkpoint_at(step, 1));
        newest = step;
    }
}

/// The step that `latest` names, 0 if there is none yet.
fn latest_step(run: &Path) -> u64 {
    let text = std::fs::read_to_string(run.join("latest")).unwrap_or_default();
    text.trim().strip_prefix("step-").and_then(|step| step.parse().ok()).unwrap_or(0)
}

/// A real limit of the system in the middle of a file: what a full disk does, without filling one.
#[cfg(unix)]
#[test]
fn a_file_size_limit_of_the_system() {
    let run = tempfile::tempdir().unwrap();
    prepare(run.path());
    let before = files_under(&run.path().join("ckpt"));
    // 16 blocks of 512 bytes: enough for the lock file, too little for a model. The signal that would end the process
    // is ignored, as a program that wants to report the error does.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]);
    let child = child(run.path());
    limited.arg(child.get_program()).args(child.get_args()).env(CHILD, run.path());
    let output = limited.output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("Limited"), "{text}");
    assert!(files_under(&run.path().join("ckpt")) == before);
    assert_same(&load(run.path()).unwrap().checkpoint, &checkpoint_at(20, 1));
}
