//! `--precision`: what auto becomes, what records say, what goes on in which arithmetic, and what is refused.

use std::path::Path;
use std::process::Output;

use onestep::model::Precision;
use serde_json::Value;
use tempfile::TempDir;

use super::edit::{photo, tiny_run};
use super::{command, expect, onestep, stderr, stdout};

/// Runs `onestep` as on a processor that is not faster in bf16.
fn onestep_without_bf16(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).env("ONESTEP_INSTRUCTIONS", "portable").output().expect("the command starts")
}

/// Whether this machine computes bf16 at all.
fn has_bf16() -> bool {
    Precision::Bf16.here() == Precision::Bf16
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What the parameters inside a picture say.
fn inside(folder: &Path, picture: &str) -> Value {
    let info = onestep(folder, &["info", picture]);
    expect(&info, 0);
    serde_json::from_str(&stdout(&info)).unwrap()
}

/// The same record with another precision.
fn change(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let changed = text.replace(&format!("\"precision\": \"{from}\""), &format!("\"precision\": \"{to}\""));
    assert_ne!(text, changed, "{text}");
    std::fs::write(path, changed).unwrap();
}

#[test]
fn every_output_says_what_was_computed_and_is_made_again_to_the_bit() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    photo(home.join("photo.png"), 16, 16);
    let auto = Precision::fastest().name();
    for (typed, used) in [("", auto), ("auto", auto), ("f32", "f32"), ("bf16", Precision::Bf16.here().name())]
    {
        let typed: &[&str] = if typed.is_empty() { &[] } else { &["--precision", typed] };
        let out = |name: &str| format!("{}/{name}", typed.last().unwrap_or(&"none"));
        let (grid, npz, folder, edit) = (out("grid.png"), out("data.npz"), out("each"), out("edit.png"));
        for path in [&grid, &npz, &folder] {
            let drawn = onestep(home, &[&["sample", "run", "--seeds", "0-2", "--out", path], typed].concat());
            expect(&drawn, 0);
            assert!(stderr(&drawn).contains(&format!(" each · {used} · ")), "{}", stderr(&drawn));
        }
        let edited = onestep(home, &[&["edit", "vary", "run", "photo.png", "--out", &edit], typed].concat());
        expect(&edited, 0);
        assert!(stderr(&edited).contains(&format!(" each · {used} · ")), "{}", stderr(&edited));
        for beside in ["grid.json", "data.json", "each/samples.json"] {
            assert_eq!(json(&home.join(out(beside)))["precision"], used, "{typed:?} {beside}");
        }
        assert_eq!(inside(home, &grid)["precision"], used);
        assert_eq!(json(&home.join(out("edit.json")))["edit"]["model"]["precision"], used);
        for (command, from) in [("sample", &grid), ("edit", &edit)] {
            let again = out(&format!("{command}-again.png"));
            let made = onestep(home, &[command, "--from", from, "--out", &again]);
            expect(&made, 0);
            assert!(!stderr(&made).contains("warning"), "{}", stderr(&made));
            assert!(std::fs::read(home.join(from)).unwrap() == std::fs::read(home.join(again)).unwrap());
        }
    }
    if has_bf16() {
        let [exact, rounded] = ["f32", "bf16"].map(|name| std::fs::read(home.join(name).join("data.npz")));
        assert!(exact.unwrap() != rounded.unwrap(), "two precisions, one output");
    }
}

#[test]
fn where_bf16_is_not_faster_it_is_neither_chosen_nor_recorded() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    photo(home.join("photo.png"), 16, 16);
    let draw = ["sample", "run", "--seeds", "0", "--out"];
    let auto = onestep_without_bf16(home, &[&draw[..], &["auto.png"]].concat());
    expect(&auto, 0);
    assert!(stderr(&auto).contains(" · f32 · ") && !stderr(&auto).contains("bf16"), "{}", stderr(&auto));
    let replaced = "bf16 is not faster on this processor (portable): f32 is computed";
    let edit = ["edit", "vary", "run", "photo.png", "--out"];
    for (command, out) in [(&draw[..], "named.png"), (&edit[..], "edited.png")] {
        let named = onestep_without_bf16(home, &[command, &[out, "--precision", "bf16"]].concat());
        expect(&named, 0);
        assert!(stderr(&named).lines().any(|line| line == replaced), "{}", stderr(&named));
        let beside = json(&home.join(out).with_extension("json"));
        assert!(!beside.to_string().contains("bf16"), "{beside}");
    }
    let quiet =
        onestep_without_bf16(home, &[&draw[..], &["quiet.png", "--precision", "bf16", "-q"]].concat());
    assert_eq!(stderr(&quiet), "");
    // What another machine made in bf16 is made again, in f32, which is said in the record and in a line.
    for (command, name) in [("sample", "named"), ("edit", "edited")] {
        let record = format!("{name}.json");
        change(&home.join(&record), "f32", "bf16");
        let out = format!("{name}-again.png");
        let again = onestep_without_bf16(home, &[command, "--from", &record, "--out", &out]);
        expect(&again, 0);
        let warning = format!("warning: {replaced}, and what was made in bf16 comes out with other bits");
        assert!(stderr(&again).lines().any(|line| line == warning), "{}", stderr(&again));
        assert!(!inside(home, &out).to_string().contains("bf16"));
    }
    let doctor = onestep_without_bf16(home, &["doctor"]);
    let says = "precision  auto takes f32: bf16 has no effect with the loops of portable";
    assert!(stdout(&doctor).contains(says), "{}", stdout(&doctor));
    let bench = ["bench", "emoji", "--what", "forward", "--batch", "1", "--seconds", "0", "--json"];
    let bench = onestep_without_bf16(home, &[&bench[..], &["--precision", "bf16"]].concat());
    expect(&bench, 0);
    assert!(stderr(&bench).contains(replaced), "{}", stderr(&bench));
    assert_eq!(serde_json::from_str::<Value>(&stdout(&bench)).unwrap()["precision"], "f32");
}

/// A draw into a folder goes on as it was begun, and never in two precisions.
#[test]
fn a_stopped_draw_goes_on_in_its_own_precision() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let draw = ["sample", "run", "--seeds", "0-3", "--out", "each"];
    expect(&onestep(home, &[&draw[..], &["--precision", "f32"]].concat()), 0);
    let files = std::fs::read_dir(home.join("each")).unwrap().map(|entry| entry.unwrap().path());
    let missing = files.filter(|path| path.extension().is_some_and(|ending| ending == "png")).max().unwrap();
    let before = std::fs::read(&missing).unwrap();
    for typed in [&[][..], &["--precision", "auto"]] {
        std::fs::remove_file(&missing).unwrap();
        let went_on = onestep(home, &[&draw[..], typed].concat());
        expect(&went_on, 0);
        assert!(stderr(&went_on).contains("3 of 4 were there"), "{}", stderr(&went_on));
        assert!(stderr(&went_on).contains(" · f32 · "), "{}", stderr(&went_on));
        assert!(std::fs::read(&missing).unwrap() == before);
    }
    if has_bf16() {
        let refused = onestep(home, &[&draw[..], &["--precision", "bf16"]].concat());
        expect(&refused, 73);
        let said = stderr(&refused);
        assert!(said.contains("begun in f32") && said.contains("asked for: bf16"), "{said}");
        assert!(said.contains("--precision f32 goes on"), "{said}");
        // Another draw that takes its place is not bound by it.
        let other = ["sample", "run", "--seeds", "7", "--out", "each", "--overwrite"];
        expect(&onestep(home, &other), 0);
        assert_eq!(json(&home.join("each/samples.json"))["precision"], Precision::fastest().name());
    } else {
        change(&home.join("each/samples.json"), "f32", "bf16");
    }
    // What was begun in bf16 cannot go on where that is not computed.
    let seeds = if has_bf16() { "7" } else { "0-3" };
    let refused = onestep_without_bf16(home, &["sample", "run", "--seeds", seeds, "--out", "each"]);
    expect(&refused, 73);
    let said = stderr(&refused);
    assert!(said.contains("begun in bf16") && said.contains("asked for: f32"), "{said}");
}

#[test]
fn an_evaluation_says_what_it_drew_in_and_goes_on_in_it() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    expect(&onestep(home, &["eval", "builtin:emoji", "-n", "70", "--stats-out", "real.safetensors"]), 0);
    let eval = ["eval", "run", "real.safetensors", "-n", "70", "--json", "--stats-out"];
    let report = |arguments: &[&str]| -> Value {
        let output = onestep(home, arguments);
        expect(&output, 0);
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let auto = Precision::fastest().name();
    assert_eq!(report(&[&eval[..], &["auto.safetensors"]].concat())["precision"], auto);
    let exact = report(&[&eval[..], &["f32.safetensors", "--precision", "f32"]].concat());
    assert_eq!(exact["precision"], "f32");
    // Going on with what was begun in f32, here with nothing left to do, and with what is merged.
    assert_eq!(report(&[&eval[..], &["f32.safetensors"]].concat()), exact);
    assert_eq!(
        report(&["eval", "merge", "f32.safetensors", "real.safetensors", "--json"])["precision"],
        "f32"
    );
    let images = report(&["eval", "builtin:emoji", "real.safetensors", "-n", "70", "--json"]);
    assert!(images["precision"].is_null(), "{images}");
    let table = onestep(home, &["eval", "run", "real.safetensors", "-n", "70"]);
    let samples = stdout(&table).lines().find(|line| line.starts_with("samples")).unwrap().to_owned();
    assert!(samples.contains(&format!(" · {auto} · ")), "{samples}");
    if has_bf16() {
        let refused = onestep(home, &[&eval[..], &["f32.safetensors", "--precision", "bf16"]].concat());
        expect(&refused, 73);
        let said = stderr(&refused);
        assert!(said.contains(r#"`precision` is "bf16" here and "f32" there"#), "{said}");
    }
    // Published protocols are compared across machines.
    let real =
        ["eval", "builtin:emoji", "-n", "70", "-p", "pytorch-fid", "--stats-out", "real-p.safetensors"];
    expect(&onestep(home, &real), 0);
    let published = ["eval", "run", "real-p.safetensors", "-n", "70", "-p", "pytorch-fid", "--json"];
    assert_eq!(report(&published)["precision"], "f32");
    assert_eq!(
        report(&[&published[..], &["--precision", "auto"]].concat())["precision"],
        Precision::fastest().name()
    );
    let shard = ["eval", "run", "-n", "130", "--shard", "1/2", "--stats-out", "part.safetensors"];
    let part = onestep(home, &shard);
    expect(&part, 0);
    assert!(stderr(&part).contains(&format!("--precision {auto}")), "{}", stderr(&part));
}

#[test]
fn other_names_are_refused_and_training_takes_no_auto() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for command in
        [&["sample", "x"][..], &["eval", "x"], &["edit", "vary", "x"], &["bench"], &["search", "x", "y"]]
    {
        let output = onestep(home, &[command, &["--precision", "fp16"]].concat());
        expect(&output, 2);
        let said = stderr(&output);
        assert!(said.contains("'fp16'") && said.contains("[possible values: auto, f32, bf16]"), "{said}");
    }
    let train = onestep(home, &["train", "emoji-ct", "--dry-run", "--precision", "auto"]);
    expect(&train, 2);
    assert!(stderr(&train).contains("[possible values: f32, bf16]"), "{}", stderr(&train));
    // The record decides.
    let both = onestep(home, &["sample", "--from", "x.png", "--precision", "f32"]);
    expect(&both, 2);
    assert!(stderr(&both).contains("--from"), "{}", stderr(&both));
}
