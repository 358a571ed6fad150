//! `onestep train` as several processes, by `mpirun`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{checkpoint, expect, onestep, stderr, stdout, train};

/// Settings that all runs here share; a toy of so many steps.
pub fn toy(steps: usize) -> Vec<String> {
    let settings = [
        format!("train.steps={steps}"),
        "train.batch=32".into(),
        "train.shards=8".into(),
        "train.preview_every=0".into(),
        "train.checkpoint_every=20".into(),
    ];
    settings.into_iter().flat_map(|setting| ["--set".into(), setting]).collect()
}

/// `mpirun`, if there is one, with options for machines of any kind; its processes are named behind.
pub fn mpirun(folder: &Path) -> Option<Command> {
    if Command::new("mpirun").arg("--version").output().is_err() {
        eprintln!("skipped: there is no mpirun");
        return None;
    }
    let mut command = Command::new("mpirun");
    command
        .args(["--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"])
        .envs([
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("RAYON_NUM_THREADS", "1"),
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Some(command)
}

/// `mpirun -n N onestep train`.
pub fn ranks(folder: &Path, n: usize, arguments: &[&str], more: &[String]) -> Option<Command> {
    let mut command = mpirun(folder)?;
    command.args(["-n", &n.to_string(), env!("CARGO_BIN_EXE_onestep"), "train"]).args(arguments).args(more);
    Some(command)
}

fn run(folder: &Path, n: usize, arguments: &[&str], more: &[String]) -> Option<Output> {
    Some(ranks(folder, n, arguments, more)?.output().expect("mpirun starts"))
}

/// A run by one process, which is what all others must equal.
pub fn alone(folder: &Path, out: &str, steps: usize) -> Vec<(String, Vec<u8>)> {
    let more = toy(steps);
    let mut arguments = vec!["train", "toy2d-ct", "--out", out];
    arguments.extend(more.iter().map(String::as_str));
    expect(&onestep(folder, &arguments), 0);
    checkpoint(&folder.join(out))
}

pub fn assert_same(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)], what: &str) {
    assert!(!a.is_empty() && a.len() == b.len(), "{what}");
    for ((name, a), (_, b)) in a.iter().zip(b) {
        assert!(a == b, "{what}: {name} differs");
    }
}

#[test]
fn processes_train_to_the_bits_of_one() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let expected = alone(home, "one", 50);
    for n in [2, 4, 8] {
        let out = format!("by-{n}");
        let Some(output) = run(home, n, &["toy2d-ct", "--out", &out], &toy(50)) else { return };
        expect(&output, 0);
        assert_same(&expected, &checkpoint(&home.join(&out)), &out);
        assert!(stderr(&output).contains(&format!("{n} processes, 8 shards")), "{}", stderr(&output));
        assert_eq!(stdout(&output).trim(), out, "one of them answers");
        // Steps are logged once.
        let log = std::fs::read_to_string(home.join(&out).join("events.jsonl")).unwrap();
        assert_eq!(log.lines().filter(|line| line.contains("\"event\":\"step\"")).count(), 50);
    }
    // Without settings, a batch is cut for the processes there are; in MPI's own order all the same.
    let settings: Vec<String> = ["--set", "train.steps=5", "--reduce", "fast"].map(String::from).to_vec();
    expect(&run(home, 2, &["toy2d-ct", "--out", "fast"], &settings).unwrap(), 0);
}

/// Distillation asks a teacher, progressive distillation begins stages, and sCD learns a weighting beside the model.
#[test]
fn other_methods_do_as_well() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-edm", "teacher", 30, &[]), 0);
    for (recipe, more) in [
        ("toy2d-cd", &[][..]),
        ("toy2d-scd", &[]),
        ("toy2d-pd", &["objective.start_intervals=4", "objective.steps_per_stage=8"]),
    ] {
        let mut settings = toy(24);
        more.iter().for_each(|setting| settings.extend(["--set".into(), setting.to_string()]));
        let out = |n: usize| format!("{recipe}-{n}");
        let mut arguments = vec![
            "train".to_owned(),
            recipe.into(),
            "--teacher".into(),
            "teacher".into(),
            "--out".into(),
            out(1),
        ];
        arguments.extend(settings.clone());
        expect(&onestep(home, &arguments.iter().map(String::as_str).collect::<Vec<_>>()), 0);
        let Some(output) = run(home, 2, &[recipe, "--teacher", "teacher", "--out", &out(2)], &settings)
        else {
            return;
        };
        expect(&output, 0);
        assert_same(&checkpoint(&home.join(out(1))), &checkpoint(&home.join(out(2))), recipe);
    }
}

#[test]
fn what_cannot_be_shared_is_told_once_and_clearly() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for (n, settings, message) in [
        (3, vec!["--set", "train.steps=2"], "power of two"),
        (4, vec!["--set", "train.shards=2", "--set", "train.batch=8"], "cut into 2 shards"),
        (2, vec!["--set", "train.batch=7"], "train.batch a multiple of 2"),
    ] {
        let settings: Vec<String> = settings.into_iter().map(String::from).collect();
        let Some(output) = run(home, n, &["toy2d-ct", "--out", "x"], &settings) else { return };
        expect(&output, 2);
        assert_eq!(stderr(&output).matches(message).count(), 1, "{}", stderr(&output));
        assert!(!home.join("x").exists());
    }
}

/// Rank 0 looks at all images before the first step; what it finds, all end for, and one tells.
#[test]
fn a_picture_without_a_header_is_told_once_before_the_first_step() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("photos")).unwrap();
    for number in 0..6 {
        let picture =
            image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8 * 30, y as u8 * 30, number * 40]));
        picture.save(home.join(format!("photos/{number}.png"))).unwrap();
    }
    std::fs::write(home.join("photos/3.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let settings =
        ["data.source=photos", "data.image_size=8", "data.labels=false", "train.batch=4", "train.steps=2"];
    let settings: Vec<String> =
        settings.iter().flat_map(|setting| ["--set".into(), setting.to_string()]).collect();
    let Some(output) = run(home, 2, &["emoji-ct", "--out", "x"], &settings) else { return };
    expect(&output, 65);
    assert_eq!(stderr(&output).matches("3.png").count(), 1, "{}", stderr(&output));
}

/// The program of the tests of faults.
pub fn rank_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/rank")
}
