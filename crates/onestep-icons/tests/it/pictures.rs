//! What drawings look like.

use std::collections::BTreeMap;

use onestep_icons::{Collection, IconError, LeftOut, Record, Style, draw, icons};

use super::{one, read};

/// A package whose drawings lie in a square of 8, all of them symbols.
fn drawings(icons: &[(&str, &str)], aliases: &str) -> BTreeMap<Style, Collection> {
    let entries: Vec<String> =
        icons.iter().map(|(name, body)| format!(r#""{name}":{{"body":{body:?}}}"#)).collect();
    let names: Vec<String> = icons.iter().map(|(name, _)| format!("{name:?}")).collect();
    let text = format!(
        r#"{{"prefix":"noto","width":8,"height":8,"icons":{{{}}},"aliases":{{{aliases}}}}}"#,
        entries.join(",")
    );
    let metadata = format!(r#"{{"categories":{{"Symbols":[{}]}}}}"#, names.join(","));
    one(Style::Noto, read(Style::Noto, &text, &metadata, "{}").unwrap())
}

/// Names and pictures.
fn drawn(collections: &BTreeMap<Style, Collection>, size: u32) -> (Vec<(String, Vec<u8>)>, LeftOut) {
    let icons = icons(collections, &[Style::Noto], false).unwrap();
    let mut pictures = Vec::new();
    let left_out = draw::<IconError>(&icons, size, |place, icon, rgb| {
        assert_eq!(icons[place].name, icon.name);
        pictures.push((icon.name.to_owned(), rgb));
        Ok(())
    });
    (pictures, left_out.unwrap())
}

/// The left half, in red.
const LEFT: &str = r##"<path fill="#f00" d="M0 0h4v8H0z"/>"##;

#[test]
fn a_picture_is_the_drawing_on_white() {
    let (pictures, left_out) =
        drawn(&drawings(&[("left", LEFT)], r#""right":{"parent":"left","hFlip":true}"#), 8);
    let row = |left: [u8; 3], right: [u8; 3]| [left.repeat(4), right.repeat(4)].concat();
    let (red, white) = ([255, 0, 0], [255; 3]);
    assert_eq!(pictures[0], ("left".into(), row(red, white).repeat(8)));
    assert_eq!(pictures[1], ("right".into(), row(white, red).repeat(8)));
    assert_eq!(left_out, LeftOut::default());
}

#[test]
fn equal_pixels_and_empty_pictures_are_left_out() {
    let collections = drawings(
        &[
            ("a", LEFT),
            // Another text, the same picture.
            ("b", r##"<g><rect width="4" height="8" fill="red"/></g>"##),
            ("c", "<g/>"),
            ("d", r##"<path fill="#fff" d="M0 0h4v8H0z"/>"##),
            ("e", r##"<path fill="#00f" d="M0 0h4v8H0z"/>"##),
        ],
        r#""f":{"parent":"e"}"#,
    );
    let (pictures, left_out) = drawn(&collections, 16);
    assert_eq!(pictures.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "e"]);
    assert_eq!(left_out, LeftOut { equal: 2, blank: 2 });
}

/// However many threads there are.
#[test]
fn pictures_are_the_same_again() {
    let bodies: Vec<(String, String)> = (0..300)
        .map(|n| {
            let body = format!(
                r##"<defs><radialGradient id="g"><stop stop-color="#{n:03}"/><stop offset="1" stop-color="#0{:02}"/></radialGradient></defs><circle cx="4" cy="4" r="{}" fill="url(#g)"/>"##,
                n % 100,
                1.0 + f64::from(n) / 100.0
            );
            (format!("{n:03}"), body)
        })
        .collect();
    let bodies: Vec<(&str, &str)> =
        bodies.iter().map(|(name, body)| (name.as_str(), body.as_str())).collect();
    let collections = drawings(&bodies, "");
    let once = drawn(&collections, 32);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(once, pool.install(|| drawn(&collections, 32)));
    assert!(once.0.len() > 290 && once.0.is_sorted_by_key(|(name, _)| name.clone()));
}

/// A drawing that names a file of this machine does not get it.
#[test]
fn no_file_is_opened_for_a_drawing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.svg");
    let svg =
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>"#;
    std::fs::write(&path, svg).unwrap();
    let body = format!(r#"<image href="{}" width="8" height="8"/>"#, path.display());
    let data = format!(
        r#"<image href="data:image/svg+xml,{}" width="8" height="8"/>"#,
        svg.replace('"', "'").replace('<', "%3C")
    );
    let (pictures, left_out) = drawn(&drawings(&[("a", &body), ("b", &data)], ""), 8);
    assert_eq!((pictures.len(), left_out.blank), (0, 2));
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let collections = drawings(&[("a", "<path"), ("b", LEFT)], "");
    let icons = icons(&collections, &[Style::Noto], false).unwrap();
    let draw = |size| draw::<IconError>(&icons, size, |_, _, _| Ok(())).unwrap_err().to_string();
    assert!(draw(8).starts_with("the drawing `noto:a` cannot be drawn: "), "{}", draw(8));
    assert_eq!(draw(4), "pictures have 8 to 512 pixels a side, not 4");
}

/// Whoever takes the pictures may say stop.
#[test]
fn drawing_ends_where_it_is_told_to() {
    let collections = drawings(&[("a", LEFT)], r#""b":{"parent":"a","hFlip":true}"#);
    let icons = icons(&collections, &[Style::Noto], false).unwrap();
    let mut n = 0;
    let stop = IconError::Size { size: 0 };
    let stopped = draw(&icons, 8, |_, _, _| {
        n += 1;
        Err(stop.clone())
    });
    assert_eq!((n, stopped), (1, Err(stop.clone())));
}

#[test]
fn a_record_says_what_each_picture_is() {
    let collections = drawings(&[("a", LEFT)], "");
    let icons = icons(&collections, &[Style::Noto], false).unwrap();
    let mut record = Record::new(&[Style::Noto]);
    record.push("00000/img00000000.png".into(), &icons[0]);
    let json: serde_json::Value = serde_json::from_str(&record.json()).unwrap();
    let expected = serde_json::json!({ "file": "00000/img00000000.png", "name": "a", "style": "noto", "class": "Symbols",
        "code_points": null, "licence": "Apache-2.0" });
    assert_eq!(json["images"], serde_json::json!([expected]));
    assert_eq!(json["styles"][0]["package"], "@iconify-json/noto@1.2.9");
    assert_eq!(json["classes"].as_array().unwrap().len(), 9);
    assert_eq!((record.count(None, None), record.count(Some(Style::Fluent), None)), (1, 0));
}
