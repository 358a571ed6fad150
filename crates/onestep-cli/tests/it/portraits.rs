//! Portraits from the command: what is known of them, a model of them, and what share of its images is right.

use serde_json::Value;
use tempfile::TempDir;

use super::{expect, onestep, stderr, stdout};

fn json(home: &std::path::Path, arguments: &[&str]) -> Value {
    let output = onestep(home, arguments);
    expect(&output, 0);
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

fn score(report: &Value, name: &str) -> f64 {
    let scores = report["scores"].as_array().expect("scores");
    let found = scores.iter().find(|score| score["metric"] == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {scores:?}"))["value"].as_f64().expect("a number")
}

#[test]
fn data_info_tells_what_is_known_of_portraits() {
    let home = TempDir::new().unwrap();
    let info = json(home.path(), &["data", "info", "builtin:portraits", "--labels", "glasses", "--json"]);
    assert_eq!((info["height"].as_u64(), info["images"].as_u64()), (Some(16), Some(1 << 20)));
    assert_eq!(
        (info["classes"][0].as_str(), info["attributes"].as_array().map(Vec::len)),
        (Some("none"), Some(16))
    );
    let output = onestep(home.path(), &["data", "info", "builtin:portraits", "--picture", "faces.png"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("glasses: none 80.0 %"), "{}", stdout(&output));
    assert!(home.path().join("faces.png").exists());
    let output = onestep(home.path(), &["data", "info", "builtin:portraits", "--labels", "nose"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("glasses"), "{}", stderr(&output));
}

#[test]
fn the_data_are_legal_and_a_model_that_has_learned_nothing_is_not() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let real = json(home, &["eval", "builtin:portraits:test", "-m", "legal", "-n", "60", "--json"]);
    assert_eq!((score(&real, "legal within 1"), score(&real, "held-out")), (1.0, 1.0));
    let settings = ["train.steps=2", "train.batch=4", "train.preview_every=0", "data.labels=\"hair_color\""];
    let mut train = vec!["train", "portraits-edm", "--out", "runs/edm", "-q"];
    settings.iter().for_each(|setting| train.extend(["--set", setting]));
    expect(&onestep(home, &train), 0);
    // With one evaluation a step, and without the name of what looks.
    let draw = ["--sampler", "dpm++", "--steps", "4", "-n", "20", "-m", "legal", "--json"];
    let drawn = json(home, &[&["eval", "runs/edm"][..], &draw].concat());
    assert_eq!(score(&drawn, "legal within 16"), 0.0);
    assert!((0.0..=1.0).contains(&score(&drawn, "accuracy of hair_color")));
    assert!(drawn["samples"].as_str().unwrap().contains("4 network evaluations"), "{}", drawn["samples"]);
    let output = onestep(home, &["eval", "runs/edm", "builtin:portraits", "-m", "fd,legal", "-n", "20"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("one by one"), "{}", stderr(&output));
    // A student by mid-training, and one tuned from it.
    let few = ["--set", "train.steps=2", "--set", "train.batch=2", "--set", "train.preview_every=0", "-q"];
    let data = ["--set", "data.labels=\"hair_color\""];
    for (recipe, teacher) in [("portraits-cmt", "runs/edm"), ("portraits-cmt-ect", "runs/portraits-cmt")] {
        let out = format!("runs/{recipe}");
        expect(
            &onestep(
                home,
                &[&["train", recipe, "--teacher", teacher, "--out", &out][..], &few, &data].concat(),
            ),
            0,
        );
    }
    expect(&onestep(home, &["sample", "runs/portraits-cmt-ect", "--seeds", "0-3"]), 0);
}
