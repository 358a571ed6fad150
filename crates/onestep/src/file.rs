//! Files that are read: which may be opened, and what they are by their first bytes.
//!
//! A pipe is waited for and a device may never end, so that neither is opened as input. And what a file is called is not always
//! what it is: downloads fail and leave a page that says so, and large files are left behind where a repository was copied.

#[cfg(feature = "formats")]
mod input;
#[cfg(feature = "formats")]
mod zip;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

#[cfg(feature = "formats")]
pub(crate) use input::{EARLY, Input, Span};
#[cfg(feature = "formats")]
pub(crate) use zip::open_zip;

/// How many first bytes tell what a file is.
pub(crate) const START: usize = 512;

/// The longest text that is read.
const MAX_TEXT: u64 = 64 << 20;

/// Opens a file to read it.
///
/// # Errors
///
/// What the system says, and an error of the kind [`InvalidInput`](io::ErrorKind::InvalidInput) for a folder, a device, a pipe or
/// a socket, which are never opened.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = path.metadata()?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file")));
    }
    File::open(path)
}

/// Reads a file of text.
///
/// # Errors
///
/// As [`open`], and for more than 64 MiB or what is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.take(MAX_TEXT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT {
        let reason = format!("it is a text of over {} MiB", MAX_TEXT >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(text)
}

/// The first bytes of a file.
pub(crate) fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    open(path)?.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether bytes begin like an AVIF picture, still or moving.
pub(crate) fn is_avif(start: &[u8]) -> bool {
    matches!(start.get(4..12), Some(b"ftypavif" | b"ftypavis"))
}

/// What a file of a kind that is read nowhere is, and what to do about it, by its first bytes.
pub(crate) fn foreign(start: &[u8]) -> Option<&'static str> {
    let begins = |words: &[&str]| {
        let text = start.trim_ascii_start();
        words
            .iter()
            .any(|word| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes())))
    };
    if begins(&["<!doctype html", "<html", "<head"]) {
        return Some("this is a web page in the place of a file; download the file itself");
    }
    if is_avif(start) {
        return (!cfg!(feature = "avif")).then_some(AVIF_UNREAD);
    }
    FOREIGN.iter().find(|(at, magic, _)| start.get(*at..).is_some_and(|s| s.starts_with(magic))).map(|f| f.2)
}

/// What a file is, by its first bytes: of any kind that is known.
pub(crate) fn describe(start: &[u8]) -> Option<&'static str> {
    let avif = || is_avif(start).then_some("this is an AVIF picture");
    let known = || KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|known| known.1);
    foreign(start).or_else(avif).or_else(known)
}

/// Where a kind of file has its mark, the mark, and what to say.
const FOREIGN: [(usize, &[u8], &str); 18] = [
    (
        0,
        b"version https://git-lfs",
        "this is a pointer of Git LFS in the place of the file; `git lfs pull` in its repository fetches the file",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "this is a 7z archive; unpack it and name the folder"),
    (0, b"Rar!\x1a\x07", "this is a rar archive; unpack it and name the folder"),
    (0, b"\xfd7zXZ\0", "this is packed by xz; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "this is packed by zstd; unpack it first"),
    (0, b"BZh", "this is packed by bzip2; unpack it first"),
    (4, b"ftyphei", HEIC),
    (4, b"ftyphev", HEIC),
    (4, b"ftypmif1", HEIC),
    (4, b"ftyp", "this is a film; pictures are read, `ffmpeg -i film.mp4 %05d.png` makes them of it"),
    (0, b"\xff\x0a", JPEG_XL),
    (0, b"\0\0\0\x0cJXL ", JPEG_XL),
    (0, b"<svg", "this is an SVG drawing; draw it as PNG first"),
    (0, b"<?xml", "this is XML, perhaps an SVG drawing; draw it as PNG first"),
    (0, b"%PDF-", "this is a PDF; `pdfimages -png` takes the pictures out of it"),
    (0, b"\x89HDF\r\n\x1a\n", "this is HDF5; save its arrays with `numpy.savez`"),
    (0, b"PAR1", "this is Parquet; write its pictures into a folder or a zip"),
    (0, b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", "this is a file of `torch.save`"),
];

const AVIF_UNREAD: &str = "this is an AVIF picture, which this build does not read; `cargo build --release --features avif` makes \
     one that does, and `magick a.avif a.png` or `avifdec a.avif a.png` a PNG of it";
const HEIC: &str = "this is a HEIC picture, which is not read; `magick a.heic a.png` or `heif-convert a.heic a.png` makes a PNG of it";
const JPEG_XL: &str = "this is a JPEG XL picture, which is not read; `djxl a.jxl a.png` makes a PNG of it";

/// The marks of kinds that are read somewhere, but perhaps not where they were named.
const KNOWN: [(&[u8], &str); 9] = [
    (b"PK\x03\x04", "this is a zip archive, as `torch.save` and `numpy.savez` write them"),
    (b"\x1f\x8b", "this is packed by gzip"),
    (b"\x93NUMPY", "this is an array of numpy"),
    (b"\x89PNG", "this is a PNG picture"),
    (b"\xff\xd8\xff", "this is a JPEG picture"),
    (b"GIF8", "this is a GIF picture"),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
];

const PICKLE: &str = "this is a pickle of Python";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (start, part) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:00"[..], "git lfs pull"),
            (b"\n <!DOCTYPE HTML><html>", "web page"),
            (b"<html lang=\"en\">", "web page"),
            (b"\0\0\0\x1cftypavif", "AVIF"),
            (b"\0\0\0\x1cftypheic", "HEIC"),
            (b"\0\0\0\x1cftypisom", "film"),
            (b"PK\x03\x04", "zip"),
            (b"\x80\x04\x95", "pickle"),
        ] {
            assert!(describe(start).unwrap().contains(part), "{part}");
        }
        assert_eq!(describe(b"{\"labels\": null}"), None);
        assert_eq!(describe(b""), None);
        assert_eq!(foreign(b"PK\x03\x04"), None);
    }

    #[cfg(unix)]
    #[test]
    fn neither_a_device_nor_a_pipe_nor_a_folder_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let error = open(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
            assert!(read_text(path).is_err() && start(path).is_err());
        }
    }
}
