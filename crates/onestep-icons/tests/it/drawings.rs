//! What Iconify leaves unsaid of a drawing.

use onestep_icons::{Style, icons};

use super::{one, read};

/// The drawings of a package as SVG, by name.
fn svgs(text: &str) -> Vec<(String, String)> {
    let names = ["a", "b", "c", "d", "e", "f"].map(|name| format!("\"{name}\"")).join(",");
    let metadata = format!(r#"{{"categories":{{"Symbols":[{names}]}}}}"#);
    let collections = one(Style::Noto, read(Style::Noto, text, &metadata, "{}").unwrap());
    let icons = icons(&collections, &[Style::Noto], false).unwrap();
    icons.iter().map(|icon| (icon.name.to_owned(), icon.svg())).collect()
}

fn matrix(svg: &str) -> &str {
    svg.split_once("matrix(").unwrap().1.split_once(')').unwrap().0
}

#[test]
fn a_size_is_the_icons_own_or_the_packages_or_sixteen() {
    let sized = svgs(
        r#"{"prefix":"noto","width":32,"icons":{"a":{"body":"A"},"b":{"body":"B","width":72,"height":72},"c":{"body":"C","height":33}}}"#,
    );
    assert!(
        sized[0].1.contains(r#"viewBox="0 0 32 32""#) && sized[0].1.contains(">A</g></svg>"),
        "{sized:?}"
    );
    // A height of sixteen, in the middle of a square.
    assert_eq!(matrix(&sized[0].1), "1 0 0 1 0 8");
    assert!(sized[1].1.contains(r#"viewBox="0 0 72 72""#));
    assert!(sized[2].1.contains(r#"viewBox="0 0 33 33""#));
    assert_eq!(matrix(&sized[2].1), "1 0 0 1 0.5 0");
    assert!(svgs(r#"{"prefix":"noto","icons":{"a":{"body":""}}}"#)[0].1.contains(r#"viewBox="0 0 16 16""#));
}

#[test]
fn aliases_are_mirrored_and_turned_on_top_of_their_parents() {
    let turned = svgs(
        r#"{"prefix":"noto","width":10,"height":10,
        "icons":{"a":{"body":"A","hFlip":true,"rotate":1}},
        "aliases":{"b":{"parent":"a","hFlip":true,"rotate":3},"c":{"parent":"a"},"d":{"parent":"b","vFlip":true},
            "e":{"parent":"d","rotate":-1,"left":5},"f":{"parent":"a","hidden":true}}}"#,
    );
    let matrices: Vec<_> = turned.iter().map(|(name, svg)| (name.as_str(), matrix(svg))).collect();
    assert_eq!(
        matrices,
        [
            ("a", "0 -1 -1 0 10 10"),
            // Twice mirrored, and four quarter-turns.
            ("b", "1 0 0 1 0 0"),
            ("c", "0 -1 -1 0 10 10"),
            ("d", "1 0 0 -1 0 10"),
            ("e", "0 -1 -1 0 10 15"),
        ]
    );
    assert!(turned.iter().all(|(_, svg)| svg.contains(">A</g>")));
}
