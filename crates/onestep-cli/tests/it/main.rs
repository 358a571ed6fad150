//! The real command in a fresh directory.

mod bench;
#[path = "../documented.rs"]
mod documented;
mod edit;
mod emoji;
mod eval;
#[cfg(feature = "mpi")]
mod faults;
mod first_minutes;
mod guidance;
mod import;
mod messages;
mod named_commands;
mod outputs;
mod pages;
mod portraits;
mod precision;
#[cfg(feature = "mpi")]
mod ranks;
mod shards;
mod studio;
mod train;
mod wide;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use onestep::model::Precision;
use onestep::train::{Event, Flow, Outcome, Recipe, Run, builtin_recipe};
use tempfile::TempDir;

/// Runs `onestep` in a folder.
fn onestep(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the command starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onestep"));
    if hangups_are_ignored() {
        // Tests may be run by `nohup`, which they hand on; the command is to begin as it does in a terminal.
        command = Command::new("env");
        command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_onestep")]);
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn expect(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout: {}\nstderr: {}", stdout(output), stderr(output));
}

/// A toy run of so many steps; every run of it is the same.
fn train(folder: &Path, recipe: &str, out: &str, steps: usize, more: &[&str]) -> Output {
    let steps = format!("train.steps={steps}");
    let mut arguments = vec![
        "train",
        recipe,
        "--out",
        out,
        "--set",
        &steps,
        "--set",
        "train.batch=32",
        "--set",
        "train.preview_every=0",
    ];
    arguments.extend(more);
    onestep(folder, &arguments)
}

/// The bytes of every file of a run's last checkpoint.
fn checkpoint(run: &Path) -> Vec<(String, Vec<u8>)> {
    let latest = std::fs::read_to_string(run.join("ckpt/latest"))
        .or_else(|_| std::fs::read_to_string(run.join("latest")))
        .expect("a checkpoint");
    let folder = run.join("ckpt").join(latest.trim());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the checkpoint's folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_newcomer_trains_distills_samples_and_looks() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-edm", "runs/edm", 40, &["--set", "train.preview_every=20"]), 0);
    for file in ["recipe.toml", "events.jsonl", "previews/step-00000020-nfe-35.png"] {
        assert!(home.join("runs/edm").join(file).exists(), "{file}");
    }
    expect(&train(home, "toy2d-cd", "runs/cd", 20, &["--teacher", "runs/edm"]), 0);
    expect(&train(home, "toy2d-ct", "runs/ct", 20, &["--set", "train.preview_every=20"]), 0);
    assert!(home.join("runs/ct/previews/step-00000020-nfe-4.png").exists());

    let sampled =
        onestep(home, &["sample", "runs/cd", "--seeds", "0-99", "--steps", "2", "--out", "points.png"]);
    expect(&sampled, 0);
    assert_eq!(stdout(&sampled).trim(), "points.png", "stdout is the path and nothing else");
    expect(&onestep(home, &["sample", "runs/edm", "--steps", "5", "--out", "teacher.png"]), 0);
    let info = onestep(home, &["info", "runs/cd"]);
    expect(&info, 0);
    assert!(stdout(&info).contains("cd, Boundary"), "{}", stdout(&info));
    let json = onestep(home, &["info", "runs/cd", "--json", "--tensors"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(report["header"]["method"], "cd");
    let info = onestep(home, &["info", "points.png"]);
    assert!(stdout(&info).contains("\"nfe\": 2"), "{}", stdout(&info));
}

/// What a model is sampled with where nobody says: its own file knows.
#[test]
fn models_know_how_they_are_sampled() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-edm", "edm", 20, &[]), 0);
    let stages = ["--teacher", "edm", "--set", "objective.steps_per_stage=5"];
    expect(&train(home, "toy2d-pd", "pd", 40, &stages), 0);
    expect(&train(home, "toy2d-pd", "pd-unfinished", 15, &stages), 0);
    expect(&train(home, "toy2d-ect", "ect", 20, &["--teacher", "edm"]), 0);
    expect(&train(home, "toy2d-ict", "ict", 20, &[]), 0);
    for (run, more, sampler, nfe, step) in [
        ("pd", &[] as &[&str], "progressive", 1, 40),
        ("pd", &["--steps", "1"], "progressive", 1, 40),
        ("pd", &["--steps", "2"], "progressive", 2, 30),
        ("pd", &["--steps", "8"], "progressive", 8, 15),
        ("pd-unfinished", &[], "progressive", 8, 15),
        ("ect", &[], "multistep", 2, 20),
        ("ect", &["--steps", "1"], "multistep", 1, 20),
        ("ict", &[], "multistep", 1, 20),
    ] {
        let mut arguments = vec!["sample", run, "--seeds", "0-9", "--out", "points.png", "--overwrite"];
        arguments.extend(more);
        expect(&onestep(home, &arguments), 0);
        let info = stdout(&onestep(home, &["info", "points.png"]));
        let report: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        assert_eq!(
            (report["sampler"].as_str(), report["nfe"].as_u64()),
            (Some(sampler), Some(nfe)),
            "{run} {more:?}"
        );
        let model = report["model"].as_str().unwrap_or_default();
        assert!(model.contains(&format!("step-{step:08}")), "{run} {more:?}: {model}");
        let again = ["sample", "--from", "points.png", "--out", "again.png", "--overwrite"];
        expect(&onestep(home, &again), 0);
    }
    let info = stdout(&onestep(home, &["info", "pd"]));
    assert!(info.contains("models of 1, 2, 4, 8 steps are kept"), "{info}");
    for (arguments, hint) in [
        (["sample", "pd", "--steps", "3"], "of these numbers of steps: 1, 2, 4, 8"),
        (["sample", "pd/ckpt/step-00000040", "--steps", "2"], "of these numbers of steps: 1"),
        (["sample", "pd", "--sampler", "heun"], "the steps it was made for"),
        (["sample", "edm", "--sampler", "progressive"], "was not made by progressive distillation"),
    ] {
        let refused = onestep(home, &arguments);
        expect(&refused, 2);
        assert!(stderr(&refused).contains(hint), "{}", stderr(&refused));
    }
}

#[test]
fn a_picture_is_made_again_from_itself() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-ct", "run", 3, &[]), 0);
    expect(
        &onestep(home, &["sample", "run", "--seeds", "5-9", "--levels", "80,2.5,0.3", "--out", "a.png"]),
        0,
    );
    expect(&onestep(home, &["sample", "--from", "a.png", "--out", "b.png", "--batch", "2"]), 0);
    assert_eq!(std::fs::read(home.join("a.png")).unwrap(), std::fs::read(home.join("b.png")).unwrap());
    expect(&onestep(home, &["sample", "--from", "a.json", "--out", "c.png"]), 0);
    assert_eq!(std::fs::read(home.join("a.png")).unwrap(), std::fs::read(home.join("c.png")).unwrap());
    // Another model under the same name is noticed.
    expect(&train(home, "toy2d-ct", "other", 4, &[]), 0);
    let output = onestep(home, &["sample", "other", "--from", "a.png", "--out", "d.png"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("is not the model"), "{}", stderr(&output));
}

/// A picture that cannot be written is no bad model: another exit code, and nothing half-made stays.
#[test]
fn output_that_cannot_be_created_is_no_bad_data() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-ct", "run", 1, &[]), 0);
    std::fs::create_dir_all(home.join("taken/a.png")).unwrap();
    let output = onestep(home, &["sample", "run", "--out", "taken/a.png"]);
    expect(&output, 73);
    assert!(stderr(&output).contains("cannot write `taken/a.png`"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(home.join("taken")).unwrap().count(), 1);
}

#[test]
fn one_image_a_file_and_npz() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let small = [
        "--set",
        "network.model_channels=16",
        "--set",
        "network.channel_mult=[1]",
        "--set",
        "network.attention_resolutions=[]",
        "--set",
        "data.limit=20",
        "--set",
        "train.batch=4",
    ];
    let mut arguments =
        vec!["train", "emoji-ct", "--out", "run", "--set", "train.steps=1", "--set", "train.preview_every=0"];
    arguments.extend(small);
    expect(&onestep(home, &arguments), 0);
    expect(
        &onestep(home, &["sample", "run", "--seeds", "3,7", "--classes", "food,Flags", "--out", "single"]),
        0,
    );
    for name in ["seed-000003-class-03.png", "seed-000007-class-08.png", "samples.json"] {
        assert!(home.join("single").join(name).exists(), "{name}");
    }
    // A single image is reproducible alone: the seed is the image.
    expect(&onestep(home, &["sample", "--from", "single/seed-000007-class-08.png", "--out", "again"]), 0);
    let read = |path: &str| std::fs::read(home.join(path)).unwrap();
    assert_eq!(read("single/seed-000007-class-08.png"), read("again/seed-000007-class-08.png"));
    expect(&onestep(home, &["sample", "run", "--seeds", "0-3", "--out", "samples.npz"]), 0);
    let check = onestep(home, &["data", "check", "samples.npz"]);
    expect(&check, 0);
    assert!(stdout(&check).contains("4 of 32x32"), "{}", stdout(&check));
    let wrong = onestep(home, &["sample", "run", "--classes", "cars"]);
    expect(&wrong, 2);
    assert!(stderr(&wrong).contains("there is no class `cars`"), "{}", stderr(&wrong));
}

/// SIGTERM in the middle: the step is finished, the state saved, exit 75; going on gives what never stopping gives.
#[test]
#[cfg_attr(not(unix), ignore = "no process can send another a signal there")]
fn stopped_by_a_signal_and_resumed_equals_not_stopping() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-edm", "edm", 300, &[]), 0);
    for method in ["edm", "cd", "ct", "ict", "ect", "pd", "scd", "sct"] {
        let recipe = format!("toy2d-{method}");
        // Stages short enough to go through several of them.
        let more: &[&str] = match method {
            "cd" | "scd" => &["--teacher", "edm"],
            "ect" => &["--teacher", "edm", "--set", "objective.images_per_stage=1500"],
            "pd" => &["--teacher", "edm", "--set", "objective.steps_per_stage=40"],
            _ => &[],
        };
        let (whole, parts) = (format!("{method}-whole"), format!("{method}-parts"));
        expect(&train(home, &recipe, &whole, 300, more), 0);
        let mut arguments = vec![
            "train",
            &recipe,
            "--out",
            &parts,
            "--set",
            "train.steps=300",
            "--set",
            "train.batch=32",
            "--set",
            "train.preview_every=0",
        ];
        arguments.extend(more);
        let mut child =
            command(home, &arguments).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        // Wait until it trains, then ask it to stop.
        let events = home.join(&parts).join("events.jsonl");
        let started = Instant::now();
        while std::fs::read_to_string(&events).map_or(0, |text| text.lines().count()) < 20 {
            assert!(started.elapsed() < Duration::from_secs(120), "{method} does not train");
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{method} ended early: {status}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert!(matches!(status.code(), Some(75 | 0)), "{method}: {status}");
        expect(&onestep(home, &["train", "--resume", "--out", &parts]), 0);
        assert!(checkpoint(&home.join(&whole)) == checkpoint(&home.join(&parts)), "{method} differs");
    }
    // A continuous-time model samples at its own levels: where σ = 80, and at the angle 1.1.
    expect(&onestep(home, &["sample", "scd-whole", "--seeds", "0-3", "--steps", "2", "--out", "scd.png"]), 0);
    let beside = std::fs::read_to_string(home.join("scd.json")).unwrap();
    let levels = serde_json::from_str::<serde_json::Value>(&beside).unwrap()["levels"].clone();
    assert_eq!(levels[0], 80.0);
    assert!((levels[1].as_f64().unwrap() - 0.982_38).abs() < 1e-5, "{levels}");
}

#[test]
fn a_run_is_not_overwritten_and_not_trained_twice_at_once() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-ct", "run", 2, &[]), 0);
    let again = train(home, "toy2d-ct", "run", 2, &[]);
    expect(&again, 73);
    assert!(stderr(&again).contains("already holds a run") && stderr(&again).contains("--resume"));
    // Resuming a finished run is not an error; there is nothing left to do.
    expect(&onestep(home, &["train", "--resume", "--out", "run"]), 0);
}

#[test]
fn dry_run_shows_the_whole_run_and_writes_nothing() {
    let home = TempDir::new().unwrap();
    // What can be told without data is told, and then that there are none.
    let output = onestep(home.path(), &["train", "imagenet64-cd", "-n", "--set", "train.batch=64"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("data/imagenet64"), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("batch = 64") && text.contains("295899267 in 541 tensors"), "{text}");
    assert!(text.contains("# memory"), "{text}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let home = tempfile::tempdir().expect("a folder");
    let mut command = command(home.path(), &["doctor"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""));
}

#[test]
fn an_instruction_set_can_be_forced_where_there_is_one() {
    let home = tempfile::tempdir().expect("a folder");
    let doctor = |name: &str| {
        command(home.path(), &["doctor"]).env("ONESTEP_INSTRUCTIONS", name).output().expect("it starts")
    };
    let portable = doctor("portable");
    assert!(
        portable.status.success() && stdout(&portable).contains("loops      portable"),
        "{}",
        stdout(&portable)
    );
    let unknown = doctor("abacus");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("abacus") && stderr(&unknown).contains("portable"));
}

#[test]
fn wrong_input_gets_one_clear_error() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    std::fs::write(home.join("broken.safetensors"), b"not a model").unwrap();
    std::fs::write(home.join("broken.toml"), "name = \"x\"\nabuot = 3\n").unwrap();
    std::fs::write(home.join("plain.png"), b"not a picture").unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["sample", "nowhere"], 65, "nowhere"),
        (&["sample", "broken.safetensors"], 65, "broken.safetensors"),
        (&["sample", "x", "--levels", "0.82,80"], 2, "try 80,0.82"),
        (&["sample", "x", "--seeds", "9-3"], 2, "3-9"),
        (&["train", "nonsense", "--out", "r"], 2, "no built-in recipe `nonsense`"),
        (&["train", "missing.toml", "--out", "r"], 65, "missing.toml"),
        (&["train", "broken.toml", "--out", "r"], 2, "abuot"),
        (&["train", "toy2d-cd", "--out", "r"], 2, "needs a teacher"),
        (&["train", "toy2d-ct", "--out", "r", "--set", "train.bacth=3"], 2, "bacth"),
        (&["train", "cifar10-edm", "--out", "r"], 65, "data/cifar10"),
        (&["train", "--resume", "--out", "nothing"], 65, "no run to resume"),
        (&["data", "info", "nowhere"], 65, "nowhere"),
        (&["data", "info", "builtin:cats"], 65, "cats"),
        (&["data", "info", "builtin:emoji", "--image-size", "64x"], 2, "64x48"),
        (&["data", "info", "builtin:emoji", "--labels", "folder"], 2, "file-name"),
        (&["data", "info", "builtin:emoji", "--val"], 65, "`val`"),
        (&["recipe", "show", "nonsense"], 2, "no built-in recipe"),
        (&["info", "plain.png"], 65, "plain.png"),
        (&["sample", "x", "--device", "vulkan"], 2, "vulkan"),
        (&["sample", "x", "--device", "gpu"], 2, "there are auto, cuda"),
        (&["sample", "x", "--device", "cpu:1"], 2, "there is no device `cpu:1`"),
        (&["bench", "nonsense"], 2, "no built-in recipe `nonsense`"),
        (&["bench", "nowhere.safetensors"], 65, "nowhere.safetensors"),
        (&["bench", "broken.safetensors"], 65, "broken.safetensors"),
        (&["bench", "emoji", "--precision", "half"], 2, "bf16"),
        (&["train", "emoji-edm", "-n", "--set", "train.precision=half"], 2, "precision"),
        (&["bench", "emoji", "--seconds=-1"], 2, "--seconds"),
    ];
    for (arguments, code, part) in rows {
        let output = onestep(home, arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert!(text.starts_with("error: "), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
}

#[test]
fn recipes_data_and_doctor_report() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let list = onestep(home, &["recipe", "list"]);
    expect(&list, 0);
    assert!(stdout(&list).lines().count() >= 15);
    let show = onestep(home, &["recipe", "show", "emoji-cd"]);
    std::fs::write(home.join("mine.toml"), show.stdout).unwrap();
    let without_teacher = onestep(home, &["train", "mine.toml", "-n"]);
    expect(&without_teacher, 2);
    assert!(stdout(&without_teacher).contains("# data        1703 images"), "{}", stdout(&without_teacher));
    let info = onestep(home, &["data", "info", "builtin:emoji", "--picture", "emoji.png"]);
    expect(&info, 0);
    assert!(stdout(&info).contains("1892") && home.join("emoji.png").exists());
    let wide = onestep(home, &["data", "info", "builtin:emoji", "--image-size", "24x16", "--fit", "pad"]);
    assert!(stdout(&wide).contains("1892 of 24x16"), "{}", stdout(&wide));
    let doctor = onestep(home, &["doctor", "--json"]);
    expect(&doctor, 0);
    let report: serde_json::Value = serde_json::from_str(&stdout(&doctor)).expect("JSON");
    assert_eq!(report["healthy"], true);
    // What is taken where no precision is named was measured, where there are two.
    let precision = report["precision"].as_str().unwrap();
    let taken = Precision::fastest().name();
    assert!(precision.starts_with(&format!("auto takes {taken}")), "{precision}");
    let ratio = precision.split(' ').find_map(|word| word.parse::<f64>().ok());
    assert_eq!(ratio.is_some(), Precision::Bf16.here() == Precision::Bf16, "{precision}");
    // Rounded to two digits, 1.05 is either.
    let is_slower = ratio.is_some_and(|ratio| ratio > 1.05);
    assert!(precision.contains("use --precision f32") == is_slower || ratio == Some(1.05), "{precision}");
}

/// Which build it is: version alone, and with commit, instruction set and features.
#[test]
fn the_version_says_which_build_it_is() {
    let home = TempDir::new().unwrap();
    let short = onestep(home.path(), &["-V"]);
    expect(&short, 0);
    assert_eq!(stdout(&short), format!("onestep {}\n", env!("CARGO_PKG_VERSION")));
    let output =
        command(home.path(), &["--version"]).env("ONESTEP_INSTRUCTIONS", "portable").output().unwrap();
    expect(&output, 0);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("onestep {}", env!("CARGO_PKG_VERSION")));
    let commit = lines[1].strip_prefix("commit        ").unwrap();
    let is_commit = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_commit || commit == "unknown", "{text}");
    assert_eq!(lines[2..], ["instructions  portable", "features      the default ones"]);
}

/// A bad image among good ones is named, and the exit code says so.
#[test]
fn data_check_names_the_bad_image() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("pictures")).unwrap();
    for i in 0..3 {
        image::RgbImage::new(8, 8).save(home.join(format!("pictures/{i}.png"))).unwrap();
    }
    let mut bytes = std::fs::read(home.join("pictures/1.png")).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(home.join("pictures/1.png"), bytes).unwrap();
    let output = onestep(home, &["data", "check", "pictures"]);
    expect(&output, 65);
    assert!(stdout(&output).contains("1.png") && stdout(&output).contains("1 bad"), "{}", stdout(&output));
    // The cause is there, for people and for programs.
    let output = onestep(home, &["data", "check", "pictures", "--json", "--picture", "good.png"]);
    expect(&output, 65);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let cause = report["bad"][0]["cause"].as_str().expect("a cause");
    assert!(!cause.is_empty() && !cause.contains("replace or remove"), "{cause}");
    assert!(stdout(&onestep(home, &["data", "check", "pictures"])).contains(cause));
    assert!(home.join("good.png").exists());
}

/// A run made by a program and one made by the command are the same thing, file by file.
#[test]
fn a_program_makes_the_run_that_the_command_makes() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let settings = ["train.steps=20", "train.batch=32", "train.preview_every=10", "train.checkpoint_every=8"];
    expect(&train(home, "toy2d-edm", "edm", 40, &[]), 0);
    for method in ["ct", "cd"] {
        let (typed, called) = (format!("{method}-typed"), format!("{method}-called"));
        let name = format!("toy2d-{method}");
        let teacher = home.join("edm").display().to_string();
        let mut arguments = vec!["train", &name, "--out", &typed];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        if method == "cd" {
            arguments.extend(["--teacher", &teacher]);
        }
        expect(&onestep(home, &arguments), 0);

        let mut recipe =
            Recipe::parse(builtin_recipe(&name).unwrap(), &settings.map(str::to_string)).unwrap();
        recipe.train.teacher = (method == "cd").then_some(teacher);
        let data = onestep::data::open(&recipe.data).unwrap();
        let mut events = 0;
        let mut observer = |_: &Event| {
            events += 1;
            Flow::Continue
        };
        let ended = Run::create(home.join(&called), recipe, data).unwrap().train(&mut observer).unwrap();
        assert_eq!(ended, Outcome::Finished);
        let (typed, called) = (files(&home.join(&typed)), files(&home.join(&called)));
        // The command's own log, which knows the time, has one line for each event.
        let log = &typed[Path::new("events.jsonl")];
        assert_eq!(log.split(|&byte| byte == b'\n').count(), events + 1);
        let but_log = typed
            .into_iter()
            .filter(|(path, _)| path != Path::new("events.jsonl") && path != Path::new(".lock"));
        let called = called.into_iter().filter(|(path, _)| path != Path::new(".lock"));
        let (typed, called): (Vec<_>, Vec<_>) = (but_log.collect(), called.collect());
        assert!(typed.len() >= 15, "recipe, latest, previews, checkpoints: {}", typed.len());
        assert!(typed == called, "{method}");
    }
}

/// Every file of a folder by its path in it.
fn files(folder: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}
