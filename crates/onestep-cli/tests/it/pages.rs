//! Every command on a page of documentation can be copied and typed: its pictures are there, and it does what it says.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use onestep::interop::Published;
use tempfile::TempDir;

use super::documented::{Documented, commands, root};
use super::{expect, onestep, stderr, stdout};

const PICTURES: [&str; 4] = [".png", ".jpg", ".webp", ".gif"];

#[test]
fn pictures_that_pages_name_are_in_the_repository() {
    let mut n = 0;
    let mut made = BTreeSet::from(["samples.png".to_owned(), "edit.png".to_owned()]);
    for command in commands() {
        let words = command.words();
        let mut before = "";
        for word in &words {
            let is_picture = PICTURES.iter().any(|ending| word.ends_with(ending));
            if matches!(before, "--out" | "-o" | "--picture") {
                made.insert(word.clone());
            } else if (is_picture || word.contains("docs/pictures")) && !made.contains(word) {
                let path = word.split_once('=').map_or(word.as_str(), |(_, path)| path);
                assert!(root().join(path).exists(), "{command:?}: there is no {path}");
                n += 1;
            }
            before = word;
        }
    }
    assert!(n >= 10, "{n} pictures are named");
}

/// What is quick to run is run, in the order of its page, with models that have learned next to nothing.
#[test]
fn commands_of_pages_run() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    copy(&root().join("docs/pictures"), &home.join("docs/pictures"));
    models(home);
    let mut n = 0;
    for Documented { page, line } in commands() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let more = match &words[1..] {
            // Placeholders are no paths.
            _ if words.iter().any(|word| word.chars().all(|c| c.is_ascii_uppercase())) => continue,
            // Its teacher would have to be trained first.
            ["train", rest @ ..]
                if rest.windows(2).any(|pair| {
                    pair[0] == "--teacher" && pair[1].starts_with("runs/") && !home.join(pair[1]).exists()
                }) =>
            {
                continue;
            }
            // What they would do is said, and not done.
            ["train", ..] if !words.contains(&"--dry-run") && !words.contains(&"--resume") => " --dry-run",
            ["train", ..] if words.contains(&"--resume") => continue,
            // Of the models of the other methods there are none here.
            _ if words.iter().any(|word| word.starts_with("runs/") && !home.join(word).exists()) => continue,
            // What others published would have to be fetched first.
            _ if words.iter().any(|word| Published::find(word).is_some() || word.starts_with("openai/")) => {
                continue;
            }
            // It takes another build, and a network.
            ["data", "fetch", ..] => continue,
            ["new", ..] => " --hours 0.001",
            ["sample" | "edit" | "data" | "recipe" | "info" | "import" | "export" | "models", ..] => "",
            ["eval", "distance", a, ..] if a.starts_with("docs/") && !line.contains("lpips-alex") => "",
            _ => continue,
        };
        // Options go before what a shell does with the output.
        let (own, redirected) = line.split_once(" >").map_or((&line[..], ""), |(own, rest)| (own, rest));
        let redirected = if redirected.is_empty() { String::new() } else { format!(" >{redirected}") };
        // Pages show some of the same, and every one is to begin where nothing is.
        let folder = home.join(page.strip_prefix(root()).unwrap().display().to_string().replace('/', "-"));
        if !folder.exists() {
            std::fs::create_dir(&folder).unwrap();
            for name in ["docs", "runs"] {
                std::os::unix::fs::symlink(home.join(name), folder.join(name)).unwrap();
            }
        }
        let mut shell = Command::new("bash");
        let path = Path::new(env!("CARGO_BIN_EXE_onestep")).parent().unwrap().display().to_string();
        shell.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap_or_default()));
        shell.args(["-c", &format!("{own}{more}{redirected}")]).current_dir(folder).stdin(Stdio::null());
        let output = shell.output().unwrap();
        let (said, told) = (stderr(&output), stdout(&output));
        assert_eq!(output.status.code(), Some(0), "{}: {line}\n{said}\n{told}", page.display());
        n += 1;
    }
    assert!(n >= 25, "{n} commands were run");
}

/// Runs of the names that pages use.
fn models(home: &Path) {
    let settings = ["train.steps=2", "train.batch=2", "train.preview_every=0"];
    for (recipe, more) in [("emoji-edm", &[][..]), ("emoji-cd", &["--teacher", "runs/emoji-edm"])] {
        let out = format!("runs/{recipe}");
        let mut arguments = vec!["train", recipe, "--out", &out, "-q"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        expect(&onestep(home, &[&arguments[..], more].concat()), 0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &name);
        } else {
            std::fs::copy(&path, name).unwrap();
        }
    }
}
