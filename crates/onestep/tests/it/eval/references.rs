//! References: published statistics, images and collections, and the scores that are taken to them.

use std::path::{Path, PathBuf};

use onestep::data::{DataSpec, npz, open};
use onestep::eval::reference::{self, Source};
use onestep::eval::{
    Collection, Divisor, EvalError, Judge, Metric, Protocol, Reference, Selection, Statistics, Stored,
    Subject, frechet_distance, score,
};

use super::Quarters;
use crate::data::{npy, put_zip};

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers(descr: &str, shape: &str, order: &str, bytes: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"), bytes)
}

/// An npz of mean 1, 2 and the covariance given.
fn published(path: PathBuf, sigma: &[u8]) -> PathBuf {
    let mu = numbers("<f8", "(2,)", "False", &f64s(&[1.0, 2.0]));
    put_zip(path, &[("mu.npy", &mu), ("sigma.npy", sigma)], false)
}

fn open_reference(path: &Path) -> Result<Source, EvalError> {
    reference::open(&DataSpec::new(path.to_str().unwrap()))
}

/// Some emoji, collected.
fn emoji(range: std::ops::Range<usize>, kept: usize, protocol: &Protocol) -> Collection {
    let set = open(&DataSpec::new("builtin:emoji")).unwrap();
    let numbers: Vec<u64> = range.clone().map(|number| number as u64).collect();
    let images = Stored::new(set, "emoji", Selection::Numbers(numbers)).unwrap();
    let subject = Subject::new(&Quarters, format!("{range:?}"), range.len(), protocol, kept);
    let mut collection = Collection::new(subject).unwrap();
    let blocks = 0..collection.subject().n_blocks();
    let judge = Judge::new().looking_with(Quarters);
    assert!(judge.collect(&images, &mut collection, blocks, None, &mut ()).unwrap());
    collection
}

#[test]
fn published_statistics_are_read_in_all_their_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let covariance = [4.0, 1.0, 1.0, 9.0];
    let expected = Statistics::new(vec![1.0, 2.0], covariance.to_vec(), None).unwrap();
    let f32s: Vec<u8> = covariance.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
    for (name, sigma) in [
        ("plain", numbers("<f8", "(2, 2)", "False", &f64s(&covariance))),
        ("columns", numbers("<f8", "(2, 2)", "True", &f64s(&covariance))),
        ("single", numbers("<f4", "(2, 2)", "False", &f32s)),
    ] {
        let path = published(folder.path().join(format!("{name}.npz")), &sigma);
        let Ok(Source::Published(found)) = open_reference(&path) else { panic!("{name}") };
        assert_eq!(found.pooled, expected, "{name}");
        assert!(found.spatial.is_none() && found.images.is_none());
    }
    // What is written is read back, and equal statistics give equal files.
    let [a, b] = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
    reference::write_npz(&a, &expected).unwrap();
    reference::write_npz(&b, &expected).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    let Ok(Source::Published(found)) = open_reference(&a) else { panic!("what was written is not read") };
    assert_eq!(found.pooled, expected);
}

/// OpenAI's files: statistics of two kinds of features and a part of the images.
#[test]
fn references_with_images_beside_their_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let mu = numbers("<f8", "(1,)", "False", &f64s(&[0.5]));
    let sigma = numbers("<f8", "(1, 1)", "False", &f64s(&[2.0]));
    let images = numbers("|u1", "(5, 2, 2, 3)", "False", &[9; 60]);
    let entries: [(&str, &[u8]); 5] = [
        ("mu.npy", &mu),
        ("sigma.npy", &sigma),
        ("mu_s.npy", &mu),
        ("sigma_s.npy", &sigma),
        ("arr_0.npy", &images),
    ];
    let path = put_zip(folder.path().join("VIRTUAL_two.npz"), &entries, false);
    let Ok(Source::Published(found)) = open_reference(&path) else { panic!() };
    assert_eq!(found.spatial.unwrap().covariance(), [2.0]);
    assert_eq!(found.images.unwrap().len(), 5);
    // Images alone are images.
    let path = put_zip(folder.path().join("samples.npz"), &entries[4..], false);
    assert!(matches!(open_reference(&path), Ok(Source::Images(set)) if set.len() == 5));
}

#[test]
fn hostile_statistics_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sigma = |values: &[f64]| numbers("<f8", "(2, 2)", "False", &f64s(values));
    for (what, sigma) in [
        ("three numbers", numbers("<f8", "(3,)", "False", &f64s(&[1.0; 3]))),
        ("a number that is none", sigma(&[1.0, f64::NAN, f64::NAN, 1.0])),
        ("no symmetry", sigma(&[1.0, 0.0, 0.5, 1.0])),
        ("a negative variance", sigma(&[1.0, 0.0, 0.0, -1.0])),
        ("objects", numbers("|O", "(2, 2)", "False", &[0; 32])),
        ("complex numbers", numbers("<c16", "(2, 2)", "False", &[0; 64])),
        ("numbers of the other end", numbers(">f8", "(2, 2)", "False", &[0; 32])),
        ("fewer bytes than promised", numbers("<f8", "(2, 2)", "False", &[0; 31])),
        ("more bytes than promised", numbers("<f8", "(2, 2)", "False", &[0; 33])),
        ("a promise of 2^61 numbers", numbers("<f8", "(2305843009213693952, 2)", "False", &[0; 32])),
        ("another header", numbers("<f8", "(2, -2)", "False", &[0; 32])),
    ] {
        let path = published(folder.path().join("hostile.npz"), &sigma);
        let error = open_reference(&path).err().unwrap_or_else(|| panic!("{what} was read"));
        assert!(error.to_string().contains("hostile.npz"), "{what}: {error}");
    }
}

#[test]
fn every_metric_says_what_it_lacks() {
    let protocol = Protocol::named("plain").unwrap();
    let (samples, other) = (emoji(0..200, 200, &protocol), emoji(200..500, 300, &protocol));
    let reference = Reference::collected(&other, &protocol).unwrap();
    // Whether images are portraits, nothing but the portraits can say.
    let (alone, all): (Vec<Metric>, Vec<Metric>) =
        Metric::ALL.into_iter().map(|(_, metric)| metric).partition(|metric| *metric == Metric::Legal);
    assert!(score(&alone, &samples, &reference).unwrap_err().to_string().contains("nearest portrait"));
    let scores = score(&all, &samples, &reference).unwrap();
    let named: Vec<&str> = scores.iter().map(|score| score.metric.as_str()).collect();
    assert_eq!(
        named,
        [
            "FD-Quarters",
            "sFD-Quarters",
            "KD-Quarters",
            "CS-Quarters",
            "precision-Quarters",
            "recall-Quarters",
            "density-Quarters",
            "coverage-Quarters"
        ]
    );
    let exact = frechet_distance(
        &other.statistics(Divisor::Unbiased).unwrap(),
        &samples.statistics(Divisor::Unbiased).unwrap(),
    );
    assert_eq!(scores[0].value, exact.unwrap());
    assert_eq!((scores[0].n, scores[0].n_reference), (200, Some(300)));
    assert!(scores[2].error.is_some() && scores[3].error.is_some() && scores[3].n_reference.is_none());

    // Equal sets are at no distance; halves of one set are nearer to each other than to another set.
    let same = score(&[Metric::Frechet], &other, &reference).unwrap();
    assert!(same[0].value < 1e-9, "{same:?}");
    assert!(reference.floor().unwrap().unwrap().value < scores[0].value);

    let bare = Reference { rows: None, spatial: None, ..reference.clone() };
    for (metric, lacks) in [
        (Metric::SpatialFrechet, "mu_s"),
        (Metric::Kernel, "reference's images"),
        (Metric::PrecisionRecall, "reference's images"),
    ] {
        let message = score(&[metric], &samples, &bare).unwrap_err().to_string();
        assert!(message.contains(lacks), "{message}");
    }
    let edm = Reference::collected(&other, &Protocol::named("edm").unwrap()).unwrap();
    let message = score(&[Metric::Frechet], &samples, &edm).unwrap_err().to_string();
    assert!(message.contains("must be `plain`"), "{message}");
    let without_rows = emoji(0..200, 0, &protocol);
    let message = score(&[Metric::Kernel], &without_rows, &reference).unwrap_err().to_string();
    assert!(message.contains("samples' features"), "{message}");
}

/// FID, KID and IS are what the Inception of 2015 computes; nothing else is called so.
#[test]
fn only_inception_earns_the_names() {
    let inception = "Inception-v3 of 2015 (TF1 bilinear, weights 0123abcd)";
    let names = |network: &str| Metric::ALL.map(|(_, metric)| metric.label(network));
    assert_eq!(names(inception)[..4], ["FID", "sFID", "KID", "IS"].map(String::from));
    for other in
        ["EffNetLite0 (antialiased bicubic, weights 0)", "ResNet-20 of CIFAR-10 (weights 0)", "Inception-v4"]
    {
        for name in names(other) {
            assert!(!["FID", "sFID", "KID", "IS"].iter().any(|taken| name.starts_with(taken)), "{name}");
        }
    }
    assert_eq!(Metric::Frechet.label("EffNetLite0 (x)"), "FD-EffNetLite0");
}

/// Protocols differ where they say they do: dividing by n gives another covariance.
#[test]
fn the_divisor_is_the_protocols() {
    let (edm, ect) = (Protocol::named("edm").unwrap(), Protocol::named("ect").unwrap());
    let samples = emoji(0..130, 0, &edm);
    let [unbiased, population] = [edm, ect].map(|protocol| samples.statistics(protocol.divisor).unwrap());
    let ratio = population.covariance()[0] / unbiased.covariance()[0];
    assert!((ratio - 129.0 / 130.0).abs() < 1e-12, "{ratio}");
    assert!(npz::read_numbers(Path::new("/nonexistent.npz"), &["mu"]).is_err());
}
