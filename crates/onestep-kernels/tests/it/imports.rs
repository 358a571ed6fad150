//! Which files of a crate use which, read from the source: every path that begins with `crate`, `super`, `self` or a module
//! beside it, in `use` trees over any number of lines and in the middle of code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path from the root of the crate.
pub type Module = Vec<String>;

/// The modules that have a file of their own, and what each says of the others.
#[derive(Default)]
pub struct Crate {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// Paths from the root of the crate, or from that of another one.
    used: BTreeSet<Module>,
    /// Names that others find here, and what they stand for.
    reexports: BTreeMap<String, Module>,
}

impl Crate {
    /// Reads all files below a folder.
    pub fn read(folder: &Path) -> Self {
        let mut result = Self::default();
        result.read_folder(folder, &mut Vec::new());
        result
    }

    fn read_folder(&mut self, folder: &Path, module: &mut Module) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_string();
            if path.is_dir() {
                module.push(name);
                self.read_folder(&path, module);
                module.pop();
            } else if name == "mod" || name == "lib" {
                self.add(module.clone(), &std::fs::read_to_string(&path).unwrap());
            } else {
                let module = module.iter().cloned().chain([name]).collect();
                self.add(module, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Adds the file of a module.
    pub fn add(&mut self, module: Module, text: &str) {
        let mut reader =
            Reader { tokens: tokens(text), at: 0, inside: module.clone(), file: File::default() };
        reader.read();
        self.files.insert(module, reader.file);
    }

    /// The modules that have files.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }

    /// The other files that a module's file uses. What a module only passes on from modules within it does not count.
    pub fn used_by(&self, module: &Module) -> BTreeSet<&Module> {
        let file = &self.files[module];
        let passed_on = file
            .reexports
            .values()
            .filter_map(|path| self.file_of(path))
            .filter(|of| !of.starts_with(module));
        let used = file.used.iter().filter_map(|path| self.file_of(path));
        used.chain(passed_on).filter(|of| *of != module).collect()
    }

    /// Whether a module's file names something of another crate.
    pub fn names_crate(&self, module: &Module, name: &str) -> bool {
        let file = &self.files[module];
        file.used.iter().chain(file.reexports.values()).any(|path| path[0] == name)
    }

    /// The file that something is written in; nothing for another crate's.
    fn file_of(&self, path: &Module) -> Option<&Module> {
        let (root, path) = path.split_first()?;
        if root != "crate" {
            return None;
        }
        let length = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let (module, file) = self.files.get_key_value(&path[..length])?;
        match path.get(length).and_then(|name| file.reexports.get(name)) {
            Some(elsewhere) => self.file_of(elsewhere),
            None => Some(module),
        }
    }

    /// The files of a circle, if there is one: each uses the next, and the last the first.
    pub fn circle(&self) -> Option<Vec<&Module>> {
        let mut done = BTreeSet::new();
        self.modules().find_map(|module| self.circle_from(module, &mut Vec::new(), &mut done))
    }

    fn circle_from<'a>(
        &'a self,
        module: &'a Module,
        way: &mut Vec<&'a Module>,
        done: &mut BTreeSet<&'a Module>,
    ) -> Option<Vec<&'a Module>> {
        if let Some(first) = way.iter().position(|before| *before == module) {
            return Some(way[first..].to_vec());
        }
        if !done.insert(module) {
            return None;
        }
        way.push(module);
        // The root gathers everything, and nobody is to find anything there but what it passes on.
        let used = if module.is_empty() { BTreeSet::new() } else { self.used_by(module) };
        let found = used.into_iter().find_map(|used| self.circle_from(used, way, done));
        way.pop();
        found
    }
}

/// Words and signs, without comments and literals. A word of a macro keeps its dollar, but for `$crate`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r\"") || rest.starts_with("r#") {
            let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&end).map_or(rest.len(), |at| hashes + 2 + at + end.len())
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A lifetime is a word, a character has its second quote at once or after a backslash.
            let is_char = rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'');
            if is_char { quoted(rest, '\'') } else { 1 }
        } else if is_word(first) || first == '$' {
            let word = &rest[..first.len_utf8()
                + rest[first.len_utf8()..].find(|c| !is_word(c)).unwrap_or(rest.len() - first.len_utf8())];
            tokens.push(if word == "$crate" { "crate".into() } else { word.to_string() });
            word.len()
        } else if rest.starts_with("::") {
            tokens.push("::".into());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a literal with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Goes through one file.
struct Reader {
    tokens: Vec<String>,
    at: usize,
    /// The module around this place: that of the file, or one written within it.
    inside: Module,
    file: File,
}

impl Reader {
    fn token(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn read(&mut self) {
        let (mut depth, mut within, mut passed_on) = (0usize, Vec::new(), false);
        let children = self.children();
        while self.at < self.tokens.len() {
            match self.token(0) {
                "mod" if self.token(2) == "{" => {
                    self.inside.push(self.token(1).to_string());
                    within.push(depth);
                    self.at += 2;
                    continue;
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if within.last() == Some(&depth) {
                        within.pop();
                        self.inside.pop();
                    }
                }
                "pub" => {
                    // Up to the closing parenthesis of `pub(crate)`.
                    let shown = if self.token(1) == "(" { 4 } else { 1 };
                    passed_on = self.token(shown) == "use";
                    self.at += if passed_on { shown } else { 1 };
                    continue;
                }
                "use" => {
                    self.at += 1;
                    let mut paths = Vec::new();
                    self.tree(Vec::new(), &mut paths);
                    for (path, name) in paths {
                        let path = self.absolute(path, &children);
                        if passed_on && within.is_empty() {
                            self.file.reexports.insert(name, path);
                        } else {
                            self.file.used.insert(path);
                        }
                    }
                    passed_on = false;
                    continue;
                }
                _ if self.token(1) == "::" && (self.at == 0 || self.tokens[self.at - 1] != "::") => {
                    let mut path = vec![self.token(0).to_string()];
                    while self.token(1) == "::" && self.token(2).starts_with(|c: char| c.is_alphabetic()) {
                        self.at += 2;
                        path.push(self.token(0).to_string());
                    }
                    let path = self.absolute(path, &children);
                    self.file.used.insert(path);
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The modules that this file says have files of their own.
    fn children(&self) -> BTreeSet<String> {
        let declared = self.tokens.windows(3).filter(|three| three[0] == "mod" && three[2] == ";");
        declared.map(|three| three[1].clone()).collect()
    }

    /// A `use` tree behind its prefix, as paths with the names they get here.
    fn tree(&mut self, mut path: Module, paths: &mut Vec<(Module, String)>) {
        loop {
            let token = self.token(0).to_string();
            self.at += 1;
            match token.as_str() {
                "::" => {}
                "{" => {
                    while self.token(0) != "}" {
                        self.tree(path.clone(), paths);
                        if self.token(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "self" if !path.is_empty() => {}
                _ => path.push(token),
            }
            match self.token(0) {
                "as" => {
                    paths.push((path, self.token(1).to_string()));
                    self.at += 2;
                    return;
                }
                "," | "}" | ";" | "" => {
                    let name = path.last().cloned().unwrap_or_default();
                    paths.push((path, name));
                    return;
                }
                _ => {}
            }
        }
    }

    /// A path from the root of this crate, or from that of another one.
    fn absolute(&self, path: Module, children: &BTreeSet<String>) -> Module {
        let of_here = || ["crate".to_string()].into_iter().chain(self.inside.iter().cloned());
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path[0].as_str() {
            "super" => {
                let up = of_here().take(self.inside.len() + 1 - ups.min(self.inside.len()));
                up.chain(path[ups..].iter().cloned()).collect()
            }
            "self" => of_here().chain(path[1..].iter().cloned()).collect(),
            child if children.contains(child) => of_here().chain(path.iter().cloned()).collect(),
            _ => path,
        }
    }
}
