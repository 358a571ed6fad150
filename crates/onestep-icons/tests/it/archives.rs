//! Archives that are none, or not what they should be.

use flate2::Compression;
use flate2::write::GzEncoder;
use onestep_icons::{Collection, Style};
use tar::{Builder, EntryType, Header};

use super::{of_icons, package, read, tgz};

/// What is said of bytes that are no package.
fn refused(bytes: &[u8]) -> String {
    Collection::read(bytes, package(Style::Noto)).unwrap_err().to_string()
}

const GOOD: &str = r#"{"prefix":"noto","icons":{"a":{"body":"<path/>"}}}"#;

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"<html>", &[0x1f, 0x8b, 8, 0]] {
        let message = refused(bytes);
        assert!(message.starts_with("@iconify-json/noto@1.2.9 cannot be read: "), "{message}");
    }
    let good = tgz(&[("package/icons.json", GOOD.as_bytes())]);
    assert!(Collection::read(&good, package(Style::Noto)).is_ok());
    for end in [good.len() - 1, good.len() - 6, good.len() / 2] {
        refused(&good[..end]);
    }
    let mut damaged = good.clone();
    // The checksum.
    let place = damaged.len() - 7;
    damaged[place] ^= 1;
    refused(&damaged);
}

#[test]
fn files_that_are_missing_or_twice_or_links_are_refused() {
    assert!(refused(&tgz(&[("package/README.md", b"")])).contains("it has no package/icons.json"));
    // What lies elsewhere is not it.
    assert!(refused(&tgz(&[("icons.json", GOOD.as_bytes())])).contains("no package/icons.json"));
    let twice = tgz(&[("package/icons.json", GOOD.as_bytes()), ("package/icons.json", GOOD.as_bytes())]);
    assert!(refused(&twice).contains("package/icons.json twice"));
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "package/icons.json", "/etc/passwd").unwrap();
    let link = builder.into_inner().unwrap().finish().unwrap();
    assert!(refused(&link).contains("no plain file"));
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let many: Vec<(String, &[u8])> = (0..1001).map(|n| (format!("package/{n}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert!(refused(&tgz(&many)).contains("over 1000 files"));
    // 300 MB of nothing, in a file that is not even read.
    let bomb = tgz(&[("package/index.js", &vec![0; 300 << 20]), ("package/icons.json", GOOD.as_bytes())]);
    assert!(bomb.len() < 4 << 20);
    refused(&bomb);
}

#[test]
fn icons_that_make_no_sense_are_refused_by_name() {
    let message = |icons: &str| of_icons(Style::Noto, icons).unwrap_err().to_string();
    for (icons, reason) in [
        (r#""a":{"width":4}"#, "`a` has neither a body nor a parent"),
        (r#""a":{"body":"","width":0}"#, "`a` lies at 0,0 and is 0 x 8, which cannot be"),
        (r#""a":{"body":"","height":-3}"#, "`a` lies at 0,0 and is 8 x -3"),
        (r#""a":{"body":"","left":1e300}"#, "which cannot be"),
        (r#""a":{"parent":"b"}"#, "`a` stands for `b`, which is not there"),
        (r#""a":{"parent":"b"},"b":{"parent":"a"}"#, "over 8 times"),
        (r#""a":{"body":7}"#, "icons.json: "),
        (r#""a":{"body":"","rotate":"90deg"}"#, "icons.json: "),
    ] {
        let message = message(icons);
        assert!(message.contains(reason), "{icons}: {message}");
        assert!(message.starts_with("@iconify-json/noto@1.2.9: icons.json: "), "{message}");
    }
    let long = format!(r#""a":{{"body":"{}"}}"#, "x".repeat((2 << 20) + 1));
    assert!(message(&long).contains("`a` has 2097153 bytes"));
    let many: Vec<String> = (0..20_001).map(|n| format!(r#""{n}":{{"body":""}}"#)).collect();
    assert!(message(&many.join(",")).contains("20001 icons, over 20000"));
}

#[test]
fn files_that_make_no_sense_are_refused_by_name() {
    let message = |icons: &str, metadata: &str, chars: &str| {
        read(Style::Noto, icons, metadata, chars).unwrap_err().to_string()
    };
    assert!(message(r#"{"prefix":"mdi","icons":{}}"#, "{}", "{}").contains("these are the icons of `mdi`"));
    assert!(message("{", "{}", "{}").contains("icons.json: EOF"));
    assert!(message(&"[".repeat(1000), "{}", "{}").contains("icons.json: "));
    assert!(message(GOOD, r#"{"categories":{"Flags":"a"}}"#, "{}").contains("metadata.json: "));
    assert!(message(GOOD, "{}", r#"["a"]"#).contains("chars.json: "));
    // Both are empty in some packages.
    assert!(read(Style::Noto, GOOD, "", "").is_ok());
}
