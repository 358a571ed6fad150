//! Scores do not depend on the order of the images, and collapsed sets have scores too.

use onestep::ImageSize;
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open};
use onestep::eval::{
    Activations, Comparison, EvalError, FeatureNetwork, Images, Judge, Metric, Protocol, Selection, Splits,
    Stored, Warning, Widths,
};

/// A network that is sure of the class, which is the first byte, and whose features are that class and a fraction.
struct Bytes;

const N_CLASSES: usize = 10;

impl FeatureNetwork for Bytes {
    fn name(&self) -> &str {
        "Bytes (for tests)"
    }

    fn widths(&self) -> Widths {
        Widths { pooled: 2, spatial: None, logits: Some(N_CLASSES) }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        let features = |image: &Pixels| [f32::from(image.bytes()[0]), f32::from(image.bytes()[1]) / 251.0];
        let pooled = images.iter().flat_map(features).collect();
        let logits =
            |class: u8| (0..N_CLASSES).map(move |other| if other == usize::from(class) { 30.0 } else { 0.0 });
        let logits = images.iter().flat_map(|image| logits(image.bytes()[0])).collect();
        Ok(Activations { pooled, spatial: None, logits: Some(logits) })
    }
}

/// Images of a class and something else each.
fn images(of: impl Iterator<Item = (usize, usize)>) -> Vec<Pixels> {
    let shape = ImageShape { height: 1, width: 1, channels: 3 };
    of.map(|(class, other)| Pixels::new(shape, vec![class as u8, other as u8, 0]).unwrap()).collect()
}

/// `n` images, class after class, as folders of classes come.
fn sorted(n: usize) -> Vec<Pixels> {
    images((0..n).map(|i| (i * N_CLASSES / n, i * 37 % 251)))
}

/// The same images, classes taking turns.
fn mixed(n: usize) -> Vec<Pixels> {
    let sorted = sorted(n);
    (0..n).map(|i| sorted[i % N_CLASSES * (n / N_CLASSES) + i / N_CLASSES].clone()).collect()
}

fn judge(metrics: impl IntoIterator<Item = Metric>) -> Judge {
    Judge::new().looking_with(Bytes).metrics(metrics)
}

fn compare(judge: &Judge, samples: &dyn Images, reference: &dyn Images) -> Comparison {
    judge.compare(samples, reference, &mut ()).unwrap().expect("nobody stops it")
}

#[test]
fn the_inception_score_is_of_all_classes_in_any_order() {
    let score =
        |images: &Vec<Pixels>| compare(&judge([Metric::InceptionScore]), images, &mixed(20)).scores[0].value;
    let (sorted, mixed) = (score(&sorted(400)), score(&mixed(400)));
    // 40 images a split hold about 4 of each class: at most 10, and the splits are not quite even.
    assert!((8.0..10.0).contains(&sorted) && (8.0..10.0).contains(&mixed), "{sorted} {mixed}");
}

/// In order only where the publishers' code takes them so.
#[test]
fn only_one_protocol_cuts_in_order() {
    for protocol in Protocol::ALL {
        let in_order = !matches!(protocol.splits, Splits::Shuffled(_));
        assert_eq!(in_order, protocol.name == "openai-adm", "{}", protocol.name);
        assert_eq!(in_order, protocol.about.contains("in order"), "{}", protocol.about);
    }
}

/// Where only some features are kept, they are of all classes: the same images are at no distance.
#[test]
fn features_kept_one_by_one_are_of_all_classes() {
    let protocol = Protocol { kept: 400, ..Protocol::default() };
    let judge = judge([Metric::Kernel, Metric::PrecisionRecall]).protocol(protocol);
    let found = compare(&judge, &sorted(4000), &mixed(4000));
    let value = |name: &str| {
        let score = found.scores.iter().find(|score| score.metric.starts_with(name));
        (score.expect(name).value, score.expect(name).n)
    };
    let ((distance, n), (precision, _), (recall, _)) = (value("KD"), value("precision"), value("recall"));
    assert_eq!(n, 400);
    // One class beside ten would be at a distance of thousands; all classes are at the spread of a sample of 400.
    let apart = compare(&judge, &sorted(4000)[..400].to_vec(), &mixed(4000)).scores[0].value;
    assert!(apart > 1000.0 && distance.abs() < 0.02 * apart, "{distance} {apart}");
    assert!(precision > 0.9 && recall > 0.9, "{precision} {recall}");
}

#[test]
fn a_part_of_a_set_is_spread_over_it() {
    let part = |selection| {
        let set = open(&DataSpec::new("builtin:emoji")).unwrap();
        let n_classes = set.class_names().len();
        let labels: Vec<_> = (0..set.len()).map(|index| set.sample(index).unwrap().label.unwrap()).collect();
        (Stored::new(set, "emoji", selection).unwrap(), labels, n_classes)
    };
    let (some, labels, n_classes) = part(Selection::Spread(300));
    let (all, ..) = part(Selection::All);
    let first = all.pixels(0..300, Rounding::Edm).unwrap();
    assert_ne!(some.pixels(0..300, Rounding::Edm).unwrap(), first, "not the first");
    let chosen = onestep::data::spread(labels.len(), 300);
    let mut seen: Vec<usize> = chosen.iter().map(|&index| labels[index]).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), n_classes, "of every class");
    assert_eq!(
        some.pixels(7..8, Rounding::Edm).unwrap(),
        all.pixels(chosen[7]..chosen[7] + 1, Rounding::Edm).unwrap()
    );
    // All of a set is all of it, however it was asked for; a part is not.
    let identity = |images: &Stored| images.identity(Rounding::Edm).unwrap();
    let n = labels.len();
    assert_eq!(identity(&part(Selection::Spread(n)).0), identity(&all));
    assert_ne!(identity(&some), identity(&all));
}

/// A model that has collapsed draws one image: a number says so, and not an error.
#[test]
fn copies_of_one_image_have_every_score() {
    let copies = images((0..300).map(|_| (3, 113)));
    let all = [Metric::Frechet, Metric::Kernel, Metric::InceptionScore, Metric::PrecisionRecall];
    for (samples, reference) in [(&copies, &mixed(300)), (&mixed(300), &copies), (&copies, &copies)] {
        let found = compare(&judge(all), samples, reference);
        assert!(found.scores.iter().all(|score| score.value.is_finite()), "{:?}", found.scores);
        if samples == reference {
            assert!(found.scores[0].value < 1e-6, "{:?}", found.scores[0]);
        } else {
            assert!(found.scores[0].value > 1.0, "{:?}", found.scores[0]);
        }
        let score = found.scores.iter().find(|score| score.metric.starts_with("CS")).unwrap();
        assert_eq!((score.value - 1.0).abs() < 1e-9, *samples == copies, "{score:?}");
    }
    // With the network that comes along, whose features are no small whole numbers.
    let emoji = open(&DataSpec::new("builtin:emoji")).unwrap();
    let one = Stored::new(emoji, "emoji", Selection::Numbers(vec![17; 40])).unwrap();
    let others = open(&DataSpec { limit: Some(60), ..DataSpec::new("builtin:emoji") }).unwrap();
    assert!(onestep::eval::frechet(&one, &others).unwrap() > 1.0);
    assert!(onestep::eval::frechet(&one, &one).unwrap().abs() < 1e-3);
}

#[test]
fn one_image_has_no_inception_score_and_few_a_warning() {
    let only = judge([Metric::InceptionScore]);
    let refused = only.compare(&sorted(1), &mixed(20), &mut ()).unwrap_err().to_string();
    assert!(refused.contains("CS-Bytes needs at least two images"), "{refused}");
    let few = compare(&only, &mixed(50), &mixed(20)).warnings;
    assert_eq!(few[..], [Warning::FewASplit { n_split: 5, n_classes: N_CLASSES }]);
    assert!(compare(&only, &mixed(200), &mixed(20)).warnings.is_empty());
}

#[test]
fn images_of_two_sizes_are_warned_of() {
    let spec = |size: usize| DataSpec {
        image_size: Some(size.into()),
        limit: Some(40),
        ..DataSpec::new("builtin:emoji")
    };
    let [small, large] = [16, 32].map(|size| open(&spec(size)).unwrap());
    let judge = judge([Metric::Frechet]);
    let found = compare(&judge, &small, &large);
    let [samples, reference] = [16, 32].map(ImageSize::from);
    assert_eq!((found.size, found.reference_size), (Some(samples), Some(reference)));
    assert!(found.warnings.contains(&Warning::Sizes { samples, reference }), "{:?}", found.warnings);
    assert!(found.warnings[0].to_string().contains("the samples are 16x16 and the reference is 32x32"));
    assert!(compare(&judge, &small, &small).warnings.is_empty());
}
