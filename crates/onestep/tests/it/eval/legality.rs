//! Whether images are portraits: what is known of pictures that were made for it.

use onestep::data::{DataSpec, ImageShape, Pixels, open};
use onestep::eval::legality::{Legality, NearestPortrait, accuracy};
use onestep::eval::{
    AskedClasses, Collection, FeatureNetwork, Images, Judge, Metric, Protocol, Reference, Score, Selection,
    Stored,
};
use onestep_portraits::{Attribute, Split};

fn judge() -> Judge {
    Judge::new().metrics([Metric::Legal])
}

fn collected(images: &dyn Images) -> Collection {
    judge().collect_all(images, &mut ()).unwrap().expect("nobody stops it")
}

fn legality(images: &dyn Images) -> Legality {
    let collection = collected(images);
    let statistics = collection.statistics(Protocol::default().divisor).unwrap();
    Legality::of(&collection, &statistics).unwrap()
}

fn pixels(bytes: &[u8], side: usize) -> Pixels {
    Pixels::new(ImageShape { height: side, width: side, channels: 3 }, bytes.to_vec()).unwrap()
}

fn value(scores: &[Score], name: &str) -> f64 {
    scores.iter().find(|score| score.metric == name).unwrap_or_else(|| panic!("no `{name}`")).value
}

/// The floor of the metric: what is drawn by rule is legal, all of it, at both sizes.
#[test]
fn the_data_are_legal() {
    for (source, size, held_out) in
        [("builtin:portraits", 16, 0.0), ("builtin:portraits:test", 16, 1.0), ("builtin:portraits", 32, 0.0)]
    {
        let spec = DataSpec { image_size: Some(size.into()), limit: Some(400), ..DataSpec::named(source) };
        let found = legality(&open(&spec).unwrap());
        assert!(found.within.iter().all(|(_, share)| *share == 1.0), "{source} {size}: {:?}", found.within);
        assert_eq!((found.held_out, found.repeats), (held_out, 1.0 - held_out), "{source}");
        assert!(found.fails.is_empty());
        for shares in &found.attributes {
            // Of n images the divergence is about (k - 1)/(2 ln 2 n); five times that is never seen.
            let expected = (shares.shares.len() - 1) as f64 / (2.0 * std::f64::consts::LN_2 * 400.0);
            assert!(shares.divergence < 5.0 * expected, "{}: {}", shares.name, shares.divergence);
            assert!((shares.entropy - shares.entropy_by_rule).abs() < 0.3, "{}", shares.name);
        }
    }
}

/// A portrait with one wrong pixel is legal within as many levels as that is wrong by, and the part that has the pixel is named.
#[test]
fn one_wrong_pixel_decides() {
    let portrait = Split::Train.portrait(3);
    let picture = portrait.render();
    let pixel = (0..256).find(|&pixel| portrait.attribute_at(pixel / 16, pixel % 16) == Attribute::Clothing);
    let place = 3 * pixel.expect("clothes are seen");
    for (wrong, within) in [(0u8, 3), (1, 3), (5, 2), (8, 2), (12, 1), (16, 1), (40, 0)] {
        let mut picture = picture;
        picture[place] = if picture[place] > 127 { picture[place] - wrong } else { picture[place] + wrong };
        let found = legality(&vec![pixels(&picture, 16); 2]);
        let n_within = found.within.iter().filter(|(_, share)| *share == 1.0).count();
        assert_eq!(n_within, within, "{wrong} levels: {:?}", found.within);
        assert_eq!(found.largest_difference, f64::from(wrong));
        assert!(
            (found.difference.powi(2) * 768.0 - f64::from(wrong).powi(2)).abs() < 1e-2,
            "{}",
            found.difference
        );
        assert_eq!(found.repeats, f64::from(u8::from(wrong <= 1)));
        let fails: Vec<&str> = found.fails.iter().map(|(name, _)| *name).collect();
        assert_eq!(fails, if within == 0 { vec!["clothing"] } else { vec![] });
    }
}

/// Doubled pictures have to be doubled: a quarter of a pixel is a pixel.
#[test]
fn a_quarter_of_a_pixel_counts() {
    let mut picture = Split::Train.portrait(8).render_doubled();
    picture[0] = 255 - 30;
    let found = legality(&vec![pixels(&picture, 32); 2]);
    assert_eq!(found.within.iter().map(|(_, share)| *share).collect::<Vec<_>>(), [0.0; 3]);
}

#[test]
fn noise_is_not_legal_and_other_sizes_are_refused() {
    // As far as an image can be.
    assert!(legality(&vec![pixels(&[0; 768], 16); 2]).difference > 100.0);
    let noise: Vec<u8> = (0..768u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let found = legality(&vec![pixels(&noise, 16); 2]);
    assert!(found.within.iter().all(|(_, share)| *share == 0.0));
    assert_eq!(found.fails.iter().map(|(_, share)| share).sum::<f64>(), 1.0);
    let refused = NearestPortrait.activations(&[pixels(&[0; 8 * 8 * 3], 8)]).unwrap_err().to_string();
    assert!(refused.contains("16x16") && refused.contains("8x8"), "{refused}");
}

/// Where the classes are the values of an attribute, it is known whether the images are of them.
#[test]
fn classes_that_were_asked_for_are_counted() {
    let set = open(&DataSpec { limit: Some(200), ..DataSpec::new("builtin:portraits") }).unwrap();
    let labels: Vec<usize> = (0..200).map(|index| set.probe(index).unwrap().unwrap()).collect();
    let names = set.class_names().to_vec();
    let collection = collected(&set);
    let asked = |labels: Vec<usize>, names: &[String]| {
        accuracy(&collection, &AskedClasses { labels, names: names.to_vec() }).unwrap()
    };
    let right = asked(labels.clone(), &names).unwrap();
    assert_eq!((right.metric.as_str(), right.value), ("accuracy of hair_color", 1.0));
    let wrong = labels.iter().map(|label| (label + 1) % names.len()).collect();
    assert_eq!(asked(wrong, &names).unwrap().value, 0.0);
    assert_eq!(asked(labels, &["cat".into(), "dog".into()]), None);
}

/// Without a reference, without the name of a network, in shards that add up, and never beside what a network sees.
#[test]
fn legality_is_judged_as_other_metrics_are() {
    let set = || open(&DataSpec { limit: Some(300), ..DataSpec::new("builtin:portraits") }).unwrap();
    let judge = judge();
    let whole = collected(&set());
    let comparison = judge.judge(&whole, &Reference::none(judge.rules())).unwrap();
    assert_eq!(value(&comparison.scores, "legal within 1"), 1.0);
    assert!(comparison.warnings.is_empty(), "{:?}", comparison.warnings);
    let images = Stored::new(set(), "portraits", Selection::All).unwrap();
    let subject = judge.subject(&images).unwrap();
    let mut parts = [0, 1].map(|shard| {
        let mut part = Collection::new(subject.clone()).unwrap();
        judge.collect(&images, &mut part, subject.shard(shard, 2), None, &mut ()).unwrap();
        part
    });
    let [first, second] = &mut parts;
    first.merge(second.clone()).unwrap();
    let added = judge.judge(first, &Reference::none(judge.rules())).unwrap();
    assert_eq!(added.scores, comparison.scores);
    let both =
        Judge::new().metrics([Metric::Legal, Metric::Frechet]).check_metrics(10).unwrap_err().to_string();
    assert!(both.contains("legal"), "{both}");
}
