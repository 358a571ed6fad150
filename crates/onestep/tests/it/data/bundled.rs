//! What comes with the library, how a source is described, and CIFAR-10 where it is at hand.

use std::path::{Path, PathBuf};

use onestep::ImageSize;
use onestep::data::picture::Grid;
use onestep::data::{
    DataError, DataSpec, Fit, ImageShape, Labels, Pixels, Rounding, Split, builtin_names, check, open,
};

use super::{refusal, story};

#[test]
fn the_emoji_are_all_there() {
    let set = open(&DataSpec::new("builtin:emoji")).unwrap();
    assert_eq!((set.len(), set.shape()), (1892, ImageShape { height: 32, width: 32, channels: 3 }));
    assert_eq!(set.class_names()[0], "Smileys & Emotion");
    assert!(set.source(0).contains("grinning"), "{}", set.source(0));
    let report = check(&*set, |_| {});
    assert!(report.bad.is_empty());
    assert_eq!((report.class_counts.len(), report.class_counts.iter().sum::<usize>()), (9, 1892));
    assert!(report.class_counts.iter().all(|&count| count > 50), "{:?}", report.class_counts);
    // Laid on white: every corner of the set is mostly white.
    let corner: f32 = (0..set.len()).map(|i| set.sample(i).unwrap().values[0]).sum::<f32>() / 1892.0;
    assert!(corner > 0.9, "{corner}");
}

/// A grid is what people will look at first; its picture is pinned by its checksum.
#[test]
fn a_grid_of_emoji_is_a_picture() {
    let set = open(&DataSpec::new("builtin:emoji")).unwrap();
    let pictures: Vec<Pixels> = (0..32)
        .map(|i| {
            Pixels::from_values(&set.sample(i * 59).unwrap().values, set.shape(), Rounding::Edm).unwrap()
        })
        .collect();
    let grid = Grid { columns: 8, scale: 3 }.arrange(&pictures).unwrap();
    assert_eq!((grid.shape().height, grid.shape().width), (2 + 4 * 98, 2 + 8 * 98));
    if let Some(folder) = std::env::var_os("ONESTEP_TEST_PICTURES") {
        let path = PathBuf::from(folder).join("emoji-grid.png");
        onestep::data::picture::write_png(&path, &grid, Some("{\"made by\": \"test\"}")).unwrap();
    }
}

#[test]
fn every_toy_is_centred_and_has_the_deviation_the_recipes_assume() {
    for name in builtin_names().into_iter().filter(|name| !["emoji", "portraits"].contains(name)) {
        let set = open(&DataSpec::new(format!("builtin:{name}"))).unwrap();
        assert_eq!((set.len(), set.shape()), (65_536, ImageShape { height: 1, width: 1, channels: 2 }));
        let report = check(&*set, |_| {});
        // 65,536 points: the mean of a deviation of 0.5 is known to 0.002, its square to 0.003.
        assert!(report.mean.iter().all(|mean| mean.abs() < 0.01), "{name}: {:?}", report.mean);
        let [x, y] = report.std[..] else { panic!("two channels") };
        assert!((((x * x + y * y) / 2.0).sqrt() - 0.5).abs() < 0.01, "{name}: {x}, {y}");
        let n_classes = report.class_counts.len();
        assert!(report.class_counts.iter().all(|&count| count * n_classes == 65_536), "{name}");
        assert_eq!(set.sample(77).unwrap(), set.sample(77).unwrap());
    }
}

#[test]
fn the_checkerboard_leaves_every_other_square_empty() {
    let set = open(&DataSpec::new("builtin:checkerboard")).unwrap();
    let side = 3f32.sqrt();
    let mut counts = [0; 16];
    for index in 0..set.len() {
        let point = set.sample(index).unwrap().values;
        let cell = |value: f32| ((value / side + 0.5) * 4.0).clamp(0.0, 3.999) as usize;
        counts[cell(point[1]) * 4 + cell(point[0])] += 1;
    }
    for (square, count) in counts.into_iter().enumerate() {
        let filled = (square / 4 + square % 4) % 2 == 0;
        assert!(if filled { (7800..8600).contains(&count) } else { count < 10 }, "{counts:?}");
    }
}

#[test]
fn points_take_no_settings_for_images() {
    let moons = DataSpec::new("builtin:two-moons");
    for (setting, spec) in [
        ("image_size", DataSpec { image_size: Some(8.into()), ..moons.clone() }),
        ("grey", DataSpec { grey: true, ..moons.clone() }),
        ("flip", DataSpec { flip: true, ..moons.clone() }),
    ] {
        assert!(refusal(&spec).1.contains(setting));
    }
    let few = open(&DataSpec { limit: Some(10), labels: Labels::None, ..moons }).unwrap();
    assert_eq!((few.len(), few.sample(3).unwrap().label), (10, None));
    assert!(few.sample(10).is_err());
}

#[test]
fn a_description_is_read_from_a_recipe() {
    let spec: DataSpec = toml::from_str("source = \"images\"\nimage_size = 64\nsplit = \"test\"").unwrap();
    let expected =
        DataSpec { image_size: Some(64.into()), split: Some(Split::Test), ..DataSpec::new("images") };
    assert_eq!(spec, expected);
    assert_eq!(toml::from_str::<DataSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    let error = toml::from_str::<DataSpec>("source = \"a\"\nsize = 3").unwrap_err().to_string();
    assert!(error.contains("size"), "{error}");
    let wide: DataSpec = toml::from_str("source = \"images\"\nimage_size = [48, 64]\nfit = \"pad\"").unwrap();
    assert_eq!((wide.image_size, wide.fit), (Some(ImageSize { height: 48, width: 64 }), Fit::Pad));
    assert_eq!(toml::from_str::<DataSpec>(&toml::to_string(&wide).unwrap()).unwrap(), wide);
    let error = toml::from_str::<DataSpec>("source = \"a\"\nimage_size = \"64\"").unwrap_err().to_string();
    assert!(error.contains("[height, width]"), "{error}");
}

#[test]
fn emoji_of_any_size_are_of_that_size() {
    let size = ImageSize { height: 12, width: 20 };
    let spec = |fit| DataSpec { image_size: Some(size), fit, ..DataSpec::new("builtin:emoji") };
    let sets = [Fit::Crop, Fit::Pad, Fit::Stretch].map(|fit| open(&spec(fit)).unwrap());
    for set in &sets {
        assert_eq!(set.shape(), ImageShape { height: 12, width: 20, channels: 3 });
        assert_eq!(set.sample(5).unwrap().values.len(), 12 * 20 * 3);
    }
    // Padded, the first column is black, where the emoji themselves lie on white.
    assert_eq!(sets[1].sample(5).unwrap().values[..3], [-1.0; 3]);
    let mut fingerprints = sets.map(|set| set.fingerprint());
    fingerprints.sort();
    assert!(fingerprints.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn sources_that_are_not_there_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| DataSpec::new(folder.path().join(name).to_str().unwrap());
    let (error, story) = refusal(&path("nowhere"));
    assert!(matches!(error, DataError::NotFound { .. }) && story.contains("nowhere"), "{story}");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let (error, story) = refusal(&path("empty"));
    assert!(matches!(error, DataError::Empty { .. }) && story.contains("PNG"), "{story}");
    super::put(folder.path().join("texts/a.txt"), b"a");
    assert!(refusal(&path("texts")).1.contains("passed over: 1 is no picture (a.txt)"));
    super::put(folder.path().join("thing.xyz"), b"some bytes of no kind");
    assert!(matches!(refusal(&path("thing.xyz")).0, DataError::UnknownKind { .. }));
    super::put(folder.path().join("one.png"), &super::png(super::RGB8, 1));
    assert!(refusal(&path("one.png")).1.contains("folder"));
    let (error, story) = refusal(&DataSpec::new("builtin:emojis"));
    assert!(matches!(error, DataError::UnknownBuiltin { .. }) && story.contains("two-moons"));
    for source in ["", " , "] {
        assert!(matches!(refusal(&DataSpec::new(source)).0, DataError::Setting { setting: "source", .. }));
    }
    for spec in [
        DataSpec { image_size: Some(0.into()), ..DataSpec::new("builtin:emoji") },
        DataSpec { image_size: Some((1 << 20).into()), ..DataSpec::new("builtin:emoji") },
        DataSpec { limit: Some(0), ..DataSpec::new("builtin:emoji") },
    ] {
        assert!(matches!(refusal(&spec).0, DataError::Setting { .. }));
    }
    let test = DataSpec { split: Some(Split::Test), ..DataSpec::new("builtin:two-moons") };
    assert!(matches!(refusal(&test).0, DataError::NoSplit { .. }));
}

#[test]
fn the_emoji_come_in_two_parts_when_one_is_asked_for() {
    let part = |split| open(&DataSpec { split, ..DataSpec::new("builtin:emoji") }).unwrap();
    let [all, train, test] = [None, Some(Split::Train), Some(Split::Test)].map(part);
    assert_eq!((all.len(), train.len(), test.len()), (1892, 1703, 189));
    // Images 0 to 8 are learned from, 9 is held back.
    for (part, index, whole) in [(&train, 8, 8), (&train, 9, 10), (&test, 0, 9), (&test, 188, 1889)] {
        assert_eq!(part.sample(index).unwrap(), all.sample(whole).unwrap());
        assert_eq!(part.source(index), all.source(whole));
    }
    assert_ne!(train.fingerprint(), all.fingerprint());
    assert_ne!(test.fingerprint(), train.fingerprint());
}

/// Half of the training set, chosen at random, has the published mean to 0.002.
#[test]
fn cifar_10_has_its_known_mean_and_classes() {
    // Not part of the repository: where the variable says, or beside the checkout.
    let folder = std::env::var_os("DATA_DIR").unwrap_or_else(|| "../shared/data".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(folder).join("cifar10/cifar10-train-part0.zip");
    if !path.exists() {
        eprintln!("skipped: no `{}`; set DATA_DIR to the folder that has it", path.display());
        return;
    }
    let set = open(&super::spec(&path)).unwrap_or_else(|error| panic!("{}", story(&error)));
    assert_eq!((set.len(), set.class_names().len()), (25_000, 10));
    let report = check(&*set, |_| {});
    assert!(report.bad.is_empty());
    assert!(
        report.class_counts.iter().all(|count| (2200..2800).contains(count)),
        "{:?}",
        report.class_counts
    );
    let published_mean = [0.491_399_68, 0.482_158_41, 0.446_530_91];
    let published_std = [0.247_032_23, 0.243_485_13, 0.261_587_84];
    for channel in 0..3 {
        let mean = (report.mean[channel] + 1.0) / 2.0;
        let std = report.std[channel] / 2.0;
        assert!((mean - published_mean[channel]).abs() < 0.002, "{:?}", report.mean);
        assert!((std - published_std[channel]).abs() < 0.002, "{:?}", report.std);
    }
}
