//! `onestep eval`: scores, shards, interruptions, curves and likelihoods, as people run them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::{command, expect, onestep, stderr, stdout};

/// A tiny model of emoji, trained for a few steps.
fn train(home: &Path, recipe: &str, out: &str, steps: usize) {
    train_with(home, recipe, out, steps, &[]);
}

pub fn train_with(home: &Path, recipe: &str, out: &str, steps: usize, more: &[&str]) {
    let steps = format!("train.steps={steps}");
    let settings = [
        steps.as_str(),
        "train.batch=4",
        "train.preview_every=0",
        "data.limit=20",
        "network.model_channels=16",
        "network.channel_mult=[1]",
        "network.attention_resolutions=[]",
    ];
    let mut arguments = vec!["train", recipe, "--out", out, "-q"];
    settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
    arguments.extend(more);
    expect(&onestep(home, &arguments), 0);
}

/// What a command with `--json` prints.
fn json(home: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = onestep(home, arguments);
    expect(&output, 0);
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
}

fn value<'a>(report: &'a serde_json::Value, metric: &str) -> &'a serde_json::Value {
    let scores = report["scores"].as_array().expect("scores");
    scores.iter().find(|score| score["metric"] == metric).unwrap_or_else(|| panic!("{metric}: {report}"))
}

#[test]
fn images_are_judged_beside_images() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let same = json(
        home,
        &[
            "eval",
            "builtin:emoji",
            "builtin:emoji",
            "--images",
            "0-49",
            "--reference-images",
            "0-49",
            "-m",
            "fd,pr",
            "--json",
        ],
    );
    assert!(value(&same, "FD-EffNetLite0")["value"].as_f64().unwrap() < 1e-6, "{same}");
    assert_eq!(value(&same, "precision-EffNetLite0")["value"], 1.0);
    assert_eq!(value(&same, "recall-EffNetLite0")["value"], 1.0);
    assert!(same["warnings"][0].as_str().unwrap().contains("too few"), "{same}");
    assert!(same["network"].as_str().unwrap().starts_with("EffNetLite0"), "{same}");
    // Halves of one set are nearer to each other than noise is to them, and no name claims to be FID.
    let output = onestep(
        home,
        &["eval", "builtin:emoji", "builtin:emoji", "--images", "50-99", "--reference-images", "0-49"],
    );
    expect(&output, 0);
    let text = stdout(&output);
    assert!(text.contains("one half of the reference") && !text.contains("FID"), "{text}");
}

/// A file from `--stats-out` is a reference; a .npz is one that other tools read.
#[test]
fn statistics_are_kept_and_are_references() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let keep = |file: &str| {
        let output = onestep(
            home,
            &["eval", "builtin:emoji", "--images", "0-69", "-m", "fd,kid", "--stats-out", file],
        );
        expect(&output, 0);
        assert_eq!(stdout(&output).trim(), file);
    };
    keep("real.safetensors");
    keep("real.npz");
    let score = |reference: &str| {
        json(home, &["eval", "builtin:emoji", reference, "--images", "70-139", "--json"])["scores"][0]["value"].clone()
    };
    let from_images = json(
        home,
        &[
            "eval",
            "builtin:emoji",
            "builtin:emoji",
            "--images",
            "70-139",
            "--reference-images",
            "0-69",
            "--json",
        ],
    );
    assert_eq!(score("real.safetensors"), from_images["scores"][0]["value"], "to the bit");
    assert_eq!(score("real.npz"), from_images["scores"][0]["value"], "to the bit");
    let output = onestep(home, &["eval", "builtin:emoji", "real.npz", "-n", "20", "-m", "kid"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("needs the reference's images"), "{}", stderr(&output));
}

/// A model's score does not depend on batches and shards, and going on after an interruption changes nothing.
#[test]
fn shards_batches_and_interruptions_change_no_bit() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train(home, "emoji-ct", "run", 1);
    let read = |file: &str| std::fs::read(home.join(file)).unwrap();
    let draw = |more: &[&str]| {
        let output =
            onestep(home, &[&["eval", "run", "-n", "130", "-m", "fd,kid", "--steps", "2"], more].concat());
        expect(&output, 0);
    };
    draw(&["--stats-out", "whole.safetensors"]);
    for shard in ["1/2", "2/2"] {
        let part = format!("part-{}.safetensors", &shard[..1]);
        draw(&["--shard", shard, "--stats-out", &part, "--batch", "7", "--feature-batch", "5"]);
    }
    let merged = [
        "eval",
        "merge",
        "part-2.safetensors",
        "part-1.safetensors",
        "--no-reference",
        "--stats-out",
        "sum.safetensors",
    ];
    expect(&onestep(home, &merged), 0);
    assert!(read("sum.safetensors") == read("whole.safetensors"));

    // Stopped in the middle, then the same command once more.
    let arguments = [
        "eval",
        "run",
        "-n",
        "130",
        "-m",
        "fd,kid",
        "--steps",
        "2",
        "--stats-out",
        "stopped.safetensors",
        "--feature-batch",
        "1",
    ];
    let mut child = command(home, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    if cfg!(unix) {
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    } else {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    // Before it listens, or after it is done, a signal does what signals do.
    assert!(matches!(status.code(), Some(75 | 0) | None) || cfg!(not(unix)), "{status}");
    draw(&["--stats-out", "stopped.safetensors"]);
    assert!(read("stopped.safetensors") == read("whole.safetensors"));

    // Another question does not overwrite what is there.
    let output = onestep(
        home,
        &["eval", "run", "-n", "131", "-m", "fd,kid", "--steps", "2", "--stats-out", "whole.safetensors"],
    );
    expect(&output, 73);
    let text = stderr(&output);
    assert!(text.contains("holds something else") && text.contains("--stats-out"), "{text}");

    // Gaps and overlaps are named.
    let rows: [(&[&str], &str); 2] = [
        (&["part-1.safetensors"], "images are missing"),
        (&["part-1.safetensors", "part-1.safetensors"], "in two parts"),
    ];
    for (parts, message) in rows {
        let output = onestep(home, &[&["eval", "merge"], parts, &["whole.safetensors"]].concat());
        expect(&output, 65);
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    let output = onestep(
        home,
        &["eval", "merge", "part-1.safetensors", "part-2.safetensors", "whole.safetensors", "-m", "fd,kid"],
    );
    expect(&output, 0);
    assert!(stdout(&output).contains("0.0000") && stdout(&output).contains("2 parts"), "{}", stdout(&output));
}

#[test]
fn a_curve_is_a_picture_a_table_and_json() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train(home, "emoji-edm", "teacher", 1);
    train(home, "emoji-ct", "student", 1);
    let [start, length] = ["objective.start_intervals=4", "objective.steps_per_stage=1"];
    train_with(home, "emoji-pd", "halved", 5, &["--teacher", "teacher", "--set", start, "--set", length]);
    let arguments = [
        "eval",
        "curve",
        "teacher",
        "student",
        "halved",
        "builtin:emoji",
        "-n",
        "20",
        "--steps",
        "1,2",
        "--ode-steps",
        "2,3",
        "--samplers",
        "heun,euler",
        "--points",
        "points",
        "--out",
        "out/curve.svg",
    ];
    // The reference is made once, so that the test is short.
    expect(&onestep(home, &["eval", "builtin:emoji", "-n", "50", "--stats-out", "real.safetensors"]), 0);
    let arguments =
        arguments.map(|argument| if argument == "builtin:emoji" { "real.safetensors" } else { argument });
    let output = onestep(home, &arguments);
    expect(&output, 0);
    assert!(
        stdout(&output).contains("s/image") && stdout(&output).contains("out/curve.svg"),
        "{}",
        stdout(&output)
    );
    let picture = std::fs::read_to_string(home.join("out/curve.svg")).unwrap();
    // Three models, the first with two samplers; two points each, in two panels. Those of progressive distillation are of
    // two models that the run has kept.
    assert_eq!(picture.matches("<title>").count(), 2 * 8);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.join("out/curve.json")).unwrap()).expect("JSON");
    let nfe: Vec<u64> =
        report["points"].as_array().unwrap().iter().map(|point| point["nfe"].as_u64().unwrap()).collect();
    assert_eq!(nfe, [3, 5, 2, 3, 1, 2, 1, 2]);
    // Once more, from what is kept: the same, seconds included.
    expect(&onestep(home, &arguments), 73);
    expect(&onestep(home, &[&arguments[..], &["--overwrite"]].concat()), 0);
    let again: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.join("out/curve.json")).unwrap()).expect("JSON");
    assert_eq!(again["points"], report["points"]);
}

#[test]
fn samples_are_shown_beside_what_a_model_has_learned_from() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train(home, "emoji-ct", "run", 2);
    let own = ["eval", "nearest", "run", "builtin:emoji", "-n", "12", "--rows", "4"];
    let output = onestep(home, &[&own[..], &["--test"]].concat());
    expect(&output, 0);
    let said = stdout(&output);
    for part in [
        "12 of run",
        "1703 images of builtin:emoji",
        "repeats    0 of 12; of the held-out ones 0 of 12",
        "% of pairs",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.ends_with("nearest.png\n"), "{said}");
    // Four rows of a sample and three neighbors, a gap, and as many of the held-out ones, enlarged twice.
    let picture = image::open(home.join("nearest.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (9 * 66 + 2, 4 * 66 + 2));
    // What is of the set repeats it; what somebody else made stays.
    let report = json(
        home,
        &[
            "eval",
            "nearest",
            "builtin:emoji",
            "builtin:emoji",
            "-n",
            "10",
            "--out",
            "own/pairs.png",
            "--json",
        ],
    );
    assert_eq!((&report["samples"]["repeats"], &report["samples"]["least"]), (&10.into(), &0.0.into()));
    assert_eq!(report["held_out"], serde_json::Value::Null);
    expect(&onestep(home, &own), 73);
    let other = onestep(home, &[&own[..], &["--overwrite", "--held-out", "builtin:emoji:test"]].concat());
    expect(&other, 0);
    assert!(stderr(&other).contains("12 of the held-out images are among"), "{}", stderr(&other));
    std::fs::write(home.join("mine.png"), "mine").unwrap();
    expect(&onestep(home, &[&own[..], &["--overwrite", "--out", "mine.png"]].concat()), 73);
    // What is wrong is told before a million images are drawn.
    let nowhere = onestep(home, &["eval", "nearest", "run", "nowhere", "-n", "1000000", "--out", "p.png"]);
    expect(&nowhere, 65);
    assert!(stderr(&nowhere).contains("nowhere"), "{}", stderr(&nowhere));
    let points =
        onestep(home, &["eval", "nearest", "builtin:two-moons", "builtin:two-moons", "--out", "p.png"]);
    expect(&points, 2);
    assert!(stderr(&points).contains("points") && !home.join("p.png").exists(), "{}", stderr(&points));
}

#[test]
fn likelihoods_are_in_bits_per_dimension() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train(home, "emoji-edm", "teacher", 1);
    let run = |batch: &str| {
        json(
            home,
            &[
                "eval",
                "likelihood",
                "teacher",
                "builtin:emoji",
                "-n",
                "3",
                "--steps",
                "2",
                "--batch",
                batch,
                "--json",
            ],
        )
    };
    let report = run("3");
    assert!(report["bits_per_dimension"].as_f64().unwrap().is_finite() && report["nfe"] == 8, "{report}");
    assert_eq!(report["each"], run("2")["each"], "an image does not see its batch");
    train(home, "emoji-ct", "student", 1);
    let output = onestep(home, &["eval", "likelihood", "student", "builtin:emoji"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("consistency model"), "{}", stderr(&output));
}

#[test]
fn wrong_questions_get_one_clear_answer_before_any_work() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train(home, "emoji-ct", "run", 1);
    std::fs::write(home.join("plain.txt"), "nothing").unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["nowhere", "builtin:emoji"], 65, "nowhere"),
        (&["run", "nowhere"], 65, "nowhere"),
        (&["run", "plain.txt"], 65, "plain.txt"),
        (&["run"], 2, "nothing to compare with"),
        (&["run", "builtin:emoji", "-m", "quality"], 2, "quality"),
        (&["run", "builtin:emoji", "-p", "fid"], 2, "torch-fidelity"),
        (&["run", "builtin:emoji", "-p", "edm", "-n", "100"], 2, "takes 50000 images, here are 100"),
        (&["run", "builtin:emoji", "-f", "plain.txt"], 65, "plain.txt"),
        (&["run", "builtin:emoji", "-m", "sfd"], 65, "tells where"),
        (&["run", "builtin:emoji", "-m", "pr", "-n", "3"], 65, "more images than neighbors"),
        (&["run", "builtin:emoji", "--shard", "3/2", "--stats-out", "x.safetensors"], 2, "1/8"),
        (&["run", "builtin:emoji", "--shard", "1/2"], 2, "--stats-out"),
        (&["run", "builtin:emoji", "--images", "0-9"], 2, "--seeds"),
        (&["run", "builtin:emoji", "--sampler", "heun"], 2, "consistency model"),
        (&["run", "builtin:emoji", "--stats-out", "plain.txt/x.safetensors"], 73, "plain.txt"),
        (&["builtin:emoji", "builtin:emoji", "--seeds", "0-9"], 2, "--images"),
        (&["builtin:emoji", "builtin:emoji", "--images", "0-9999"], 2, "numbered from 0"),
        (&["builtin:two-moons", "builtin:emoji"], 2, "points"),
        (&["builtin:emoji", "builtin:two-moons"], 2, "points"),
        (&["builtin:emoji", "builtin:emoji", "--floor", "nowhere"], 65, "nowhere"),
        (&["merge", "builtin:emoji"], 2, "after the parts"),
        (&["merge", "plain.txt", "builtin:emoji"], 65, "plain.txt"),
        (&["curve", "builtin:two-moons", "run"], 65, "builtin:two-moons"),
        (&["curve", "run", "nowhere"], 65, "nowhere"),
        (&["curve", "run", "builtin:emoji", "--out", "curve.png"], 2, ".svg"),
        (&["likelihood", "run", "nowhere"], 2, "consistency model"),
    ];
    for (arguments, code, part) in rows {
        let output = onestep(home, &[&["eval"], *arguments].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.starts_with("error: ") && text.contains(part), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
}

/// A picture that is easily written.
fn write_picture(path: &Path, size: usize, seed: usize) {
    let bytes = (0..size * size * 3).map(|i| ((i * (seed + 7) + i * i / 5 + 31 * seed) % 251) as u8);
    let header = format!("P6 {size} {size} 255\n").into_bytes();
    std::fs::write(path, header.into_iter().chain(bytes).collect::<Vec<u8>>()).unwrap();
}

#[test]
fn distances_of_pictures_and_of_folders_image_by_image() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for folder in ["left", "right"] {
        std::fs::create_dir(home.join(folder)).unwrap();
        for (name, seed) in [("0.ppm", 0), ("1.ppm", 1)] {
            // The first pair is one picture.
            write_picture(&home.join(folder).join(name), 32, if folder == "right" { 3 * seed } else { seed });
        }
    }
    let pair = json(home, &["eval", "distance", "left/1.ppm", "right/1.ppm", "--json"]);
    let apart = pair["mean"].as_f64().unwrap();
    assert!(apart > 0.01 && pair["n"] == 1, "{pair}");
    assert!(pair["distance"].as_str().unwrap().starts_with("ST-LPIPS (AlexNet), weights "), "{pair}");
    let folders = json(home, &["eval", "distance", "left", "right", "--json"]);
    assert_eq!(folders["each"], serde_json::json!([0.0, apart]), "{folders}");
    assert!((folders["mean"].as_f64().unwrap() - apart / 2.0).abs() < 1e-12, "{folders}");
    let text = stdout(&onestep(home, &["eval", "distance", "builtin:emoji", "builtin:emoji", "-n", "2"]));
    assert!(text.contains("distance   0.000000 (mean of 2 pairs)") && text.contains("ST-LPIPS"), "{text}");

    write_picture(&home.join("small.ppm"), 20, 1);
    std::fs::write(home.join("broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(home.join("broken.txt"), "words").unwrap();
    std::fs::write(home.join("weights.pth"), "words").unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["left", "left/0.ppm"], 2, "has 2 images, left/0.ppm has 1"),
        (&["left", "right", "-n", "3"], 2, "3 were asked for"),
        (&["small.ppm", "left/0.ppm"], 65, "20x20 and 32x32"),
        (&["small.ppm", "small.ppm"], 65, "cannot look at images of 20x20"),
        (&["broken.png", "left/0.ppm"], 65, "broken.png"),
        (&["broken.txt", "left/0.ppm"], 65, "broken.txt"),
        (&["nowhere", "left/0.ppm"], 65, "nowhere"),
        (&["builtin:two-moons", "builtin:two-moons"], 2, "points"),
        (&["left", "right", "-d", "lpips"], 65, "vgg16-397923af.pth"),
        (&["left", "right", "-d", "lpips-alex", "--trunk", "weights.pth"], 65, "lpips/weights/v0.1/alex.pth"),
        (
            &["left", "right", "-d", "lpips-alex", "--trunk", "weights.pth", "--heads", "weights.pth"],
            65,
            "weights.pth",
        ),
    ];
    for (arguments, code, part) in rows {
        let output = command(home, &[&["eval", "distance"], *arguments].concat())
            .env("XDG_CACHE_HOME", home)
            .output()
            .expect("the command starts");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.starts_with("error: ") && text.contains(part), "{arguments:?}: {text}");
    }
    let enlarged =
        json(home, &["eval", "distance", "small.ppm", "left/0.ppm", "--image-size", "32", "--json"]);
    assert!(enlarged["mean"].as_f64().unwrap() > 0.0);
}

/// Weights that are missing are asked for before anything is made, and where they are to be put.
#[test]
fn training_asks_for_the_weights_of_its_distance_first() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let lpips = "objective.distance={ kind = \"lpips\", trunk = \"alexnet\" }";
    let output = command(home, &["train", "emoji-ct", "--out", "run", "--set", lpips])
        .env("XDG_CACHE_HOME", home.join("cache"))
        .output()
        .expect("the command starts");
    expect(&output, 65);
    let text = stderr(&output);
    let place = home.join("cache").join("onestep");
    for part in ["alexnet-owt-7be5be79.pth", "train.distance_files.trunk", &place.display().to_string()] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!home.join("run").exists());
}
