//! How files lie: folders and archives by one set of rules, links, and what is no file.

use std::path::{Path, PathBuf};

use onestep::data::{DataError, DataSpec, Dataset, Labels, PassedOverReason, Split, open};

use super::{RGB8, labels, npy, open_path, png, put, put_zip, refusal, scrambled, spec, story, values};

/// The same files as a folder and as a zip.
fn both(home: &Path, files: &[(&str, &[u8])]) -> [PathBuf; 2] {
    let folder = home.join("folder");
    let _ = std::fs::remove_dir_all(&folder);
    files.iter().for_each(|(name, bytes)| drop(put(folder.join(name), bytes)));
    [folder, put_zip(home.join("packed.zip"), files, true)]
}

/// The class of every image by name.
fn classes(set: &dyn Dataset) -> Vec<String> {
    let name = |label: Option<usize>| label.map_or("-".to_owned(), |label| set.class_names()[label].clone());
    labels(set).into_iter().map(name).collect()
}

#[test]
fn class_folders_named_by_numbers_count() {
    let home = tempfile::tempdir().unwrap();
    let picture = png(RGB8, 1);
    let names: Vec<String> = (0..12).map(|class| format!("{class}/0.png")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &*picture)).collect();
    for path in both(home.path(), &files) {
        let set = open_path(&path);
        let counted: Vec<String> = (0..12).map(|class: usize| class.to_string()).collect();
        assert_eq!(set.class_names(), counted);
        for index in 0..12 {
            let class = set.sample(index).unwrap().label.unwrap();
            assert!(Path::new(&set.source(index).replace(':', "/")).ends_with(format!("{class}/0.png")));
        }
    }
}

#[test]
fn folders_and_archives_have_the_same_classes_however_deep() {
    let home = tempfile::tempdir().unwrap();
    let p = png(RGB8, 1);
    let rows: [(&[&str], &[&str], &[&str]); 6] = [
        (&["img2/1.png", "img10/1.png"], &["img2", "img10"], &["img10", "img2"]),
        (
            &["CAT/1.png", "Cat/1.png", "Food, Drink/1.png", "cat/1.png"],
            &["CAT", "Cat", "Food, Drink", "cat"],
            &["CAT", "Cat", "Food, Drink", "cat"],
        ),
        (
            &["set/all/cat/1.png", "set/all/cat/more/2.png", "set/all/dog/1.png"],
            &["cat", "dog"],
            &["cat", "cat", "dog"],
        ),
        (&["train/1.png", "test/1.png", "bus/1.png"], &["bus", "test", "train"], &["bus", "test", "train"]),
        (&["1.png", "2.png"], &[], &["-", "-"]),
        (&["all/1.png", "all/2.png"], &[], &["-", "-"]),
    ];
    for (names, class_names, expected) in rows {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &*p)).collect();
        for path in both(home.path(), &files) {
            let set = open_path(&path);
            assert_eq!(
                (set.class_names(), &*classes(&*set)),
                (
                    &*class_names.iter().map(|n| n.to_string()).collect::<Vec<_>>(),
                    &*expected.iter().map(|n| n.to_string()).collect::<Vec<_>>()
                )
            );
        }
    }
    // Beside class folders there is no class; without labels nobody asks.
    for path in both(home.path(), &[("cat/1.png", &p), ("dog/1.png", &p), ("2.png", &p)]) {
        let (error, story) = refusal(&spec(&path));
        assert!(
            matches!(error, DataError::Labels { .. }) && story.contains("1 image lies beside"),
            "{story}"
        );
        let unlabelled = open(&DataSpec { labels: Labels::None, ..spec(&path) }).unwrap();
        assert_eq!((unlabelled.len(), unlabelled.class_names().len()), (3, 0));
    }
}

#[test]
fn parts_of_a_set_are_found_in_folders_and_archives() {
    let home = tempfile::tempdir().unwrap();
    let pictures = [1, 2, 3, 4].map(|seed| png(RGB8, seed));
    let files: [(&str, &[u8]); 5] = [
        ("set/train/a/1.png", &pictures[0]),
        ("set/train/b/2.png", &pictures[1]),
        ("set/valid/a/3.png", &pictures[2]),
        ("set/test/b/4.png", &pictures[3]),
        ("set/README.md", b"parts"),
    ];
    for path in both(home.path(), &files) {
        let part = |split| open(&DataSpec { split: Some(split), ..spec(&path) }).unwrap();
        assert_eq!(classes(&*open_path(&path)), ["a", "b"]);
        for (split, n, seed) in [(Split::Train, 2, 1), (Split::Val, 1, 3), (Split::Test, 1, 4)] {
            assert_eq!((part(split).len(), part(split).sample(0).unwrap().values), (n, values(RGB8, seed)));
        }
    }
    // Classes have the same numbers in every part: those of the part to learn from, and behind them what only another has.
    let p = &*pictures[0];
    for (files, test) in [
        (&["train/a/1.png", "train/b/1.png", "test/b/1.png"][..], (vec!["a", "b"], vec!["b"])),
        (
            &["train/b/1.png", "train/c/1.png", "test/c/1.png", "test/a/1.png"],
            (vec!["b", "c", "a"], vec!["a", "c"]),
        ),
        (&["train/a/1.png", "train/b/1.png", "test/c/1.png"], (vec!["a", "b", "c"], vec!["c"])),
        (&["train/images/1.png", "test/pictures/1.png"], (vec![], vec!["-"])),
    ] {
        let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, p)).collect();
        for path in both(home.path(), &files) {
            let set = open(&DataSpec { split: Some(Split::Test), ..spec(&path) }).unwrap();
            assert_eq!(
                (set.class_names().to_vec(), classes(&*set)),
                (
                    test.0.iter().map(|n| n.to_string()).collect(),
                    test.1.iter().map(|n| n.to_string()).collect()
                )
            );
        }
    }
    let index = br#"{"labels": [["train/1.png", 4], ["test/1.png", 1]]}"#;
    for path in both(home.path(), &[("train/1.png", p), ("test/1.png", p), ("dataset.json", index)]) {
        let set = open(&DataSpec { split: Some(Split::Test), ..spec(&path) }).unwrap();
        assert_eq!((set.class_names().len(), labels(&*set)), (5, vec![Some(1)]));
    }
    for path in both(home.path(), &files[..3]) {
        let (error, story) = refusal(&DataSpec { split: Some(Split::Test), ..spec(&path) });
        assert!(matches!(error, DataError::NoSplit { split: Split::Test, .. }), "{story}");
        assert!(story.contains("`test`"), "{story}");
    }
    for text in ["val", "validation", "valid"] {
        let spec: DataSpec = toml::from_str(&format!("source = \"a\"\nsplit = \"{text}\"")).unwrap();
        assert_eq!(spec.split, Some(Split::Val));
    }
}

#[test]
fn an_index_counts_from_where_it_lies() {
    let home = tempfile::tempdir().unwrap();
    let [a, b] = [1, 2].map(|seed| png(RGB8, seed));
    let index = |text: &'static str| text.as_bytes();
    for (folder, text, class_names, expected) in [
        // EDM's folders are numbered, and are no classes.
        ("", r#"{"labels": [["00000/a.png", 6], ["00001/b.png", 0]]}"#, 7, [6, 0]),
        ("some/where/", r#"{"labels": [["00000\\a.png", 1], ["00001/b.png", 0]]}"#, 2, [1, 0]),
        // A float and a place among zeros are classes as well; a list has as many as it is long.
        ("", r#"{"labels": [["00000/a.png", 2.0], ["00001/b.png", 1]]}"#, 3, [2, 1]),
        ("x/", r#"{"labels": [["00000/a.png", [0.0, 1.0, 0.0]], ["00001/b.png", [1, 0, 0]]]}"#, 3, [1, 0]),
    ] {
        let names = ["00000/a.png", "00001/b.png", "dataset.json"].map(|name| format!("{folder}{name}"));
        let files: [(&str, &[u8]); 3] = [(&names[0], &a), (&names[1], &b), (&names[2], index(text))];
        for path in both(home.path(), &files) {
            let set = open_path(&path);
            assert_eq!(
                (set.class_names().len(), labels(&*set)),
                (class_names, expected.map(Some).to_vec()),
                "{text}"
            );
            assert_eq!(set.passed_over().n(), 0);
        }
    }
    // Other tools keep other things in files of this name, and some editors begin with a mark of the order of bytes.
    let folders = [("cat/a.png", &*a), ("dog/b.png", &*b)];
    for (text, expected) in [
        ("{\"name\": \"pets\"}", ["cat", "dog"]),
        ("\u{feff}{\"labels\": [[\"cat/a.png\", 1], [\"dog/b.png\", 0]]}", ["1", "0"]),
    ] {
        for path in both(home.path(), &[&folders[..], &[("dataset.json", index(text))]].concat()) {
            assert_eq!(classes(&*open_path(&path)), expected, "{text}");
        }
    }
    // Without labels, the folders are still no classes.
    for path in
        both(home.path(), &[("0/a.png", &a), ("1/b.png", &b), ("dataset.json", br#"{"labels": null}"#)])
    {
        assert!(open_path(&path).class_names().is_empty());
    }
    for (text, part) in [
        (r#"{"labels": [["a.png", 0.5]]}"#, "0.5"),
        (r#"{"labels": [["a.png", -1]]}"#, "count from 0"),
        (r#"{"labels": [["a.png", "cat"]]}"#, "the text `cat`"),
        (r#"{"labels": [["a.png", [1, 1]]]}"#, "single one among zeros"),
        (r#"{"labels": [["a.png", []]]}"#, "single one among zeros"),
        (r#"{"labels": [["a.png", [1, 0]], ["b.png", 1]]}"#, "some are lists"),
        (r#"{"labels": [["a.png", [1, 0]], ["b.png", [1]]]}"#, "some are lists"),
        (r#"{"labels": [["a.png", 1], ["a.png", 7]]}"#, "two labels, 1 and 7"),
        (r#"{"labels": {"a.png": 3}}"#, "expected"),
        ("broken", "expected"),
    ] {
        for path in both(home.path(), &[("a.png", &a), ("dataset.json", index(text))]) {
            let (error, story) = refusal(&spec(&path));
            assert!(matches!(error, DataError::Labels { .. }) && story.contains(part), "{part}: {story}");
            assert!(story.contains("dataset.json") && story.contains("labels = false"), "{story}");
            // Nobody reads what nobody wants.
            assert_eq!(open(&DataSpec { labels: Labels::None, ..spec(&path) }).unwrap().len(), 1);
        }
    }
}

/// Labels that are broken, or differ between sources, stop nobody who wants none.
#[test]
fn labels_that_are_not_wanted_are_not_read() {
    let home = tempfile::tempdir().unwrap();
    let images =
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8, 8, 3), }\n", &scrambled(384, 1));
    let texts = npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", &[0; 24]);
    let table = put_zip(home.path().join("a.npz"), &[("arr_0.npy", &images), ("arr_1.npy", &texts)], true);
    let classes = put(home.path().join("classes/a/1.png"), &png(RGB8, 1))
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    put(classes.join("b/1.png"), &png(RGB8, 2));
    let loose = put(home.path().join("loose/1.png"), &png(RGB8, 3)).parent().unwrap().to_owned();
    let [given, none] = [Labels::Given, Labels::None];
    let joined = format!("{},{}", classes.display(), loose.display());
    for source in [table.display().to_string(), joined] {
        let spec = |labels| DataSpec { labels, ..DataSpec::new(&source) };
        assert!(open(&spec(given)).is_err());
        let set = open(&spec(none)).unwrap_or_else(|error| panic!("{}", story(&error)));
        assert!(set.class_names().is_empty() && set.sample(0).unwrap().label.is_none());
    }
}

#[test]
fn classes_are_taken_from_file_names_on_request() {
    let home = tempfile::tempdir().unwrap();
    let p = png(RGB8, 1);
    for path in both(home.path(), &[("x/dog_1.png", &p), ("y/cat_1_big.png", &p), ("y/dog_2.png", &p)]) {
        let named = DataSpec { labels: Labels::FileName, ..spec(&path) };
        let set = open(&named).unwrap();
        assert_eq!(
            (set.class_names(), &*classes(&*set)),
            (
                &["cat".to_owned(), "dog".to_owned()][..],
                &["dog".to_owned(), "cat".to_owned(), "dog".to_owned()][..]
            )
        );
        assert_ne!(set.fingerprint(), open_path(&path).fingerprint());
    }
    for name in ["plain.png", "_1.png"] {
        for path in both(home.path(), &[(name, &p), ("a_1.png", &p)]) {
            let (error, story) = refusal(&DataSpec { labels: Labels::FileName, ..spec(&path) });
            assert!(matches!(error, DataError::Labels { .. }) && story.contains(name), "{story}");
        }
    }
    let emoji = DataSpec { labels: Labels::FileName, ..DataSpec::new("builtin:emoji") };
    assert!(refusal(&emoji).1.contains("are no files"));
}

#[test]
fn pictures_go_by_many_endings_or_none() {
    let home = tempfile::tempdir().unwrap();
    let p = png(RGB8, 1);
    let files: [(&str, &[u8]); 8] = [
        ("a.JFIF", &p),
        ("b.jpe", &p),
        ("c", &p),
        ("d", b"a text"),
        ("e.txt", &p),
        (".thumbnail.png", &p),
        ("__MACOSX/a.png", &p),
        ("f.d/g", &p),
    ];
    for path in both(home.path(), &files) {
        let set = open(&DataSpec { labels: Labels::None, ..spec(&path) }).unwrap();
        let names: Vec<String> = (0..set.len()).map(|index| set.source(index)).collect();
        for (name, end) in names.iter().zip(["a.JFIF", "b.jpe", "c", "f.d/g"]) {
            assert!(name.ends_with(end), "{name}");
            assert_eq!(set.sample(0).unwrap().values, values(RGB8, 1));
        }
        let passed_over = set.passed_over();
        let counts: Vec<_> = passed_over.groups().map(|(reason, group)| (reason, group.n)).collect();
        assert_eq!(
            (names.len(), counts),
            (4, vec![(PassedOverReason::NoPicture, 2), (PassedOverReason::Hidden, 2)])
        );
        assert!(
            passed_over.to_string().starts_with("2 are no pictures (d, e.txt); 2 are hidden (.thumbnail.png")
        );
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_wherever_they_lead_but_in_circles() {
    use std::os::unix::fs::symlink;
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = put(elsewhere.path().join("one.png"), &png(RGB8, 7));
    put(elsewhere.path().join("dogs/1.png"), &png(RGB8, 8));
    let set = home.path().join("set");
    put(set.join("cat/a.png"), &png(RGB8, 1));
    symlink(&file, set.join("cat/b.png")).unwrap();
    symlink(elsewhere.path().join("dogs"), set.join("dog")).unwrap();
    symlink(&set, set.join("cat/again")).unwrap();
    symlink("gone.png", set.join("cat/c.png")).unwrap();
    symlink("itself", set.join("itself")).unwrap();
    let found = open_path(&set);
    assert_eq!(classes(&*found), ["cat", "cat", "dog"]);
    assert_eq!(found.sample(1).unwrap().values, values(RGB8, 7));
    assert_eq!(found.sample(2).unwrap().values, values(RGB8, 8));
    let passed_over = found.passed_over();
    let groups: Vec<_> =
        passed_over.groups().map(|(reason, group)| (reason, group.first.join(" "))).collect();
    let expected =
        [(PassedOverReason::BrokenLink, "cat/c.png itself"), (PassedOverReason::CircularLink, "cat/again")];
    assert_eq!(groups, expected.map(|(reason, names)| (reason, names.to_owned())));
    // A set is what is in it: files where the links were are the same.
    let before = found.fingerprint();
    std::fs::remove_file(set.join("cat/b.png")).unwrap();
    put(set.join("cat/b.png"), &png(RGB8, 7));
    assert_eq!(open_path(&set).fingerprint(), before);
    // A link may be the source itself.
    symlink(&set, home.path().join("link")).unwrap();
    assert_eq!(open_path(&home.path().join("link")).fingerprint(), before);
}

/// A pipe gives nothing until somebody writes into it: looking at it must not wait for that.
#[cfg(unix)]
#[test]
fn pipes_sockets_and_devices_are_never_opened() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    put(path("set/a.png"), &png(RGB8, 1));
    let made = std::process::Command::new("mkfifo")
        .args(["set/pipe.png", "set/pipe", "set/train-images-idx3-ubyte", "pipe"].map(path))
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(path("set/socket.png")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("set/endless.png")).unwrap();
    let set = open_path(&path("set"));
    let counts: Vec<_> = set.passed_over().groups().map(|(reason, group)| (reason, group.n)).collect();
    assert_eq!((set.len(), counts), (1, vec![(PassedOverReason::NoFile, 5)]));
    for source in [path("pipe"), "/dev/zero".into(), "/dev/null".into(), path("set/socket.png")] {
        let (error, story) = refusal(&spec(&source));
        assert!(matches!(error, DataError::Refused { .. }) && story.contains("not a file"), "{story}");
        assert!(!onestep::eval::Collection::is_in(&source));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_read_and_named_as_well_as_can_be() {
    use std::os::unix::ffi::OsStrExt;
    let home = tempfile::tempdir().unwrap();
    let name = |bytes: &'static [u8]| home.path().join(std::ffi::OsStr::from_bytes(bytes));
    put(name(b"k\xe4tze").join("1.png"), &png(RGB8, 1));
    put(name(b"hund").join(std::ffi::OsStr::from_bytes(b"\xff.png")), &png(RGB8, 2));
    let set = open_path(home.path());
    assert_eq!(set.class_names(), ["hund", "k\u{fffd}tze"]);
    assert_eq!(set.sample(0).unwrap().values, values(RGB8, 2));
    assert!(set.source(1).contains("k\u{fffd}tze"));
    assert_eq!(set.fingerprint().len(), 64);
}
