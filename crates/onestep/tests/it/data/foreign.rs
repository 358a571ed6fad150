//! Files that are not what their names say, and what is no file at all.

use std::path::Path;

use onestep::data::{DataError, ImageShape, Pixels, check};

use super::{RGB8, open_path, png, put, refusal, spec, story};

const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n";
const HTML: &[u8] = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n";

#[test]
fn a_file_of_another_kind_is_named_for_what_it_is_under_every_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.zip", "a.npz", "a.npy", "a.tar.gz", "train-images-idx3-ubyte.gz", "a.png", "a"] {
        for (start, part) in [
            (LFS, "git lfs pull"),
            (HTML, "web page"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "7z archive"),
            (b"Rar!\x1a\x07\x01\0", "rar archive"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ] {
            let path = put(folder.path().join(name), start);
            let (error, story) = refusal(&spec(&path));
            assert!(matches!(error, DataError::Unsupported { .. }), "{name}: {story}");
            assert!(story.contains(part) && story.contains(name), "{name}: {story}");
        }
    }
    for name in ["model.pt", "model.pth", "net.pkl", "model.safetensors"] {
        let path = put(folder.path().join(name), b"PK\x03\x04 weights");
        assert!(refusal(&spec(&path)).1.contains("not of pictures"));
    }
}

#[test]
fn a_picture_of_another_kind_is_named_for_what_it_is() {
    for (start, part) in [
        (LFS, "git lfs pull"),
        (HTML, "web page"),
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
    ] {
        let error = Pixels::decode(start, "a.png").unwrap_err();
        let story = story(&error);
        assert!(story.contains(part) && story.contains("a.png"), "{story}");
    }
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("a.png"), &png(RGB8, 1));
    put(folder.path().join("b.png"), LFS);
    let report = check(&*open_path(folder.path()), |_| {});
    assert!(report.bad.len() == 1 && story(&report.bad[0].error).contains("git lfs pull"));
}

#[cfg(not(feature = "avif"))]
#[test]
fn a_build_that_does_not_read_avif_says_which_does() {
    const STILL: &[u8] = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
    const MOVING: &[u8] = b"\0\0\0\x1cftypavis\0\0\0\0avismif1miaf";
    let said = |story: String| {
        assert!(
            story.contains("AVIF") && story.contains("`cargo build --release --features avif`"),
            "{story}"
        );
    };
    for start in [STILL, MOVING] {
        said(story(&Pixels::decode(start, "a.png").unwrap_err()));
        for name in ["a.avif", "a.png", "without-ending"] {
            let folder = tempfile::tempdir().unwrap();
            let path = put(folder.path().join(name), start);
            said(refusal(&spec(&path)).1);
            said(refusal(&spec(folder.path())).1);
            said(story(&onestep::edit::Picture::open(&path).unwrap_err()));
        }
    }
}

#[test]
fn a_model_of_another_kind_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (start, part) in [
        (LFS, "git lfs pull"),
        (HTML, "web page"),
        (&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], "zip archive"),
        (b"\x80\x02}q\0X\x05\0\0\0model", "pickle"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture"),
    ] {
        let path = put(folder.path().join("m.safetensors"), start);
        let story = story(&onestep::open(&path).unwrap_err());
        assert!(story.contains(part) && story.contains("m.safetensors"), "{story}");
    }
    for (start, part) in [(LFS, "git lfs pull"), (HTML, "web page")] {
        let path = put(folder.path().join("w.pth"), start);
        let story = story(&onestep::interop::read_weights(&path).unwrap_err());
        assert!(story.contains(part) && story.contains("w.pth"), "{story}");
    }
}

/// A pipe without a writer would be waited for, and a device read for ever.
#[cfg(unix)]
#[test]
fn devices_and_pipes_are_refused_before_they_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.npz");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
        let stories = [
            refusal(&spec(path)).1,
            story(&Pixels::read(path).unwrap_err()),
            story(&onestep::edit::Picture::open(path).unwrap_err()),
            story(&onestep::data::npz::read_numbers(path, &["mu"]).unwrap_err()),
            story(&onestep::data::picture::read_parameters(path).unwrap_err()),
            story(&onestep::interop::read_weights(path).unwrap_err()),
        ];
        for story in stories {
            assert!(story.contains("not a file") && story.contains(path.to_str().unwrap()), "{story}");
        }
        assert!(onestep::open(path).is_err());
        assert!(!onestep::eval::Collection::is_in(path));
    }
}

#[test]
fn a_picture_that_is_too_large_says_what_to_do() {
    let mut file = b"P5\n20000 10\n255\n".to_vec();
    file.extend(vec![0; 200_000]);
    let error = Pixels::decode(&file, "wide.pgm").unwrap_err();
    assert!(story(&error).contains("20000x10") && story(&error).contains("shrink it"), "{}", story(&error));
    let sliver = ImageShape { height: 10, width: 16_384, channels: 1 };
    assert!(Pixels::decode(&png(sliver, 1), "long.png").is_ok());
}
