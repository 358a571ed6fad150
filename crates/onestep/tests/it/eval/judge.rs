//! Judging in one call, by the long way, and what it refuses.

use std::path::Path;

use onestep::data::{DataSpec, Pixels, Rounding, open};
use onestep::eval::curve::CurveSettings;
use onestep::eval::{
    Activations, Collection, EvalError, FeatureNetwork, FrechetReference, Images, Judge, Made, Metric,
    Protocol, Reference, Selection, Side, Stored, Subject, Warning, Widths, frechet, number_ranges,
    reference,
};
use onestep::model::{Precision, PrecisionChoice};
use onestep::observer::{Event, Flow};
use onestep::sample::{Sampler, SamplingProfile};
use onestep::{Model, OpenOptions};

use super::{Quarters, model_in_file, small_model};

/// The same network by another name.
struct Others;

impl FeatureNetwork for Others {
    fn name(&self) -> &str {
        "Others (for tests)"
    }

    fn widths(&self) -> Widths {
        Quarters.widths()
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        Quarters.activations(images)
    }
}

fn emoji(numbers: std::ops::Range<u64>) -> Stored {
    let set = open(&DataSpec::new("builtin:emoji")).unwrap();
    Stored::new(set, "emoji", Selection::Numbers(numbers.collect())).unwrap()
}

#[test]
fn one_call_is_the_long_way() {
    let (a, b) = (emoji(0..70), emoji(70..150));
    let judge = Judge::new();
    let statistics = |images: &Stored| {
        let seen = judge.collect_all(images, &mut ()).unwrap().expect("nobody stops it");
        seen.statistics(judge.rules().divisor).unwrap()
    };
    let long = FrechetReference::new(&statistics(&b)).unwrap().distance(&statistics(&a)).unwrap();
    assert_eq!(frechet(&a, &b).unwrap(), long, "to the bit");
    assert!(long > 1.0, "other emoji are other emoji: {long}");
    // Of 70 images in 1280 dimensions, whose variances add up to some hundreds.
    assert!(frechet(&a, &a).unwrap() < 1e-6 * long);
    let message = frechet(&emoji(0..1), &b).unwrap_err().to_string();
    assert!(message.contains("at least two images"), "{message}");
}

#[test]
fn features_of_two_networks_cannot_be_compared() {
    let (ours, theirs) = (Judge::new().looking_with(Quarters), Judge::new().looking_with(Others));
    let images = emoji(0..40);
    let seen = |judge: &Judge| judge.collect_all(&images, &mut ()).unwrap().expect("nobody stops it");
    let reference = Reference::collected(&seen(&theirs), ours.rules()).unwrap();
    let refused = ours.judge(&seen(&ours), &reference).unwrap_err();
    assert!(
        matches!(&refused, EvalError::OtherNetwork { samples, reference }
            if samples == "Quarters (for tests)" && reference == "Others (for tests)"),
        "{refused}"
    );
    assert!(theirs.judge(&seen(&theirs), &reference).is_ok());
    // Published means and covariances say nothing of their network; features that are collected beside them do.
    let statistics = seen(&theirs).statistics(Default::default()).unwrap();
    let published = reference::Published { pooled: statistics, spatial: None, images: None };
    let alone = Reference::published(&published, None, ours.rules()).unwrap();
    assert!(ours.judge(&seen(&ours), &alone).is_ok());
    let beside = Reference::published(&published, Some(&seen(&theirs)), ours.rules()).unwrap();
    assert!(matches!(ours.judge(&seen(&ours), &beside), Err(EvalError::OtherNetwork { .. })));
}

/// A drawing can be passed as it is; its images written to files and read back get the same score, to the bit.
#[test]
fn a_drawing_is_judged_as_its_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_model();
    let draw = model.draw().seeds(5..35).steps(1);
    let samples = draw.clone().run().unwrap();
    for (index, picture) in samples.pixels(Rounding::Edm).unwrap().iter().enumerate() {
        picture.save(folder.path().join(format!("{index:02}.png"))).unwrap();
    }
    let files = open(&DataSpec::new(folder.path().to_str().unwrap())).unwrap();
    let judge = Judge::new().looking_with(Quarters).metrics([
        Metric::Frechet,
        Metric::Kernel,
        Metric::Frechet,
        Metric::InceptionScore,
    ]);
    let real = emoji(0..50);
    let compare =
        |images: &dyn Images| judge.compare(images, &real, &mut ()).unwrap().expect("nobody stops it");
    let (drawn, stored) = (compare(&draw), compare(&files));
    assert_eq!(drawn, stored);
    assert_eq!(drawn, compare(&draw.clone().batch(7).definite().unwrap()));
    assert_eq!(drawn, compare(&samples.pixels(Rounding::Edm).unwrap()));
    assert_eq!(drawn.scores.len(), 3, "each metric once: {:?}", drawn.scores);
    // The model draws 8x8, a score is cut into tenths, and both are said.
    let told = &drawn.warnings[..];
    assert!(matches!(told, [Warning::Sizes { .. }, Warning::FewASplit { n_split: 3, .. }]), "{told:?}");
    assert!(drawn.floor.is_some());
    // The other rounding makes other bytes.
    let legacy = Judge::new().looking_with(Quarters).fewer(true);
    let legacy = legacy.protocol(Protocol::named("clean-fid-legacy-tf").unwrap());
    let truncated = legacy.compare(&draw, &real, &mut ()).unwrap().expect("nobody stops it");
    assert_ne!(truncated.scores[0].value, drawn.scores[0].value);
}

#[test]
fn few_images_are_warned_of_and_too_few_refused() {
    let judge = Judge::new().looking_with(Quarters);
    let compare = |n, m| judge.compare(&emoji(0..n), &emoji(0..m), &mut ()).unwrap().expect("not stopped");
    let side = |warning: &Warning| match warning {
        Warning::FewImages { side, .. } => *side,
        other => panic!("{other}"),
    };
    let sides = |n, m| compare(n, m).warnings.iter().map(side).collect::<Vec<_>>();
    assert_eq!(sides(12, 13), [Side::Samples]);
    assert_eq!(sides(13, 12), [Side::Reference]);
    let told = compare(12, 12).warnings[0].to_string();
    assert!(told.starts_with("12 samples are too few for 12 features"), "{told}");
    let edm = || Judge::new().looking_with(Quarters).protocol(Protocol::named("edm").unwrap());
    let refused = edm().compare(&emoji(0..20), &emoji(0..20), &mut ()).unwrap_err();
    assert!(refused.to_string().contains("takes 50000 images, here are 20"), "{refused}");
    assert!(edm().fewer(true).compare(&emoji(0..20), &emoji(0..20), &mut ()).is_ok());
}

/// Whoever watches can stop, in the samples as well as in the reference.
#[test]
fn an_observer_stops_between_blocks() {
    let judge = Judge::new().looking_with(Quarters);
    for stop_at in 1..=5 {
        let mut told = 0;
        let mut observer = |_: &Event| {
            told += 1;
            if told == stop_at { Flow::Stop } else { Flow::Continue }
        };
        let found = judge.compare(&emoji(0..200), &emoji(0..70), &mut observer).unwrap();
        // Four blocks of samples and two of the reference; the last of each is the end anyway.
        assert_eq!(found.is_some(), stop_at == 4, "stopped at block {stop_at}");
    }
}

/// Whatever makes other images changes the identity, and nothing else does.
#[test]
fn drawn_images_are_identified_by_all_that_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = model_in_file(folder.path());
    let identity = |images: &dyn Images| images.identity(Rounding::Edm).unwrap();
    let draw = || model.draw().seeds((0..9).chain([20])).steps(2);
    let own = identity(&draw()).expect("a model of a file");
    for part in [
        format!(r#""model_sha256":"{}""#, model.origin().unwrap().sha256),
        r#""seeds":"0-9,20""#.replace("0-9", "0-8"),
        r#""rounding":"Edm""#.into(),
        r#""precision":"f32""#.into(),
        r#""sampler":"multistep""#.into(),
    ] {
        assert!(own.contains(&part), "{part}: {own}");
    }
    assert_eq!(identity(&draw().batch(3)), Some(own.clone()));
    let others = [
        identity(&draw().steps(1)),
        identity(&draw().seeds(0..10)),
        identity(&draw().levels(vec![80.0, 1.0])),
        draw().identity(Rounding::Truncate).unwrap(),
    ];
    assert!(others.iter().all(|other| other.is_some() && *other != Some(own.clone())), "{others:?}");
    // Classes that follow from the seeds are those without any; others are told.
    let definite = draw().definite().unwrap();
    if let Some(classes) = definite.classes() {
        assert_eq!(identity(&draw().classes(classes.to_vec())), Some(own.clone()));
        let classes = classes.iter().map(|class| (class + 1) % 3);
        assert_ne!(identity(&draw().classes(classes)), Some(own));
    }
    // A model of no file is none that could be told from another, and neither is a function.
    assert_eq!(identity(&small_model().draw()), None);
    let made =
        Made { n: 2, pixels: |range: std::ops::Range<usize>, _| emoji(0..2).pixels(range, Rounding::Edm) };
    assert_eq!(identity(&made), None);
    let judge = Judge::new().looking_with(Quarters);
    assert_eq!(judge.subject(&made).unwrap().images, "");
    assert!(Collection::begin(judge.subject(&made).unwrap(), None).is_ok());
}

#[test]
fn numbers_are_written_as_ranges() {
    assert_eq!(number_ranges(&[3, 17, 20, 21, 22]), "3,17,20-22");
    assert_eq!(number_ranges(&[5, 6, 5, 6]), "5-6,5-6");
    assert_eq!((number_ranges(&[]).as_str(), number_ranges(&[9, 3]).as_str()), ("", "9,3"));
}

/// A curve has the points that are for each model's kind, and whatever changes a point changes its file.
#[test]
fn a_curve_asks_of_a_model_what_it_can() {
    let settings = CurveSettings {
        steps: vec![1, 4],
        ode_levels: vec![3],
        samplers: vec![Sampler::Heun, Sampler::Euler],
        guidance: Vec::new(),
    };
    let consistency = small_model();
    let noise = consistency.range();
    let diffusion = Model::from_fn(consistency.shape(), SamplingProfile::diffusion(noise), |noisy, _| noisy);
    let points = |model| -> Vec<_> {
        settings.points(model).iter().map(|point| (point.sampler, point.steps)).collect()
    };
    assert_eq!(points(&consistency), [(Sampler::Multistep, 1), (Sampler::Multistep, 4)]);
    assert_eq!(points(&diffusion), [(Sampler::Heun, 3), (Sampler::Euler, 3)]);
    let nfe = |model| -> Vec<usize> {
        settings.points(model).iter().map(|point| point.draw().definite().unwrap().nfe()).collect()
    };
    assert_eq!((nfe(&consistency), nfe(&diffusion)), (vec![1, 4], vec![5, 3]));
    let judge = Judge::new().looking_with(Quarters);
    let point = settings.points(&consistency)[1];
    let file = |n| point.file_name(&judge.subject(&point.draw().seeds(0..n)).unwrap());
    assert!(file(7).starts_with("multistep-4-") && file(7).ends_with(".safetensors"), "{}", file(7));
    assert_ne!(file(7), file(8));
}

#[test]
fn an_evaluation_goes_on_in_the_precision_it_was_begun_in() {
    let folder = tempfile::tempdir().unwrap();
    drop(model_in_file(folder.path()));
    let open = |precision: PrecisionChoice| {
        OpenOptions::default().precision(precision).open(folder.path().join("model.safetensors")).unwrap()
    };
    let (exact, auto) = (open(Precision::F32.into()), open(PrecisionChoice::Auto));
    let judge = Judge::new().looking_with(Quarters);
    let file = folder.path().join("part.safetensors");
    let seen = judge.collect_all(&exact.draw().seeds(0..70), &mut ()).unwrap().unwrap();
    assert_eq!(seen.subject().precision(), Some(Precision::F32));
    seen.save(&file).unwrap();
    let precision = |n: u64, file: &Path| {
        let draw = auto.draw().seeds(0..n).definite().unwrap();
        draw.going_on_with(&judge, file).unwrap().precision().unwrap()
    };
    assert_eq!(precision(70, &file), Precision::F32);
    // Other images, and another file, bind nothing.
    assert_eq!(precision(71, &file), Precision::fastest());
    assert_eq!(precision(70, &folder.path().join("other.safetensors")), Precision::fastest());
    // Parts of two precisions are never added up, and both are named.
    let subject = |precision: &str| {
        let images = seen.subject().images.replace("f32", precision);
        Collection::new(Subject { images, ..seen.subject().clone() }).unwrap()
    };
    let refused = subject("f32").merge(subject("bf16")).unwrap_err().to_string();
    assert!(refused.contains(r#"`precision` is "f32" here and "bf16" there"#), "{refused}");
    // Scores say what their samples were drawn in; images that were not drawn have none.
    let compare = |model: &Model| judge.compare(&model.draw().seeds(0..70), &emoji(0..70), &mut ()).unwrap();
    assert_eq!(compare(&exact).unwrap().precision, Some(Precision::F32));
    assert_eq!(compare(&auto).unwrap().precision, Some(Precision::fastest()));
    let images = judge.compare(&emoji(0..70), &emoji(0..70), &mut ()).unwrap().unwrap();
    assert_eq!(images.precision, None);
}

#[test]
fn published_protocols_draw_in_f32_where_nobody_says() {
    for protocol in Protocol::ALL {
        let is_plain = protocol == Protocol::default();
        let expected = if is_plain { PrecisionChoice::Auto } else { Precision::F32.into() };
        assert_eq!(protocol.precision(), expected, "{}", protocol.name);
    }
}
