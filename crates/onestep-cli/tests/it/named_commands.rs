//! What messages tell people to type exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect();
    }
    vec![path.to_path_buf()]
}

/// The subcommands that the command's own help lists.
fn commands() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_onestep")).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let (_, list) = help.split_once("Commands:").expect("a list of commands");
    let lines = list.lines().skip(1).take_while(|line| !line.trim().is_empty());
    lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn every_command_that_the_sources_name_exists() {
    let commands = commands();
    assert!(commands.contains("train") && commands.contains("data"), "{commands:?}");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut n_named = 0;
    for file in ["onestep", "onestep-cli", "onestep-bench"]
        .iter()
        .flat_map(|name| sources(&crates.join(name).join("src")))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        for (_, rest) in text.match_indices("`onestep ").map(|(at, found)| text.split_at(at + found.len())) {
            let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            // An option, or a name to be filled in.
            if word.is_empty() || word.starts_with('-') {
                continue;
            }
            assert!(commands.contains(&word), "{} names `onestep {word}`", file.display());
            n_named += 1;
        }
    }
    assert!(n_named > 5, "only {n_named} were found");
}
