//! Files that lie, climb, explode or want to be run. Each must end in an error that names it.

use std::path::{Path, PathBuf};

use onestep::data::{DataError, DataSpec, Labels, open};
use proptest::prelude::*;

use super::{RGB8, gzipped, idx, npy, png, put, put_zip, refusal, scrambled, spec, tarred};

/// Opens `path`, expects an error, and returns what it says. The name must be in it.
fn refused(path: &Path) -> (DataError, String) {
    let (error, story) = refusal(&spec(path));
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(story.contains(name), "{name} is not named in: {story}");
    (error, story)
}

#[test]
fn zip_entries_that_climb_out_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let picture = png(RGB8, 1);
    for name in ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png"] {
        let path = put_zip(folder.path().join("slip.zip"), &[("a.png", &picture), ("X", b"")], false);
        // The writer cleans names, so the name is put in place of another of its length.
        let path = rename_in_zip(&path, &[("a.png", &picture)], name);
        let (error, story) = refused(&path);
        assert!(matches!(error, DataError::Refused { .. }), "{name}: {story}");
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["slip.zip"]);
    assert!(!folder.path().parent().unwrap().join("evil.png").exists());
}

/// Writes a zip whose one entry has a name of the same length, then puts `name` into the bytes.
fn rename_in_zip(path: &Path, entries: &[(&str, &[u8])], name: &str) -> PathBuf {
    let placeholder = "q".repeat(name.len());
    let path = put_zip(path.to_path_buf(), &[(&*placeholder, entries[0].1)], false);
    let mut bytes = std::fs::read(&path).unwrap();
    replace(&mut bytes, placeholder.as_bytes(), name.as_bytes());
    put(path, &bytes)
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        (0..=bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn names_that_occur_twice_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = put_zip(
        folder.path().join("twice.zip"),
        &[("aaa.png", &png(RGB8, 1)), ("bbb.png", &png(RGB8, 2))],
        false,
    );
    let mut bytes = std::fs::read(&path).unwrap();
    replace(&mut bytes, b"bbb.png", b"aaa.png");
    let (error, story) = refused(&put(path, &bytes));
    assert!(matches!(error, DataError::Refused { .. }) && story.contains("same name"), "{story}");
    let path = put_zip(
        folder.path().join("slash.zip"),
        &[("a/a.png", &png(RGB8, 1)), ("a|a.png", &png(RGB8, 2))],
        false,
    );
    let mut bytes = std::fs::read(&path).unwrap();
    replace(&mut bytes, b"a|a.png", b"a\\a.png");
    assert!(matches!(refused(&put(path, &bytes)).0, DataError::Refused { .. }));
}

#[test]
fn zip_bombs_are_refused_before_they_are_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let zeros = vec![0; 64 << 20];
    let path = put_zip(folder.path().join("bomb.zip"), &[("a.png", &zeros)], true);
    // What is asked for is a picture, and zeros are none.
    assert!(matches!(refused(&path).0, DataError::Image { .. }));
    // What is asked for is what the header of the array says.
    let path = put_zip(folder.path().join("bomb.npz"), &[("arr_0.npy", &zeros)], true);
    assert!(refused(&path).1.contains("not a numpy array"));
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8, 8, 3), }\n";
    let path = put_zip(folder.path().join("bomb.npz"), &[("arr_0.npy", &npy(header, &zeros))], true);
    assert!(refused(&path).1.contains("promises 384 bytes, the array has more"));
    // A directory that promises more than its bytes can unpack to.
    let mut bytes = std::fs::read(&path).unwrap();
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&(3u32 << 30).to_le_bytes());
    let (error, story) = refused(&put(path, &bytes));
    assert!(matches!(error, DataError::Refused { .. }) && story.contains("impossible"), "{story}");
}

/// One block of bytes under many names unpacks to many times what is there.
#[test]
fn zip_entries_that_overlap_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = put_zip(
        folder.path().join("overlap.zip"),
        &[("a.png", &scrambled(5000, 1)), ("b.png", &scrambled(100, 2))],
        false,
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let directory: Vec<usize> =
        (0..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(b"PK\x01\x02")).collect();
    // Checksum, both sizes, and where the entry lies: those of the first for the second, too.
    for part in [16..28, 42..46] {
        let first = bytes[directory[0] + part.start..directory[0] + part.end].to_vec();
        bytes[directory[1] + part.start..directory[1] + part.end].copy_from_slice(&first);
    }
    let (error, story) = refused(&put(path, &bytes));
    assert!(matches!(error, DataError::Refused { .. }) && story.contains("overlap"), "{story}");
}

#[test]
fn encrypted_and_linked_entries_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = put_zip(folder.path().join("locked.zip"), &[("a.png", &png(RGB8, 1))], false);
    let mut bytes = std::fs::read(&path).unwrap();
    // The flag "encrypted" in the central directory, eight bytes after its signature.
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[directory + 8] |= 1;
    assert!(matches!(refused(&put(path, &bytes)).0, DataError::Unsupported { .. }));
    let path = folder.path().join("link.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    archive.add_symlink("a.png", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    archive.finish().unwrap();
    let (error, story) = refused(&path);
    assert!(matches!(error, DataError::Refused { .. }) && story.contains("link"), "{story}");
}

#[test]
fn labels_that_do_not_fit_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let picture = png(RGB8, 1);
    for (index, part) in [
        (r#"{"labels": [["other.png", 1]]}"#, "a.png"),
        (r#"{"labels": [["a.png", 2]], "classes": ["x", "y"]}"#, "label 2"),
        (r#"{"labels": [["a.png", 4000000000]]}"#, "4000000000"),
        (r#"{"labels": [["a.png", -1]]}"#, "dataset.json"),
        (r#"{"labels": [["a.png", [0, 2]]]}"#, "dataset.json"),
        (r#"{"labels": "#, "dataset.json"),
    ] {
        let path = put_zip(
            folder.path().join("set.zip"),
            &[("dataset.json", index.as_bytes()), ("a.png", &picture)],
            false,
        );
        let (error, story) = refused(&path);
        assert!(matches!(error, DataError::Labels { .. }) && story.contains(part), "{story}");
    }
    // Without labels it can still be used.
    let index = br#"{"labels": [["a.png", 2]], "classes": ["x", "y"]}"#;
    let path = put_zip(folder.path().join("set.zip"), &[("dataset.json", index), ("a.png", &picture)], false);
    assert!(open(&DataSpec { labels: Labels::None, ..spec(&path) }).is_ok());
}

#[test]
fn object_arrays_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let os_system = b"\x80\x02cos\nsystem\nU\x05touchR.";
    let array = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", os_system);
    let (error, story) = refused(&put_zip(folder.path().join("o.npz"), &[("arr_0.npy", &array)], false));
    assert!(matches!(error, DataError::Refused { .. }) && story.contains("object"), "{story}");
}

#[test]
fn arrays_that_are_not_images_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let long = [0u8; 100];
    for (header, part) in [
        ("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2, 5, 5), }", "<f2"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 5, 5, 2), }", "[2, 5, 5, 2]"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 50), }", "reshape"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (100,), }", "[100]"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 2, 2, 3), }", "108 bytes"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (7, 2, 2, 3), }", "84 bytes"),
        (
            "{'descr': '|u1', 'fortran_order': False, 'shape': (4000000000, 4000000000, 4000000000, 3), }",
            "any disk",
        ),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 2, 2, 3), }", ""),
        ("{'descr': '|u1', __import__('os'), }", "header"),
    ] {
        let (header_len, bytes) = (header.len(), if header.contains("(0,") { &long[..0] } else { &long[..] });
        assert!(header_len < 200);
        let path = put_zip(folder.path().join("a.npz"), &[("arr_0.npy", &npy(header, bytes))], false);
        let (_, story) = refused(&path);
        assert!(story.contains(part), "{header}: {story}");
    }
    let path = put_zip(folder.path().join("a.npz"), &[("pictures.npy", b"")], false);
    assert!(refused(&path).1.contains("pictures.npy"));
}

#[test]
fn idx_files_that_lie_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, bytes) in [
        ("train-images-idx3-ubyte", idx(2051, &[2, 2, 2], &[0; 7])),
        ("train-images-idx3-ubyte", idx(2051, &[2, 2, 2], &[0; 9])),
        ("train-images-idx3-ubyte", idx(2049, &[8], &[0; 8])),
        ("train-images-idx3-ubyte", idx(2051, &[2, 2], &[])),
        ("train-images-idx3-ubyte", idx(2051, &[u32::MAX, u32::MAX, u32::MAX], &[0; 8])),
        ("train-images-idx3-ubyte", idx(2051, &[1, 60_000, 1], &[0; 60_000])),
        ("train-images-idx3-ubyte", idx(2051, &[0, 28, 28], &[])),
        ("train-images-idx3-ubyte", Vec::new()),
        ("t10k-images-idx3-ubyte.gz", gzipped(&idx(2051, &[2, 2, 2], &[0; 8]))[..20].to_vec()),
        // What is asked for is what the header says, however much follows.
        ("t10k-images-idx3-ubyte.gz", gzipped(&idx(2051, &[1, 1 << 7, 1 << 7], &vec![0; 1 << 26]))),
    ] {
        let file = put(path(name), &bytes);
        refused(&file);
        std::fs::remove_file(file).unwrap();
    }
    put(path("train-images-idx3-ubyte"), &idx(2051, &[2, 2, 2], &[0; 8]));
    put(path("train-labels-idx1-ubyte"), &idx(2049, &[3], &[0; 3]));
    let (error, story) = refusal(&spec(folder.path()));
    assert!(matches!(error, DataError::Labels { .. }) && story.contains("3 labels for 2"), "{story}");
}

/// Pickles that would run a program in Python, each in the place of a CIFAR batch.
#[test]
fn pickles_that_call_anything_are_refused_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("PWNED");
    let command = format!("touch {}", marker.display());
    let text = |opcode: u8| {
        let mut bytes = vec![opcode, command.len() as u8];
        bytes.extend(command.as_bytes());
        bytes
    };
    let join = |parts: &[&[u8]]| parts.concat();
    for (pickle, part) in [
        (join(&[b"\x80\x02cos\nsystem\n", &text(b'U'), b"\x85R."]), "os.system"),
        (join(&[b"\x80\x04\x8c\x05posix\x8c\x06system\x93", &text(0x8c), b"\x85R."]), "posix.system"),
        (join(&[b"\x80\x02cbuiltins\neval\n", &text(b'U'), b"\x85R."]), "builtins.eval"),
        (join(&[b"cnumpy.core.multiarray\nscalar\n."]), "numpy.core.multiarray.scalar"),
        (join(&[b"\x80\x02(cos\nsystem\n", &text(b'U'), b"o."]), "os.system"),
        (join(&[b"(ios\nsystem\n."]), "instruction 0x69"),
        (join(&[b"\x80\x02P1\n."]), "instruction 0x50"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.".to_vec(), "arguments"),
        (b"\x80\x02}.".to_vec(), "`data`"),
        (b"\x80\x02].".to_vec(), "no dictionary"),
        (b"\x80\x02X\xff\xff\xff\xffabc".to_vec(), "too early"),
        (b"\x80\x04\x8d\x00\x00\x00\x00\x00\x00\x00\x40abc".to_vec(), "too early"),
        (b"\x80\x02h\x05.".to_vec(), "never stored"),
        (b"\x80\x0200.".to_vec(), "empty stack"),
        (vec![b'('; 5 << 20], "instructions"),
        (Vec::new(), "too early"),
    ] {
        let path = put(folder.path().join("data_batch_1"), &pickle);
        let (_, story) = refusal(&spec(folder.path()));
        assert!(story.contains("data_batch_1") && story.contains(part), "{part}: {story}");
        assert!(!marker.exists(), "{part}: a program was run");
        let archive = put(folder.path().join("py.tar.gz"), &gzipped(&tarred(&[("x/data_batch_1", &pickle)])));
        if pickle.len() < 1000 {
            assert!(refusal(&spec(&archive)).1.contains(part));
        }
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(archive).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

/// A list in itself, and text copied from a copy of a copy: neither may loop or grow.
#[test]
fn pickles_that_tie_knots_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut copies = b"\x80\x02}(U\x04data".to_vec();
    copies.extend(b"c_codecs\nencode\nq\x01X\x00\x10\x00\x00");
    copies.extend([b'a'; 4096]);
    copies.extend(b"q\x02U\x06latin1q\x03\x86R0");
    for _ in 0..10_000 {
        copies.extend(b"h\x01h\x02h\x03\x86R0");
    }
    for pickle in [b"\x80\x02}q\x01(U\x04datah\x01U\x06labels]q\x02h\x02au.".to_vec(), copies] {
        put(folder.path().join("data_batch_1"), &pickle);
        assert!(refusal(&spec(folder.path())).1.contains("data_batch_1"));
    }
}

#[test]
fn tar_archives_that_climb_repeat_or_explode_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let batch = scrambled(3073, 1);
    for (name, entries, part) in [
        ("slip.tar.gz", vec![("../data_batch_1.bin", &batch[..])], "climbs out"),
        ("root.tar.gz", vec![("/data_batch_1.bin", &batch[..])], "absolute"),
        (
            "twice.tar.gz",
            vec![("a/data_batch_1.bin", &batch[..]), ("b/data_batch_1.bin", &batch)],
            "two entries",
        ),
        ("other.tar.gz", vec![("a/b.txt", &batch[..])], "CIFAR"),
        ("short.tar.gz", vec![("a/data_batch_1.bin", &batch[..3000])], "record"),
        ("missing.tar.gz", vec![("a/data_batch_1.bin", &batch[..])], "missing"),
    ] {
        let path = put(folder.path().join(name), &gzipped(&tarred(&entries)));
        let (_, story) = refused(&path);
        assert!(story.contains(part), "{story}");
    }
    let zeros = vec![0; 32 << 20];
    let bomb = gzipped(&tarred(&[("a/data_batch_1.bin", &zeros)]));
    let (_, story) = refused(&put(folder.path().join("bomb.tar.gz"), &bomb));
    assert!(story.contains("record"), "{story}");
    let good = gzipped(&tarred(&[("a/data_batch_1.bin", &batch)]));
    refused(&put(folder.path().join("cut.tar.gz"), &good[..good.len() / 2]));
    // A long-name extension that promises a gigabyte is passed over, not read into memory.
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    refused(&put(folder.path().join("long.tar"), header.as_bytes()));
}

#[test]
fn truncated_archives_are_errors_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = put_zip(folder.path().join("cut.zip"), &[("a.png", &png(RGB8, 1))], false);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        put(path.clone(), &whole[..length]);
        refused(&path);
    }
}

/// A flipped bit in a picture is found by its checksum and blamed on the picture.
#[test]
fn a_damaged_entry_is_found_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        put_zip(folder.path().join("set.zip"), &[("a.png", &png(RGB8, 1)), ("b.png", &png(RGB8, 2))], false);
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.windows(5).position(|w| w == b"b.png").unwrap();
    bytes[second + 60] ^= 0x10;
    let set = super::open_path(&put(path, &bytes));
    assert!(set.sample(0).is_ok());
    let error = set.sample(1).unwrap_err();
    assert!(error.to_string().contains("set.zip:b.png"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes stand behind a plausible name or start, opening ends, and without a panic.
    #[test]
    fn noise_in_any_container_is_an_error(
        noise in proptest::collection::vec(any::<u8>(), 0..400), kind in 0usize..7,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (name, start): (&str, &[u8]) = [
            ("a.zip", &b"PK\x03\x04"[..]),
            ("a.npz", b"PK\x03\x04"),
            ("a.tar.gz", b"\x1f\x8b\x08"),
            ("a.tar", b""),
            ("train-images-idx3-ubyte", b"\0\0\x08\x03"),
            ("data_batch_1", b"\x80\x02}"),
            ("train-images-idx3-ubyte.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\0"),
        ][kind];
        put(folder.path().join(name), &[start, &noise].concat());
        let source = if name == "data_batch_1" { folder.path().to_path_buf() } else { folder.path().join(name) };
        prop_assert!(open(&spec(&source)).is_err());
    }
}
