//! The floors of this crate, as ARCHITECTURE.md draws them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::imports::{Crate, Module};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The floors in the table of the page, lowest first.
fn floors() -> Vec<String> {
    let page = std::fs::read_to_string(here().join("../../ARCHITECTURE.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Floors of the operators"));
    let rows = section.expect("the page has the section").lines().filter_map(|line| line.strip_prefix("| `"));
    let floors: Vec<String> = rows.map(|row| row.split('`').next().unwrap().to_string()).collect();
    floors.into_iter().rev().collect()
}

/// What is wrong with the files of a crate of such floors.
fn faults(files: &Crate, floors: &[String]) -> Vec<String> {
    let name = |module: &Module| module.join("::");
    let level = |module: &Module| floors.iter().position(|floor| module.first() == Some(floor));
    let mut faults = Vec::new();
    for module in files.modules().filter(|module| !module.is_empty()) {
        for used in files.used_by(module) {
            // What stands beside the floors, such as the allocator, uses none of them; the root is for others.
            if level(used) > level(module) || used.is_empty() {
                faults.push(format!("`{}` must not use `{}`", name(module), name(used)));
            }
        }
        if level(module).is_some_and(|level| level + 1 < floors.len()) && files.names_crate(module, "burn") {
            faults.push(format!("`{}` must not know burn", name(module)));
        }
    }
    if let Some(circle) = files.circle() {
        let names: Vec<String> = circle.iter().chain(circle.first()).map(|module| name(module)).collect();
        faults.push(format!("a circle: {}", names.join(" -> ")));
    }
    faults
}

#[test]
fn no_file_uses_a_higher_floor_and_no_files_go_in_circles() {
    let files = Crate::read(&here().join("src"));
    assert_eq!(faults(&files, &floors()), Vec::<String>::new());
}

#[test]
fn every_folder_is_a_floor() {
    let entries = std::fs::read_dir(here().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.is_dir());
    let folders: BTreeSet<String> =
        folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect();
    assert_eq!(folders, floors().into_iter().collect());
}

/// A crate of two floors, `low` and `high`, with one more file.
fn faults_with(module: &[&str], text: &str) -> Vec<String> {
    let path = |module: &[&str]| module.iter().map(|part| part.to_string()).collect::<Module>();
    let mut files = Crate::default();
    files.add(path(&[]), "mod low; mod high; mod beside; pub use high::{Roof as Top, walls};");
    files.add(path(&["beside"]), "pub fn nothing() {}");
    files.add(path(&["low"]), "mod floor; mod cellar; pub(crate) use {cellar::Cellar, floor::Floor};");
    files.add(path(&["low", "cellar"]), "use super::floor::Floor; // and not super::super::high");
    files.add(
        path(&["low", "floor"]),
        r##"const TEXT: &str = r#"crate::high "#; pub struct Floor<'a>(&'a str);"##,
    );
    files.add(path(&["high"]), "mod roof; pub mod walls; pub use roof::Roof; use burn::Tensor; struct Door;");
    files.add(path(&["high", "roof"]), "use super::Door; use crate::low::{Cellar, Floor};");
    files.add(path(&["high", "walls"]), "mod tests { use super::*; fn f() { crate::beside::nothing() } }");
    files.add(path(module), text);
    faults(&files, &["low".to_string(), "high".to_string()])
}

#[test]
fn arrows_are_seen_wherever_they_are_written() {
    assert_eq!(
        faults_with(&["low", "new"], "use super::{\n  cellar::Cellar,\n  floor::{self, Floor},\n};"),
        [""; 0]
    );
    let up = |text| {
        assert_eq!(faults_with(&["low", "new"], text), ["`low::new` must not use `high::roof`"], "{text}")
    };
    up("use crate::{\n    low::Cellar,\n    high::{\n        Roof,\n    },\n};");
    up("use super::super::high::roof as attic;");
    up("pub(crate) use crate::high::Roof;");
    up("fn f() { crate::Top::new() }");
    up("fn f<'a>(c: char) -> bool { c == '\"' || crate::high::roof::high::<'a>() }");
    up("mod inner { use super::super::super::high::Roof; }");
    up("macro_rules! m { () => { $crate::high::Roof } }");
    assert_eq!(faults_with(&["beside"], "use crate::low::Floor;"), ["`beside` must not use `low::floor`"]);
    assert_eq!(faults_with(&["low", "new"], "fn f(t: burn::Tensor) {}"), ["`low::new` must not know burn"]);
}

#[test]
fn circles_are_seen_through_what_is_passed_on() {
    let circle = |module: &[&str], text: &str, expected: &str| {
        assert_eq!(faults_with(module, text), [format!("a circle: {expected}")]);
    };
    circle(&["low", "floor"], "use super::Cellar;", "low::cellar -> low::floor -> low::cellar");
    // To pass on what lies within is no arrow, to use it is one.
    circle(&["high"], "mod roof; pub use roof::Roof; fn f() { roof::high() }", "high -> high::roof -> high");
    assert_eq!(faults_with(&["high", "walls"], "use crate::Top;"), [""; 0]);
}
