//! Guidance as people ask for it: trained for, drawn with, recorded, distilled, judged and refused.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::eval::train_with as train_tiny;
use super::{expect, onestep, stderr, stdout, train};

const CLASSES: [&str; 4] = ["--set", "data.source=builtin:eight-gaussians", "--set", "data.labels=true"];

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_guided_model_is_trained_drawn_from_and_distilled() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let with = |more: &[&'static str]| [&CLASSES[..], more].concat();
    expect(&train(home, "toy2d-edm", "plain", 20, &CLASSES), 0);
    expect(&train(home, "toy2d-edm", "edm", 20, &with(&["--set", "train.drop_class=0.2"])), 0);
    let info = stdout(&onestep(home, &["info", "edm"]));
    assert!(info.contains("guidance     any"), "{info}");
    assert!(!stdout(&onestep(home, &["info", "plain"])).contains("guidance"));

    let draw = |model: &str, out: &str, more: &[&str]| {
        onestep(home, &[&["sample", model, "--seeds", "0-9", "--out", out], more].concat())
    };
    let drawn = draw("edm", "guided.csv", &["--guidance", "2.5"]);
    expect(&drawn, 0);
    assert!(stderr(&drawn).contains("guidance 2.5 · 70 network evaluations each"), "{}", stderr(&drawn));
    let record = json(&home.join("guided.json"));
    assert_eq!((&record["guidance"], &record["nfe"]), (&Value::from(2.5), &Value::from(70)));
    for (name, more) in [("one.csv", &["--guidance", "1"][..]), ("none.csv", &[])] {
        let drawn = draw("edm", name, more);
        expect(&drawn, 0);
        assert!(stderr(&drawn).contains("35 network evaluations"), "{}", stderr(&drawn));
    }
    let bytes = |name: &str| std::fs::read(home.join(name)).unwrap();
    assert!(bytes("one.csv") == bytes("none.csv") && bytes("none.csv") != bytes("guided.csv"));
    // A picture is made again with the scale that it says.
    expect(&draw("edm", "guided.png", &["-g", "2.5"]), 0);
    expect(&onestep(home, &["sample", "--from", "guided.png", "--out", "again.png"]), 0);
    assert!(bytes("guided.png") == bytes("again.png"));
    let both = onestep(home, &["sample", "--from", "guided.png", "--guidance", "2"]);
    expect(&both, 2);

    for (model, scale, part) in
        [("plain", "2", "train.drop_class"), ("edm", "-1", "from 0 on"), ("edm", "nan", "from 0 on")]
    {
        let refused = draw(model, "no.png", &["--guidance", scale]);
        expect(&refused, 2);
        assert!(stderr(&refused).contains(part) && !home.join("no.png").exists(), "{}", stderr(&refused));
    }

    let told = with(&[
        "--teacher",
        "edm",
        "--set",
        "network.guidance_embedding=true",
        "--set",
        "objective.guidance={ low = 1.0, high = 4.0 }",
    ]);
    expect(&train(home, "toy2d-cd", "told", 20, &told), 0);
    let info = stdout(&onestep(home, &["info", "told"]));
    assert!(info.contains("guidance     1 to 4"), "{info}");
    expect(&draw("told", "three.csv", &["--guidance", "3"]), 0);
    expect(&draw("told", "usual.csv", &[]), 0);
    let scale = |name: &str| json(&home.join(name))["guidance"].clone();
    assert_eq!([scale("three.json"), scale("usual.json")], [Value::from(3.0), Value::from(1.0)]);
    assert_eq!(json(&home.join("three.json"))["nfe"], 1);
    assert!(bytes("three.csv") != bytes("usual.csv"));
    let outside = draw("told", "no.png", &["--guidance", "9"]);
    expect(&outside, 2);
    assert!(stderr(&outside).contains("guidance 9 is not among the scales"), "{}", stderr(&outside));
    // What was not told cannot be asked, and a teacher that was not trained for it is not guided.
    expect(&train(home, "toy2d-cd", "untold", 5, &with(&["--teacher", "edm"])), 0);
    let untold = draw("untold", "no.png", &["--guidance", "2"]);
    expect(&untold, 2);
    assert!(stderr(&untold).contains("objective.guidance"), "{}", stderr(&untold));
    let told_by_plain: Vec<&str> =
        told.iter().map(|word| if *word == "edm" { "plain" } else { word }).collect();
    let refused = train(home, "toy2d-cd", "no", 5, &told_by_plain);
    assert!(
        !refused.status.success() && stderr(&refused).contains("train.drop_class"),
        "{}",
        stderr(&refused)
    );
    // Nobody else's file has a place for the scale.
    let exported = onestep(home, &["export", "told", "--to", "onnx", "--out", "told.onnx"]);
    assert!(
        !exported.status.success() && stderr(&exported).contains("guidance scale"),
        "{}",
        stderr(&exported)
    );
}

#[test]
fn levels_are_sought_at_a_scale() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train_tiny(home, "emoji-edm", "edm", 2, &["--set", "train.drop_class=0.5"]);
    let mut told = vec!["--teacher", "edm"];
    // The layer that is told the scale begins at zero: it takes some steps to matter.
    for setting in [
        "train.learning_rate.peak=0.02",
        "network.guidance_embedding=true",
        "objective.guidance={ low = 1.0, high = 4.0 }",
    ] {
        told.extend(["--set", setting]);
    }
    train_tiny(home, "emoji-cd", "told", 10, &told);
    train_tiny(home, "emoji-ct", "plain", 2, &[]);
    let search = |model: &str, more: &[&str]| {
        let own = ["search", model, "builtin:emoji:test", "-n", "16", "--grid", "3", "--steps", "2"];
        onestep(home, &[&own[..], more].concat())
    };
    let found = search("told", &["--guidance", "1"]);
    expect(&found, 0);
    let text = stdout(&found);
    assert!(text.contains("guidance   1\n") && text.contains(" --guidance 1, or keep them"), "{text}");
    let report = |more: &[&str]| -> Value {
        let output = search("told", &[more, &["--json"]].concat());
        expect(&output, 0);
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let (three, usual) = (report(&["--guidance", "3"]), report(&[]));
    assert_eq!((&three["guidance"], &usual["guidance"]), (&Value::from(3.0), &Value::from(1.0)));
    // The images are those of the scale, and so is what they are judged by.
    assert!(text.contains(&format!("{:.3} of 16 images", usual["value"].as_f64().unwrap())), "{text}");
    assert_ne!(three["tried"], usual["tried"]);
    for (model, scale, part) in [("told", "9", "not among the scales"), ("plain", "2", "objective.guidance")]
    {
        let refused = search(model, &["--guidance", scale]);
        expect(&refused, 2);
        assert!(stderr(&refused).contains(part), "{}", stderr(&refused));
    }
}

#[test]
fn evaluations_say_their_guidance() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    train_tiny(home, "emoji-edm", "edm", 2, &["--set", "train.drop_class=0.5"]);
    let own = ["eval", "edm", "builtin:emoji", "--reference-images", "0-3", "-n", "3", "--steps", "2"];
    let eval = |more: &[&str]| onestep(home, &[&own[..], more].concat());
    let plain = eval(&[]);
    expect(&plain, 0);
    let text = stdout(&plain);
    assert!(text.contains("no guidance") && text.contains("3 network evaluations"), "{text}");
    let guided = eval(&["--guidance", "3", "--stats-out", "seen.safetensors", "--json"]);
    expect(&guided, 0);
    let report: Value = serde_json::from_str(&stdout(&guided)).unwrap();
    assert_eq!(report["guidance"], 3.0);
    assert!(report["samples"].as_str().unwrap().contains("6 network evaluations"), "{report}");
    // What was seen of guided images is not gone on with at another scale, and says its own.
    let other = eval(&["--guidance", "2", "--stats-out", "seen.safetensors"]);
    expect(&other, 73);
    let seen = onestep(home, &["eval", "seen.safetensors", "builtin:emoji", "--reference-images", "0-3"]);
    expect(&seen, 0);
    assert!(stdout(&seen).contains("guidance 3"), "{}", stdout(&seen));

    let few = home.join("few");
    std::fs::create_dir(&few).unwrap();
    for number in 0..4 {
        super::edit::photo(few.join(format!("{number}.png")), 32, 32);
    }
    let curve = [
        "eval",
        "curve",
        "edm",
        "few",
        "-n",
        "3",
        "--ode-steps",
        "2",
        "--guidance",
        "1,2.5",
        "--points",
        "points",
        "--out",
        "curve.svg",
    ];
    let output = onestep(home, &curve);
    expect(&output, 0);
    assert!(stdout(&output).contains("guidance"), "{}", stdout(&output));
    let points = json(&home.join("curve.json"))["points"].clone();
    let of =
        |key: &str| points.as_array().unwrap().iter().map(|point| point[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("guidance"), [Value::from(1.0), Value::from(2.5)]);
    assert_eq!(of("nfe"), [Value::from(3), Value::from(6)]);
    assert!(std::fs::read_to_string(home.join("curve.svg")).unwrap().contains("guidance 2.5"));
}
