//! The direction of dependencies between the modules, as ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each module of the library may use. `error` and the crate's root are used by all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("noise", &[]),
    ("digest", &[]),
    ("data", &["digest"]),
    ("model", &["noise"]),
    ("interop", &["model"]),
    ("solver", &["model"]),
    ("objective", &["model", "solver"]),
    ("sample", &["data", "model", "noise", "solver"]),
    ("train", &["data", "digest", "model", "noise", "objective", "sample", "solver"]),
];

/// Every `crate::module` that the files of a module mention outside comments.
fn used_by(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            used_by(&entry.unwrap().path(), found);
        }
        return;
    }
    for line in std::fs::read_to_string(path).unwrap().lines() {
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
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_string();
        if ["lib", "error"].contains(&module.as_str()) {
            continue;
        }
        let may_use = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("module `{module}` has no place in the table of dependencies"));
        let mut used = BTreeSet::new();
        used_by(&path, &mut used);
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
    fn search(path: &Path, hits: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, hits);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            // The composition itself, and the words about it.
            if ["precondition.rs", "preconditioned.rs"].contains(&name) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.into_iter().any(|line| line.contains("c_skip") || line.contains("c_out")) {
                hits.push(path.display().to_string());
            }
        }
    }
    let mut hits = Vec::new();
    search(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut hits);
    assert!(hits.is_empty(), "{hits:?}");
}

/// The library is silent and timeless.
#[test]
fn the_library_never_prints_and_never_reads_the_clock() {
    fn search(path: &Path, hits: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, hits);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in [
                    "println!",
                    "print!(",
                    "dbg!",
                    "Instant::now",
                    "SystemTime::now",
                    "TcpStream",
                    "TcpListener",
                ] {
                    if line.contains(word) {
                        hits.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    let mut hits = Vec::new();
    search(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut hits);
    assert!(hits.is_empty(), "{hits:#?}");
}
