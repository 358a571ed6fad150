//! Packages that the tests pack themselves, good ones and bad ones.

mod archives;
mod classes;
mod drawings;
#[cfg(feature = "draw")]
mod pictures;

use std::collections::BTreeMap;

use flate2::Compression;
use flate2::write::GzEncoder;
use onestep_icons::{Collection, IconError, Package, Style};
use tar::{Builder, Header};

/// An archive with these files.
fn tgz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A package of this style with these files.
fn read(style: Style, icons: &str, metadata: &str, chars: &str) -> Result<Collection, IconError> {
    let files = [
        ("package/package.json", "{}"),
        ("package/icons.json", icons),
        ("package/metadata.json", metadata),
        ("package/chars.json", chars),
    ];
    Collection::read(&tgz(&files.map(|(name, text)| (name, text.as_bytes()))), package(style))
}

/// A package of this style with these icons alone, that are a list of JSON without its braces.
fn of_icons(style: Style, icons: &str) -> Result<Collection, IconError> {
    let prefix = package(style).prefix();
    read(style, &format!(r#"{{"prefix":"{prefix}","icons":{{{icons}}},"width":8,"height":8}}"#), "{}", "{}")
}

fn package(style: Style) -> &'static Package {
    style.package()
}

fn one(style: Style, collection: Collection) -> BTreeMap<Style, Collection> {
    BTreeMap::from([(style, collection)])
}
