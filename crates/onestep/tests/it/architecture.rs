//! The direction of dependencies between the modules, as ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What each module of the library may use. `error` and the crate's root are used by all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("noise", &[]),
    ("digest", &[]),
    ("pickle", &[]),
    ("arrays", &[]),
    ("data", &["digest", "pickle"]),
    ("model", &["arrays", "noise"]),
    ("checkpoint", &["arrays", "digest", "model", "noise"]),
    ("interop", &["arrays", "model", "pickle"]),
    ("vision", &["arrays", "digest", "interop", "model"]),
    ("eval", &["arrays", "data", "digest", "interop", "model", "noise", "sample", "solver", "vision"]),
    ("solver", &["model"]),
    ("perceptual", &["arrays", "interop", "model", "vision"]),
    ("objective", &["model", "noise", "perceptual", "solver"]),
    ("sample", &["data", "model", "noise", "solver"]),
    ("edit", &["data", "model", "noise", "sample", "solver"]),
    (
        "train",
        &[
            "arrays",
            "checkpoint",
            "data",
            "digest",
            "model",
            "noise",
            "objective",
            "perceptual",
            "sample",
            "solver",
        ],
    ),
];

/// The files at a path, which may be one itself, each with its lines outside comments.
fn sources(path: &Path) -> Vec<(PathBuf, Vec<String>)> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        return entries.flat_map(|entry| sources(&entry.unwrap().path())).collect();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_string).collect();
    vec![(path.to_path_buf(), code)]
}

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every `crate::module` that the files of a module mention outside comments.
fn used_by(path: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in sources(path).into_iter().flat_map(|(_, code)| code) {
        let code = line.split("//").next().unwrap_or("");
        for (place, _) in code.match_indices("crate::") {
            let rest = &code[place + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split(['}', ';']).next().unwrap_or("").split(',').collect(),
                None => vec![rest],
            };
            for name in names {
                let module: String =
                    name.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if !module.is_empty() {
                    found.insert(module);
                }
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(library()).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_string();
        if ["lib", "error"].contains(&module.as_str()) {
            continue;
        }
        let may_use = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("module `{module}` has no place in the table of dependencies"));
        let mut used = used_by(&path);
        used.remove(&module);
        for other in used.iter().filter(|name| allowed.contains_key(name.as_str())) {
            assert!(may_use.contains(&other.as_str()), "`{module}` must not use `{other}`");
        }
        seen.insert(module);
    }
    for (module, _) in MAY_USE {
        assert!(seen.contains(*module), "`{module}` is in the table but not in the source");
    }
}

/// Only one file knows the coefficients of the preconditioning.
#[test]
fn only_the_preconditioning_knows_its_coefficients() {
    // The composition itself, and the words about it.
    let may = [Some(OsStr::new("precondition.rs")), Some(OsStr::new("preconditioned.rs"))];
    let knows = |code: &[String]| code.iter().any(|line| line.contains("c_skip") || line.contains("c_out"));
    let mut files = sources(&library());
    files.retain(|(path, code)| !may.contains(&path.file_name()) && knows(code));
    let hits: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
    assert!(hits.is_empty(), "{hits:?}");
}

/// The library is silent and timeless.
#[test]
fn the_library_never_prints_and_never_reads_the_clock() {
    let words =
        ["println!", "print!(", "dbg!", "Instant::now", "SystemTime::now", "TcpStream", "TcpListener"];
    let mut hits = Vec::new();
    for (path, code) in sources(&library()) {
        for line in code.iter().filter(|line| words.iter().any(|word| line.contains(word))) {
            hits.push(format!("{}: {}", path.display(), line.trim()));
        }
    }
    assert!(hits.is_empty(), "{hits:#?}");
}
