//! Every container, made here and read back.

use std::path::Path;

use onestep::data::{DataError, DataSpec, Dataset, ImageShape, Labels, Split, check, open, spread};

use super::{
    RGB8, gzipped, idx, labels, npy, open_path, png, put, put_zip, refusal, scrambled, spec, story, tarred,
    values,
};

const CIFAR: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };

#[test]
fn a_folder_of_images_is_read_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("b.png", 2), ("a.PNG", 1), (".hidden.png", 9), ("c.png", 3)] {
        put(folder.path().join(name), &png(RGB8, seed));
    }
    put(folder.path().join("notes.txt"), b"not an image");
    let set = open_path(folder.path());
    assert_eq!((set.len(), set.shape(), set.passed_over().n()), (3, RGB8, 2));
    assert!(set.class_names().is_empty());
    for (index, seed) in [1, 2, 3].into_iter().enumerate() {
        let sample = set.sample(index).unwrap();
        assert_eq!((sample.values, sample.label), (values(RGB8, seed), None));
        // The second time it comes from the cache.
        assert_eq!(set.sample(index).unwrap().values, values(RGB8, seed));
    }
    assert!(set.source(0).ends_with("a.PNG"));
    assert!(matches!(set.sample(3), Err(DataError::Index { index: 3, len: 3 })));
}

#[test]
fn class_folders_give_labels_by_sorted_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("dog/1.png", 1), ("cat/1.png", 2), ("cat/0.png", 3), ("empty/x.txt", 0)] {
        put(folder.path().join(name), &png(RGB8, seed));
    }
    let set = open_path(folder.path());
    assert_eq!(set.class_names(), ["cat", "dog"]);
    assert_eq!(labels(&*set), [0, 0, 1].map(Some));
    assert_eq!(set.sample(0).unwrap().values, values(RGB8, 3));
    let unlabelled = open(&DataSpec { labels: Labels::None, ..spec(folder.path()) }).unwrap();
    assert_eq!(unlabelled.sample(0).unwrap().label, None);
    assert_ne!(unlabelled.fingerprint(), set.fingerprint());
    put(folder.path().join("loose.png"), &png(RGB8, 4));
    let (error, _) = refusal(&spec(folder.path()));
    assert!(matches!(error, DataError::Labels { .. }), "{error}");
    assert_eq!(open(&DataSpec { labels: Labels::None, ..spec(folder.path()) }).unwrap().len(), 4);
}

#[test]
fn train_and_test_folders_are_the_two_splits() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("train/a/1.png"), &png(RGB8, 1));
    put(folder.path().join("test/a/1.png"), &png(RGB8, 2));
    let test = DataSpec { split: Some(Split::Test), ..spec(folder.path()) };
    assert_eq!(open_path(folder.path()).sample(0).unwrap().values, values(RGB8, 1));
    assert_eq!(open(&test).unwrap().sample(0).unwrap().values, values(RGB8, 2));
    let (error, _) = refusal(&DataSpec { split: Some(Split::Test), ..spec(&folder.path().join("test")) });
    assert!(matches!(error, DataError::NoSplit { .. }), "{error}");
}

#[test]
fn sizes_that_differ_need_an_image_size() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("a.png"), &png(RGB8, 1));
    put(folder.path().join("b.png"), &png(ImageShape { width: 10, ..RGB8 }, 2));
    let (error, story) = refusal(&spec(folder.path()));
    assert!(matches!(error, DataError::MixedSizes { .. }));
    for part in ["a.png", "8x8", "b.png", "10x8", "image_size"] {
        assert!(story.contains(part), "{part} in: {story}");
    }
    let set = open(&DataSpec { image_size: Some(4.into()), ..spec(folder.path()) }).unwrap();
    assert_eq!(set.shape(), ImageShape { height: 4, width: 4, channels: 3 });
    assert!(check(&*set, |_| {}).bad.is_empty());
}

#[test]
fn check_lists_every_bad_image_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        put(folder.path().join(format!("{seed}.png")), &png(RGB8, seed));
    }
    put(folder.path().join("1.png"), b"no picture at all");
    put(folder.path().join("4.png"), &png(RGB8, 4)[..60]);
    let set = open_path(folder.path());
    let mut done = Vec::new();
    let report = check(&*set, |n| done.push(n));
    assert_eq!(done, [1, 2, 3, 4, 5, 6]);
    let bad: Vec<_> = report.bad.iter().map(|bad| bad.index).collect();
    assert_eq!((bad, report.n_unlabelled), (vec![1, 4], 4));
    assert!(report.bad[0].source.ends_with("1.png"));
    assert!(story(&report.bad[1].error).contains("4.png"));
}

#[test]
fn a_zip_takes_labels_and_classes_from_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (png(RGB8, 1), png(RGB8, 2));
    let index = br#"{"labels": [["00000/b.png", 1], ["00000/a.png", 0]], "classes": ["x", "y"]}"#;
    for packed in [false, true] {
        let path = put_zip(
            folder.path().join("set.zip"),
            &[("dataset.json", index), ("00000/b.png", &b), ("00000/a.png", &a), ("readme.md", b"?")],
            packed,
        );
        let set = open_path(&path);
        assert_eq!((set.len(), set.shape(), set.passed_over().n()), (2, RGB8, 1));
        assert_eq!(set.class_names(), ["x", "y"]);
        assert_eq!(labels(&*set), [Some(0), Some(1)]);
        assert_eq!(set.sample(0).unwrap().values, values(RGB8, 1));
        assert!(set.source(1).ends_with("set.zip:00000/b.png"));
    }
    for index in [&br#"{"labels": null}"#[..], br#"{}"#] {
        let path = put_zip(folder.path().join("set.zip"), &[("dataset.json", index), ("a.png", &a)], false);
        assert_eq!(open_path(&path).sample(0).unwrap().label, None);
    }
    let path = put_zip(folder.path().join("set.zip"), &[("a.png", &a)], false);
    assert!(open_path(&path).class_names().is_empty());
}

#[test]
fn several_sources_are_joined_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let zip = |name: &str, seed: u32, label: u32| {
        let index = format!("{{\"labels\": [[\"a.png\", {label}]]}}");
        put_zip(
            folder.path().join(name),
            &[("dataset.json", index.as_bytes()), ("a.png", &png(RGB8, seed))],
            false,
        )
    };
    let (first, second) = (zip("1.zip", 1, 0), zip("2.zip", 2, 4));
    let both = DataSpec::new(format!("{}, {}", first.display(), second.display()));
    let set = open(&both).unwrap();
    assert_eq!(labels(&*set), [Some(0), Some(4)]);
    assert_eq!(set.class_names().len(), 5);
    assert_eq!(set.sample(1).unwrap().values, values(RGB8, 2));
    assert!(set.source(1).contains("2.zip:a.png"));
    // Numbers and names go together where there are enough names.
    for (named, fits) in [(r#"["a", "b", "c", "d", "e"]"#, true), (r#"["a", "b"]"#, false)] {
        let index = format!("{{\"labels\": [[\"a.png\", 1]], \"classes\": {named}}}");
        let entries = [("dataset.json", index.as_bytes()), ("a.png", &*png(RGB8, 1))];
        put_zip(first.clone(), &entries, false);
        assert_eq!(open(&both).is_ok(), fits, "{named}");
    }
    put_zip(second.clone(), &[("a.png", &png(RGB8, 2))], false);
    let (error, story) = refusal(&both);
    assert!(matches!(error, DataError::Labels { .. }) && story.contains("2.zip"), "{story}");
    let (error, _) = refusal(&DataSpec::new(format!("{},missing.zip", first.display())));
    assert!(matches!(error, DataError::NotFound { path } if path == Path::new("missing.zip")));
}

#[test]
fn an_npz_may_be_grey_and_have_short_labels() {
    let folder = tempfile::tempdir().unwrap();
    let images = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), }\n", &scrambled(12, 1));
    let classes: Vec<u8> = [2i32, 0, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
    let classes = npy("{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", &classes);
    let path = put_zip(folder.path().join("a.npz"), &[("arr_0.npy", &images), ("arr_1.npy", &classes)], true);
    let set = open_path(&path);
    assert_eq!(set.shape(), ImageShape { height: 2, width: 2, channels: 1 });
    assert_eq!(labels(&*set), [2, 0, 1].map(Some));
}

#[test]
fn idx_files_are_read_plain_and_gzipped() {
    let images = scrambled(28 * 28 * 3, 5);
    let images_file = idx(2051, &[3, 28, 28], &images);
    let labels_file = idx(2049, &[3], &[7, 0, 7]);
    for gzip in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let pack = |bytes: &[u8]| if gzip { gzipped(bytes) } else { bytes.to_vec() };
        let suffix = if gzip { ".gz" } else { "" };
        for split in ["train", "t10k"] {
            put(folder.path().join(format!("{split}-images-idx3-ubyte{suffix}")), &pack(&images_file));
            put(folder.path().join(format!("{split}-labels-idx1-ubyte{suffix}")), &pack(&labels_file));
        }
        let set = open_path(folder.path());
        assert_eq!(set.shape(), ImageShape { height: 28, width: 28, channels: 1 });
        assert_eq!(labels(&*set), [7, 0, 7].map(Some));
        assert_eq!(set.sample(1).unwrap().values[0], f32::from(images[784]) / 127.5 - 1.0);
        let test = open(&DataSpec { split: Some(Split::Test), ..spec(folder.path()) }).unwrap();
        assert_eq!(test.fingerprint(), set.fingerprint(), "the same contents");
        let file = folder.path().join(format!("train-images-idx3-ubyte{suffix}"));
        assert_eq!(labels(&*open_path(&file)), labels(&*set));
        // At 32 the digits keep their pixels and get a border.
        let padded = open(&DataSpec { image_size: Some(32.into()), ..spec(folder.path()) }).unwrap();
        let bordered = padded.sample(1).unwrap().values;
        assert!(bordered[..2 * 32 + 2].iter().all(|&value| value == -1.0));
        assert_eq!(bordered[2 * 32 + 2..2 * 32 + 30], set.sample(1).unwrap().values[..28]);
        // Labels that nobody wants are not looked at.
        put(folder.path().join(format!("train-labels-idx1-ubyte{suffix}")), b"no labels");
        let unlabelled = DataSpec { labels: false.into(), ..spec(folder.path()) };
        assert!(open(&unlabelled).unwrap().class_names().is_empty());
        let resized = open(&DataSpec { image_size: Some(14.into()), ..unlabelled }).unwrap();
        assert_eq!(resized.sample(0).unwrap().values.len(), 14 * 14);
    }
}

/// One record per label: the label bytes, then three planes.
fn cifar_records(label_bytes: usize, classes: &[u8]) -> Vec<u8> {
    let record = |(seed, &class): (usize, &u8)| {
        let mut record = vec![99; label_bytes - 1];
        record.push(class);
        record.extend(scrambled(3072, seed as u32));
        record
    };
    classes.iter().enumerate().flat_map(record).collect()
}

/// The planes of a record, channels last.
fn interleaved(seed: u32) -> Vec<f32> {
    let planes = scrambled(3072, seed);
    let byte = |i: usize| planes[i % 3 * 1024 + i / 3];
    (0..3072).map(|i| f32::from(byte(i)) / 127.5 - 1.0).collect()
}

fn cifar_10_files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        (1..=5u8).map(|batch| (format!("data_batch_{batch}.bin"), cifar_records(1, &[batch, 0]))).collect();
    files.push(("test_batch.bin".to_owned(), cifar_records(1, &[9])));
    files.push((
        "batches.meta.txt".to_owned(),
        b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n".to_vec(),
    ));
    files
}

#[test]
fn cifar_10_is_read_from_folder_and_archive() {
    let folder = tempfile::tempdir().unwrap();
    let files = cifar_10_files();
    let batches = folder.path().join("data/cifar-10-batches-bin");
    for (name, bytes) in &files {
        put(batches.join(name), bytes);
    }
    let names: Vec<String> = files.iter().map(|(name, _)| format!("cifar-10-batches-bin/{name}")).collect();
    let entries: Vec<(&str, &[u8])> =
        names.iter().zip(&files).map(|(name, (_, bytes))| (&**name, &**bytes)).collect();
    let archive = put(folder.path().join("cifar-10-binary.tar.gz"), &gzipped(&tarred(&entries)));
    let sources = [batches.clone(), folder.path().join("data"), archive];
    let sets = sources.each_ref().map(|path| open_path(path));
    for set in &sets {
        assert_eq!((set.len(), set.shape()), (10, CIFAR));
        assert_eq!(labels(&**set), [1, 0, 2, 0, 3, 0, 4, 0, 5, 0].map(Some));
        assert_eq!(set.class_names()[9], "truck");
        assert_eq!(set.sample(1).unwrap().values, interleaved(1));
        assert!(set.source(3).ends_with("data_batch_2.bin, record 1"), "{}", set.source(3));
        assert_eq!(set.fingerprint(), sets[0].fingerprint());
    }
    for source in &sources {
        let test = open(&DataSpec { split: Some(Split::Test), ..spec(source) }).unwrap();
        assert_eq!(labels(&*test), [Some(9)]);
    }
    std::fs::remove_file(batches.join("data_batch_3.bin")).unwrap();
    assert!(refusal(&spec(&batches)).1.contains("data_batch_3.bin"));
}

#[test]
fn cifar_100_has_its_fine_labels() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("train.bin"), &cifar_records(2, &[42, 7]));
    put(folder.path().join("test.bin"), &cifar_records(2, &[3]));
    assert_eq!(labels(&*open_path(folder.path())), [Some(42), Some(7)]);
    assert_eq!(open_path(folder.path()).sample(1).unwrap().values, interleaved(1));
}

/// A batch as Python 2 pickled it (protocol 2, strings), which is how the official files are.
fn pickled_batch(classes: &[u8], labels_key: &str) -> Vec<u8> {
    let n = classes.len() as u8;
    let pixels: Vec<u8> = (0..u32::from(n)).flat_map(|seed| scrambled(3072, seed)).collect();
    let mut file = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x05batchq\x03U".to_vec();
    file.push(labels_key.len() as u8);
    file.extend(labels_key.as_bytes());
    file.extend(b"q\x04]q\x05(");
    classes.iter().for_each(|&class| file.extend([b'K', class]));
    file.extend(b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01K");
    file.push(n);
    file.extend(b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    file.extend((pixels.len() as u32).to_le_bytes());
    file.extend(pixels);
    file.extend(b"tbu.");
    file
}

#[test]
fn cifar_pickles_are_read_without_running_them() {
    let folder = tempfile::tempdir().unwrap();
    let ten = folder.path().join("cifar-10-batches-py");
    for batch in 1..=5u8 {
        put(ten.join(format!("data_batch_{batch}")), &pickled_batch(&[batch, 9], "labels"));
    }
    put(ten.join("test_batch"), &pickled_batch(&[8], "labels"));
    put(ten.join("batches.meta"), b"\x80\x02}q\x01U\x0blabel_namesq\x02]q\x03(U\x08airplaneU\x05plane\x8c\x03catU\x01dU\x01eU\x01fU\x01gU\x01hU\x01iU\x01jes.");
    let set = open_path(folder.path());
    assert_eq!((set.len(), set.shape()), (10, CIFAR));
    assert_eq!(labels(&*set), [1, 9, 2, 9, 3, 9, 4, 9, 5, 9].map(Some));
    assert_eq!(set.class_names()[..3], ["airplane", "plane", "cat"]);
    assert_eq!(set.sample(1).unwrap().values, interleaved(1));
    let hundred = pickled_batch(&[77], "fine_labels");
    let archive =
        gzipped(&tarred(&[("cifar-100-python/train", &hundred), ("cifar-100-python/test", &hundred)]));
    let path = put(folder.path().join("cifar-100-python.tar.gz"), &archive);
    assert_eq!(labels(&*open_path(&path)), [Some(77)]);
}

#[test]
fn a_batch_without_labels_is_read_where_none_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    for batch in 1..=5 {
        put(folder.path().join(format!("data_batch_{batch}")), &pickled_batch(&[batch, 0], "nothing"));
    }
    assert!(refusal(&spec(folder.path())).1.contains("`labels` must be a class number"));
    let set = open(&DataSpec { labels: Labels::None, ..spec(folder.path()) }).unwrap();
    assert_eq!((set.len(), set.class_names().len()), (10, 0));
}

#[test]
fn limits_and_views_are_told_apart_by_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..5 {
        put(folder.path().join(format!("{seed}.png")), &png(RGB8, seed));
    }
    let whole = spec(folder.path());
    let specs = [
        whole.clone(),
        DataSpec { limit: Some(2), ..whole.clone() },
        DataSpec { grey: true, ..whole.clone() },
        DataSpec { image_size: Some(4.into()), ..whole.clone() },
    ];
    assert_eq!(open(&specs[1]).unwrap().len(), 2);
    assert_eq!(open(&specs[2]).unwrap().sample(0).unwrap().values.len(), 64);
    let mut fingerprints = specs.each_ref().map(|spec| open(spec).unwrap().fingerprint());
    assert!(fingerprints.iter().all(|f| f.len() == 64 && f.bytes().all(|b| b.is_ascii_hexdigit())));
    assert_eq!(open(&whole).unwrap().fingerprint(), fingerprints[0]);
    fingerprints.sort();
    assert!(fingerprints.windows(2).all(|pair| pair[0] != pair[1]));
}

/// What a set is does not depend on where it lies; what is in it does, whatever the names, lengths and times of the files.
#[test]
fn a_set_is_known_by_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("set");
    // Portable pixmaps, so that other pixels have the same length.
    let pixmap = |seed| [b"P6 8 8 255\n".to_vec(), scrambled(192, seed)].concat();
    let fill = |home: &Path| {
        for (class, seed) in [("a", 0), ("a", 1), ("a", 2), ("b", 3), ("b", 4)] {
            put(home.join(format!("{class}/{seed}.ppm")), &pixmap(seed));
        }
    };
    fill(&home);
    let before = open_path(&home);
    let [whole, without_1, without_3] =
        [&[][..], &[1], &[3]].map(|left_out| before.fingerprint_without(left_out));
    assert_eq!(whole, before.fingerprint());
    assert_eq!(before.fingerprint_without(&[3, 1, 3]), before.fingerprint_without(&[1, 3]));
    let unlike = [&whole, &without_1, &without_3, &before.fingerprint_without(&[1, 3])];
    assert!(unlike.iter().enumerate().all(|(at, one)| unlike[at + 1..].iter().all(|other| one != other)));
    // The way there and the name are no part of it.
    let renamed = folder.path().join("renamed");
    std::fs::rename(&home, &renamed).unwrap();
    for path in [renamed.clone(), renamed.join("."), folder.path().join("./renamed/../renamed/")] {
        assert_eq!(open_path(&path).fingerprint(), whole, "{}", path.display());
    }
    // Another picture in the place of the second.
    put(renamed.join("a/1.ppm"), &pixmap(77));
    let replaced = open_path(&renamed);
    assert_ne!(replaced.fingerprint(), whole);
    assert_eq!(replaced.fingerprint_without(&[1]), without_1);
    assert_ne!(replaced.fingerprint_without(&[3]), without_3);
    // Removed.
    std::fs::remove_file(renamed.join("a/1.ppm")).unwrap();
    assert_eq!(open_path(&renamed).fingerprint(), without_1);
    // Another name, another class: another set.
    fill(&renamed);
    std::fs::rename(renamed.join("a/1.ppm"), renamed.join("a/11.ppm")).unwrap();
    assert_ne!(open_path(&renamed).fingerprint(), whole);
    std::fs::rename(renamed.join("a/11.ppm"), renamed.join("a/1.ppm")).unwrap();
    assert_eq!(open_path(&renamed).fingerprint(), whole);
    std::fs::rename(renamed.join("b"), renamed.join("c")).unwrap();
    assert_ne!(open_path(&renamed).fingerprint(), whole);
}

/// As in folders, in archives and in tables.
#[test]
fn a_replaced_picture_is_left_out_of_any_container() {
    let folder = tempfile::tempdir().unwrap();
    let zip = |seeds: [u32; 3]| {
        let pictures = seeds.map(|seed| png(RGB8, seed));
        let entries = [("a.png", &*pictures[0]), ("b.png", &*pictures[1]), ("c.png", &*pictures[2])];
        open_path(&put_zip(folder.path().join("set.zip"), &entries, false))
    };
    let table = |seeds: [u32; 3]| {
        let bytes = seeds.map(|seed| scrambled(784, seed)).concat();
        open_path(&put(folder.path().join("some-images-idx3-ubyte"), &idx(2051, &[3, 28, 28], &bytes)))
    };
    for make in [&zip as &dyn Fn([u32; 3]) -> Box<dyn Dataset>, &table] {
        let (before, after) = (make([1, 2, 3]), make([1, 9, 3]));
        assert_ne!(before.fingerprint(), after.fingerprint());
        assert_eq!(before.fingerprint_without(&[1]), after.fingerprint_without(&[1]));
        assert_ne!(before.fingerprint_without(&[0]), after.fingerprint_without(&[0]));
    }
}

/// Folders of classes, and files sorted by class: a limited set has images of every class.
#[test]
fn a_limit_is_spread_over_all_classes() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("folders");
    for class in 0..4 {
        for image in 0..6 {
            put(home.join(format!("{class}/{image}.png")), &png(RGB8, 6 * class + image));
        }
    }
    let whole = open_path(&home);
    let few = open(&DataSpec { limit: Some(8), ..spec(&home) }).unwrap();
    let chosen = spread(24, 8);
    assert_eq!(labels(&*few), [0, 0, 1, 1, 2, 2, 3, 3].map(Some));
    for (index, &of_whole) in chosen.iter().enumerate() {
        assert_eq!(few.sample(index).unwrap(), whole.sample(of_whole).unwrap());
        assert_eq!(few.source(index), whole.source(of_whole));
    }
    assert_eq!(few.class_names(), whole.class_names());
    assert_eq!(
        open(&DataSpec { limit: Some(24), ..spec(&home) }).unwrap().fingerprint(),
        whole.fingerprint()
    );
    // MNIST's files, were they sorted.
    let classes: Vec<u8> = (0..60).map(|image| image / 6).collect();
    put(folder.path().join("train-images-idx3-ubyte"), &idx(2051, &[60, 28, 28], &scrambled(60 * 784, 1)));
    put(folder.path().join("train-labels-idx1-ubyte"), &idx(2049, &[60], &classes));
    let few = open(&DataSpec { limit: Some(20), ..spec(folder.path()) }).unwrap();
    let expected: Vec<_> = (0..20).map(|image| Some(image / 2)).collect();
    assert_eq!(labels(&*few), expected);
}
