//! The commands that the pages of documentation show.

use std::path::{Path, PathBuf};

/// A command as it stands on a page.
#[derive(Debug, Clone)]
pub struct Documented {
    /// The page.
    pub page: PathBuf,
    /// The line, with those that it goes on in, without its comment.
    pub line: String,
}

impl Documented {
    /// The words of the command itself, without what a shell makes of the rest.
    pub fn words(&self) -> Vec<String> {
        let own = self.line.split([' ', '\t']).filter(|word| !word.is_empty());
        own.take_while(|word| !matches!(*word, ">" | "|" | "&&")).map(str::to_owned).collect()
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every line in a fenced block that begins with `onestep`, page by page.
pub fn commands() -> Vec<Documented> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root().join("README.md"));
    pages.push(root().join("crates/onestep-cli/README.md"));
    pages.sort();
    pages.iter().flat_map(|page| of_page(page, &std::fs::read_to_string(page).unwrap())).collect()
}

fn of_page(page: &Path, text: &str) -> Vec<Documented> {
    // Every second part stands between fences.
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| {
        let whole = block.replace("\\\n", " ");
        whole.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let without_comment = |line: String| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let commands = lines.map(without_comment).filter(|line| line.starts_with("onestep "));
    // A line of a manifest, `onestep = { ... }`, is none.
    let commands = commands.filter(|line| !line.starts_with("onestep ="));
    commands.map(|line| Documented { page: page.to_path_buf(), line }).collect()
}
