//! Emoji as a data set: what can be said without the packages.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use super::{command, expect, stderr, stdout};

/// Runs `onestep data fetch emoji` in a folder that holds its caches, too.
fn fetch(home: &Path, more: &[&str]) -> Output {
    let arguments = [&["data", "fetch", "emoji"][..], more].concat();
    command(home, &arguments).env("XDG_CACHE_HOME", home.join("cache")).output().unwrap()
}

#[cfg(not(feature = "icons"))]
#[test]
fn another_build_is_named_where_this_one_draws_nothing() {
    let home = TempDir::new().unwrap();
    let output = fetch(home.path(), &["--size", "32,64"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("cargo build --release --features icons,fetch"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_size_and_no_style_is_refused() {
    let home = TempDir::new().unwrap();
    for wrong in [["--size", "4"], ["--size", "32,x"], ["--styles", "twemoji"]] {
        expect(&fetch(home.path(), &wrong), 2);
    }
}

#[cfg(feature = "icons")]
#[test]
fn what_would_be_fetched_is_shown() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let output =
        fetch(home, &["--dry-run", "--styles", "fluent,fxemoji", "--size", "64,32", "--out", "sets"]);
    expect(&output, 0);
    let said = stdout(&output);
    // What describes a style comes along.
    for line in [
        "package      @iconify-json/fluent-emoji-flat@1.2.6, 1.2 MB, MIT",
        "package      @iconify-json/fluent-emoji@1.2.7, 14.3 MB, MIT",
        "package      @iconify-json/fxemoji@1.2.2, 1.0 MB, CC-BY-4.0",
        "to           sets/emoji-32.zip",
        "to           sets/emoji-64.zip",
    ] {
        assert!(said.lines().any(|each| each == line), "{line}: {said}");
    }
    assert!(!said.contains("noto"), "{said}");
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
    expect(&fetch(home, &["--dry-run", "--size", "64,32", "--out", "set.zip"]), 2);
    expect(&fetch(home, &["--dry-run", "--out", "set.npz"]), 2);
}

#[cfg(feature = "icons")]
#[test]
fn files_that_are_not_the_packages_are_refused() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    std::fs::create_dir(home.join("packages")).unwrap();
    let output = fetch(home, &["--from", "packages"]);
    expect(&output, 65);
    assert!(
        stderr(&output).contains("npm pack @iconify-json/fluent-emoji-flat@1.2.6 "),
        "{}",
        stderr(&output)
    );
    // By its name it is one of them, by its bytes it is not.
    let path = home.join("packages/iconify-json-noto-1.2.9.tgz");
    std::fs::write(&path, "damaged").unwrap();
    let from = ["--styles", "noto", "--from", "packages"];
    let output = fetch(home, &from);
    expect(&output, 65);
    assert!(stderr(&output).contains("it has 7 bytes, not 3102958"), "{}", stderr(&output));
    let output = fetch(home, &["--styles", "noto", "--from", "packages/iconify-json-noto-1.2.9.tgz"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("is no package of emoji that is known"), "{}", stderr(&output));
    assert_eq!(std::fs::read(&path).unwrap(), b"damaged");
    // What is there of that name stays, before anything is read.
    std::fs::write(home.join("emoji-32.zip"), "somebody's").unwrap();
    expect(&fetch(home, &[&from[..], &["--overwrite"]].concat()), 73);
    assert_eq!(std::fs::read(home.join("emoji-32.zip")).unwrap(), b"somebody's");
}

#[cfg(all(feature = "icons", not(feature = "fetch")))]
#[test]
fn a_build_without_network_says_what_to_type() {
    let home = TempDir::new().unwrap();
    let output = fetch(home.path(), &["--styles", "noto", "--registry", "https://npm.example"]);
    expect(&output, 2);
    let expected = "iconify-json-noto-1.2.9.tgz https://npm.example/@iconify-json/noto/-/noto-1.2.9.tgz";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}
