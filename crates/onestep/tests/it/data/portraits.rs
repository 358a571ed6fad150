//! The built-in portraits as a data set.

use onestep::data::{ATTRIBUTES, DataError, DataSpec, Dataset, Labels, Split, builtin_names, open};
use onestep_portraits::{Attribute, Portrait, Split as Side};

fn portraits() -> DataSpec {
    DataSpec::new("builtin:portraits")
}

fn refused(spec: &DataSpec) -> String {
    match open(spec) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{spec:?} opens"),
    }
}

#[test]
fn portraits_are_a_function_of_their_number() {
    assert!(builtin_names().contains(&"portraits"));
    let set = open(&portraits()).unwrap();
    assert_eq!((set.len(), set.shape().to_string()), (1 << 20, "16x16".into()));
    for index in [0, 17, set.len() - 1] {
        let sample = set.sample(index).unwrap();
        let portrait = Side::Train.portrait(index as u64);
        let bytes: Vec<f32> = portrait.render().iter().map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        assert_eq!(sample.values, bytes);
        assert_eq!(sample.label, Some(portrait.value(Attribute::HairColor)));
        assert_eq!(set.probe(index).unwrap(), sample.label);
        assert!(set.source(index).contains(portrait.name(Attribute::Eyes)), "{}", set.source(index));
    }
    assert!(matches!(set.sample(set.len()), Err(DataError::Index { .. })));
    assert_eq!(set.fingerprint(), open(&portraits()).unwrap().fingerprint());
}

#[test]
fn at_32_every_pixel_is_four() {
    let (small, large) = (
        open(&portraits()).unwrap(),
        open(&DataSpec { image_size: Some(32.into()), ..portraits() }).unwrap(),
    );
    let (small, large) = (small.sample(5).unwrap().values, large.sample(5).unwrap().values);
    assert_eq!(large.len(), 32 * 32 * 3);
    for (place, value) in large.into_iter().enumerate() {
        let (row, column, channel) = (place / 96, place / 3 % 32, place % 3);
        assert_eq!(value, small[(row / 2 * 16 + column / 2) * 3 + channel]);
    }
    let set = |spec: DataSpec| open(&spec).unwrap().fingerprint();
    assert_ne!(set(portraits()), set(DataSpec { image_size: Some(32.into()), ..portraits() }));
}

#[test]
fn held_out_combinations_are_in_no_training_portrait() {
    let (train, test) =
        (open(&portraits()).unwrap(), open(&DataSpec::named("builtin:portraits:test")).unwrap());
    assert_eq!(test.len(), 1 << 16);
    let found = |set: &dyn Dataset, index: usize| {
        let values = set.sample(index).unwrap().values;
        let bytes: Vec<f32> = values.iter().map(|value| (value + 1.0) * 127.5).collect();
        onestep_portraits::nearest(&bytes.try_into().unwrap()).portrait
    };
    for index in 0..50 {
        assert_eq!(found(train.as_ref(), index).split(), Side::Train);
        assert_eq!(found(test.as_ref(), index).split(), Side::HeldOut);
    }
    assert_ne!(train.fingerprint(), test.fingerprint());
    let val = refused(&DataSpec { split: Some(Split::Val), ..portraits() });
    assert!(val.contains("val"), "{val}");
}

#[test]
fn any_attribute_is_a_class() {
    for attribute in Attribute::ALL {
        let name = ATTRIBUTES.into_iter().find(|name| *name == attribute.name()).unwrap();
        let set =
            open(&DataSpec { labels: Labels::Attribute(name), limit: Some(30), ..portraits() }).unwrap();
        assert_eq!((set.len(), set.class_names()), (30, attribute.names()));
        for index in 0..30 {
            let portrait: Portrait = Side::Train.portrait(index as u64);
            assert_eq!(set.sample(index).unwrap().label, Some(portrait.value(attribute)), "{attribute}");
        }
    }
    let none = open(&DataSpec { labels: Labels::None, ..portraits() }).unwrap();
    assert!(none.class_names().is_empty() && none.sample(0).unwrap().label.is_none());
    let table = none.attributes();
    assert_eq!(table.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ATTRIBUTES);
    for table in table {
        let total: f64 = table.values.iter().map(|(_, chance)| chance).sum();
        assert!((total - 1.0).abs() < 1e-9, "{}", table.name);
    }
}

#[test]
fn what_portraits_are_not_drawn_in_is_refused_with_a_remedy() {
    let size = refused(&DataSpec { image_size: Some(20.into()), ..portraits() });
    assert!(size.contains("16") && size.contains("32"), "{size}");
    assert!(refused(&DataSpec { grey: true, ..portraits() }).contains("in color"));
    let file_name = refused(&DataSpec { labels: Labels::FileName, ..portraits() });
    assert!(file_name.contains("glasses"), "{file_name}");
    let emoji = refused(&DataSpec { labels: Labels::Attribute("glasses"), ..DataSpec::new("builtin:emoji") });
    assert!(emoji.contains("builtin:portraits"), "{emoji}");
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(4, 4).save(folder.path().join("a.png")).unwrap();
    let folder = folder.path().display().to_string();
    let folder = refused(&DataSpec { labels: Labels::Attribute("glasses"), ..DataSpec::new(folder) });
    assert!(folder.contains("builtin:portraits"), "{folder}");
}
