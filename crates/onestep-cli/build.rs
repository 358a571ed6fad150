//! Finds out which commit is built, for `--version`; where the sources are no checkout of their own, it is not known.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let commit = is_own_checkout().then(|| git(&["rev-parse", "--short=12", "HEAD"])).flatten();
    println!("cargo:rustc-env=ONESTEP_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    if commit.is_none() {
        return;
    }
    // What changes when the commit does, and nothing else, so that a build with nothing new builds nothing.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in [Some("HEAD".to_owned()), branch, Some("packed-refs".to_owned())].into_iter().flatten() {
        if let Some(path) = git(&["rev-parse", "--git-path", &name]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// Whether the repository around this package is that of its workspace, and not of somebody who unpacked it within theirs.
fn is_own_checkout() -> bool {
    let root = git(&["rev-parse", "--show-toplevel"]).and_then(|root| Path::new(&root).canonicalize().ok());
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok();
    root.zip(here).is_some_and(|(root, here)| here == root.join("crates").join("onestep-cli"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
