//! The direction of dependencies between the modules, as ARCHITECTURE.md states it.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What each module may use, in the order of the page; none for one that may use everything.
fn rows_of_the_page() -> Vec<(String, Option<BTreeSet<String>>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, section) = text.split_once("## Direction of dependencies").expect("the section");
    let block = section.split("```").nth(1).expect("a block of rows");
    let row = |line: &str| {
        let (module, list) =
            line.split_once("->").unwrap_or_else(|| panic!("`{line}` is not `module -> list`"));
        let used = match list.trim() {
            "everything" => None,
            "nothing" => Some(BTreeSet::new()),
            list => Some(list.split(',').map(|name| name.trim().to_string()).collect()),
        };
        (module.trim().to_string(), used)
    };
    block.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

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

/// The modules of the library, by name, with the files of each and their paths as modules.
fn modules() -> BTreeMap<String, Vec<(PathBuf, Vec<String>)>> {
    let mut modules: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (file, _) in sources(&library()) {
        let place = file.strip_prefix(library()).unwrap().with_extension("");
        let mut path: Vec<String> =
            place.iter().map(|part| part.to_str().expect("a plain name").to_string()).collect();
        path.retain(|part| part != "mod");
        modules.entry(path[0].clone()).or_default().push((file, path));
    }
    // The crate's root declares the modules and uses none.
    modules.remove("lib");
    modules
}

/// The other modules, and the crate of the operators, that the files of a module use.
fn used_by(module: &str, files: &[(PathBuf, Vec<String>)], all: &BTreeSet<String>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (file, path) in files {
        let words = source::words(&std::fs::read_to_string(file).unwrap());
        used.extend(source::names_at_the_root(&words, path).into_iter().filter(|name| all.contains(name)));
        if words.iter().any(|word| word == "onestep_kernels") {
            used.insert("kernels".to_string());
        }
    }
    used.remove(module);
    used
}

#[test]
fn modules_use_what_the_page_says_and_nothing_else() {
    let rows: BTreeMap<_, _> = rows_of_the_page().into_iter().collect();
    let modules = modules();
    let all: BTreeSet<String> = modules.keys().cloned().collect();
    for (module, files) in &modules {
        let row = rows.get(module).unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for `{module}`"));
        let Some(listed) = row else { continue };
        let used = used_by(module, files, &all);
        let more: Vec<_> = used.difference(listed).collect();
        assert!(more.is_empty(), "`{module}` uses {more:?}, which its row in ARCHITECTURE.md does not allow");
        let less: Vec<_> = listed.difference(&used).collect();
        assert!(less.is_empty(), "`{module}` does not use {less:?} of its row in ARCHITECTURE.md");
    }
    for row in rows.keys().filter(|row| !all.contains(*row)) {
        let crate_of_ours = library().join(format!("../../onestep-{row}"));
        assert!(crate_of_ours.is_dir(), "`{row}` has a row in ARCHITECTURE.md but is not in the source");
    }
}

/// So there is no circle.
#[test]
fn modules_use_only_what_stands_above_them_on_the_page() {
    let mut above = BTreeSet::new();
    for (module, used) in rows_of_the_page() {
        let below: Vec<_> = used.iter().flatten().filter(|name| !above.contains(*name)).collect();
        assert!(below.is_empty(), "`{module}` uses {below:?}, which must stand above it in ARCHITECTURE.md");
        above.insert(module);
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
