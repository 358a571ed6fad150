//! Rust source as far as dependencies need it: its words, and which modules of the crate its paths lead to.

use std::collections::BTreeSet;

/// The words and signs of source text, without comments and literals; `::` is one of them.
pub fn words(source: &str) -> Vec<String> {
    let mut rest = source;
    let mut words = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let end = |c: char| !(c.is_alphanumeric() || c == '_');
            let length = rest.find(end).unwrap_or(rest.len());
            words.push(rest[..length].to_string());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                words.push(rest[..length].to_string());
            }
            length
        };
        rest = &rest[length..];
    }
    words
}

/// The length of the block comment, which may hold others, at the start of `text`.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match &text.as_bytes()[at..] {
            [] => return at,
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
}

/// The length of the string or character at the start of `text`; none if there is none. A lifetime is none.
fn literal(text: &str) -> Option<usize> {
    let quoted = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - quoted.len();
    let raw = quoted.strip_prefix('r').map(|after| (after, after.bytes().take_while(|&b| b == b'#').count()));
    if let Some((after, hashes)) = raw.filter(|(after, hashes)| after[*hashes..].starts_with('"')) {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &after[hashes + 1..];
        return Some(prefix + 1 + hashes + 1 + body.find(&end)? + end.len());
    }
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in quoted.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(prefix + at + 1),
            // A quote that no quote follows after one character is a lifetime.
            _ if quote == '\'' && !quoted[at + c.len_utf8()..].starts_with('\'') && at == 1 => return None,
            _ => {}
        }
    }
    None
}

/// The names at the crate's root that the paths in `words` begin with: of `crate::name`, of each part of
/// `crate::{..}`, and of `super::` repeated until it leaves the module.
///
/// `module` is the path of the module that the words are of.
pub fn names_at_the_root(words: &[String], module: &[String]) -> BTreeSet<String> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let mut names = BTreeSet::new();
    // Modules within the file, each with the depth of its braces.
    let (mut inner, mut depth) = (Vec::new(), 0);
    for at in 0..words.len() {
        let starts_path = at == 0 || word(at - 1) != "::";
        match word(at) {
            "{" => {
                depth += 1;
                if at >= 2 && word(at - 2) == "mod" {
                    inner.push(depth);
                }
            }
            "}" => {
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
                depth -= 1;
            }
            // `pub(in crate::...)` uses nothing.
            "crate" if word(at + 1) == "::" && word(at.wrapping_sub(1)) != "in" => {
                names.extend(first_names(&words[at + 2..]));
            }
            "super" | "self" if starts_path && word(at + 1) == "::" => {
                let mut after = if word(at) == "self" { at + 2 } else { at };
                let mut n_up = 0;
                while word(after) == "super" && word(after + 1) == "::" {
                    (n_up, after) = (n_up + 1, after + 2);
                }
                if n_up == module.len() + inner.len() {
                    names.extend(first_names(&words[after..]));
                }
            }
            _ => {}
        }
    }
    names
}

/// The first name of the path that `words` begin with, or of each path in a list in braces.
fn first_names(words: &[String]) -> Vec<String> {
    if words.first().is_none_or(|word| word != "{") {
        return words.first().cloned().into_iter().collect();
    }
    let mut names = Vec::new();
    let (mut depth, mut starts) = (0, true);
    for word in words {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => starts = true,
            name if depth == 1 && starts => {
                names.push(name.to_string());
                starts = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn paths_are_followed_wherever_they_are_written() {
    let source = r###"
        //! Not [`crate::comment`].
        use crate::{
            alpha::{One, Two},
            beta, gamma as other,
        };
        use super::super::{delta::Three, epsilon};
        use super::sibling;
        pub(in crate::nowhere) fn f<'a>(x: &'a str) -> crate::zeta::Four {
            /* crate::no /* super::super::no */ */
            let quoted = ("crate::no \" crate::no", r#"crate::no " crate::no"#, '"', '\'', b'{');
            self::super::super::eta::g(crate::theta::G, crate::TOOL)
        }
        mod tests {
            use super::super::inside;
            use super::super::super::iota::Five;
        }
        use super::super::kappa;
    "###;
    let module = ["model".to_string(), "network".to_string()];
    let names: Vec<_> = names_at_the_root(&words(source), &module).into_iter().collect();
    let expected =
        ["TOOL", "alpha", "beta", "delta", "epsilon", "eta", "gamma", "iota", "kappa", "theta", "zeta"];
    assert_eq!(names, expected);
}
