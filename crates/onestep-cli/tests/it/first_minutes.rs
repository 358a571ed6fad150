//! What somebody types first.

use tempfile::TempDir;

use super::{expect, onestep, stderr, stdout};

#[test]
fn the_name_of_the_command_alone_says_what_to_type() {
    let home = TempDir::new().unwrap();
    let output = onestep(home.path(), &[]);
    expect(&output, 0);
    for word in ["onestep tour", "onestep sample", "onestep new", "--help"] {
        assert!(stdout(&output).contains(word), "{}", stdout(&output));
    }
}

#[test]
fn samples_without_a_model_are_faces_and_are_made_again() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&onestep(home, &["sample", "--seeds", "0-3", "--precision", "f32", "--out", "faces.png"]), 0);
    let info = stdout(&onestep(home, &["info", "faces.png"]));
    assert!(info.contains("\"model\": \"builtin:portraits\"") && info.contains("\"nfe\": 1"), "{info}");
    expect(&onestep(home, &["sample", "--from", "faces.png", "--out", "again.png"]), 0);
    let bytes = |name: &str| std::fs::read(home.join(name)).unwrap();
    assert!(bytes("faces.png") == bytes("again.png"));
}

/// In a pipe pictures are text: two pixels a letter, and lines as wide as the terminal says.
#[test]
fn pictures_are_shown_where_they_are_drawn() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let show = |more: &[&str], columns: &str| {
        let arguments = [&["sample", "--seeds", "0-3", "--out", "faces.png", "--overwrite"], more].concat();
        let mut command = super::command(home, &arguments);
        let output = command.env("COLUMNS", columns).env("COLORTERM", "truecolor").output().unwrap();
        expect(&output, 0);
        stdout(&output)
    };
    let rows = |text: &str| text.lines().filter(|line| line.contains('▀')).count();
    // Two rows of two of 16 pixels, with two pixels around each; then one below the other.
    let wide = show(&["--show"], "80");
    assert_eq!(rows(&wide), 19, "{wide}");
    assert!(wide.ends_with("faces.png\n") && wide.contains("\u{1b}[38;2;"));
    assert_eq!(rows(&show(&["--show"], "30")), 37);
    assert!(show(&["--show=kitty"], "80").starts_with("\u{1b}_Ga=T,f=100"));
    assert!(show(&["--show=sixel"], "80").starts_with("\u{1b}Pq"));
    assert_eq!(show(&[], "80"), "faces.png\n");
    let edited =
        ["edit", "colorize", "builtin:portraits", "faces.png", "--show=blocks", "--out", "colored.png"];
    let edited = onestep(home, &edited);
    expect(&edited, 0);
    assert_eq!(rows(&stdout(&edited)), 8);
    let both = onestep(home, &["sample", "--seeds", "0", "--show", "--out", "-"]);
    expect(&both, 2);
    assert!(stderr(&both).contains("--show"), "{}", stderr(&both));
}

#[test]
fn previews_are_shown_while_a_run_is_trained() {
    let home = TempDir::new().unwrap();
    let train = |out: &str, more: &[&str]| {
        let mut arguments = vec!["train", "portraits-ct", "--out", out];
        for setting in [
            "train.steps=2",
            "train.batch=4",
            "train.preview_every=1",
            "network.model_channels=16",
            "network.channel_mult=[1]",
            "network.attention_resolutions=[]",
        ] {
            arguments.extend(["--set", setting]);
        }
        arguments.extend(more);
        let mut command = super::command(home.path(), &arguments);
        let output = command.env("COLUMNS", "80").env("COLORTERM", "truecolor").output().unwrap();
        expect(&output, 0);
        output
    };
    let shown = train("shown", &["--show"]);
    let text = stdout(&shown);
    // After each of two steps two rows of four of 16 pixels, with two pixels around each.
    assert_eq!(text.lines().filter(|line| line.contains('▀')).count(), 2 * 19, "{text}");
    assert!(text.ends_with("shown\n") && stderr(&shown).contains("step 1: shown/previews"), "{text}");
    assert_eq!(stdout(&train("plain", &[])), "plain\n");
}

#[test]
fn models_that_come_along_are_models_everywhere() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let info = onestep(home, &["info", "builtin:portraits-edm"]);
    expect(&info, 0);
    assert!(
        stdout(&info).contains("method       edm") && !stdout(&info).contains("(0 B)"),
        "{}",
        stdout(&info)
    );
    let list = onestep(home, &["models"]);
    expect(&list, 0);
    assert!(stdout(&list).contains("builtin:portraits-cd"), "{}", stdout(&list));
    let judged = onestep(home, &["eval", "builtin:portraits-cd", "-m", "legal", "-n", "20"]);
    expect(&judged, 0);
    let unknown = onestep(home, &["sample", "builtin:cats"]);
    expect(&unknown, 65);
    assert!(stderr(&unknown).contains("`builtin:portraits-cd`"), "{}", stderr(&unknown));
    // What teaches, starts and is copied is a model as well.
    let small = ["--set", "train.steps=1", "--set", "train.batch=4", "--set", "train.preview_every=0"];
    let distill = ["train", "portraits-cd", "--out", "run", "--teacher", "builtin:portraits-edm"];
    expect(&onestep(home, &[&distill[..], &small[..]].concat()), 0);
    let compact = onestep(home, &["export", "run", "--to", "compact", "--out", "compact.safetensors"]);
    expect(&compact, 0);
    expect(&onestep(home, &["sample", "compact.safetensors", "--seeds", "0", "--out", "one.png"]), 0);
    let again = onestep(home, &["export", "run", "--to", "compact", "--out", "compact.safetensors"]);
    expect(&again, 73);
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    let home = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = onestep(home.path(), &["completions", shell]);
        expect(&output, 0);
        assert!(stdout(&output).contains("tour") && stdout(&output).contains("seeds"), "{shell}");
    }
    let page = onestep(home.path(), &["man"]);
    expect(&page, 0);
    let text = stdout(&page);
    assert!(text.contains(".TH onestep 1"), "{}", &text[..200.min(text.len())]);
    for verb in ["ONESTEP TOUR", "ONESTEP SAMPLE", "ONESTEP EVAL"] {
        assert!(text.contains(verb), "{verb}");
    }
    expect(&onestep(home.path(), &["completions", "cmd"]), 2);
}

#[test]
fn a_page_of_somebody_else_is_no_place_for_a_tour() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join("tour")).unwrap();
    std::fs::write(home.path().join("tour/index.html"), "<h1>mine</h1>").unwrap();
    for more in [&[][..], &["--overwrite"]] {
        let refused = onestep(home.path(), &[&["tour"][..], more].concat());
        expect(&refused, 73);
        assert!(stderr(&refused).contains("index.html"), "{}", stderr(&refused));
    }
    assert_eq!(std::fs::read_to_string(home.path().join("tour/index.html")).unwrap(), "<h1>mine</h1>");
}
