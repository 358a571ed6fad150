//! Looking at a set before a run does: headers, everything, and what a glance shows.

use onestep::data::{DataSpec, Hint, ImageShape, OnError, check, check_headers, hints, open};

use super::{RGB8, open_path, png, put, spec};

/// What is missing, empty, no picture or of another size shows in headers; what is damaged further in does not.
#[test]
fn headers_tell_what_cannot_be_an_image_of_the_set() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    for seed in 0..4 {
        put(path(&format!("a/{seed}.png")), &png(RGB8, seed));
        put(path(&format!("b/{seed}.png")), &png(RGB8, 10 + seed));
    }
    let whole = png(RGB8, 1);
    put(path("a/1.png"), &whole[..whole.len() / 2]);
    put(path("a/2.png"), b"");
    put(path("b/0.png"), b"<html>not found</html>");
    let set = open_path(home.path());
    // After the set was opened.
    std::fs::remove_file(path("b/3.png")).unwrap();
    put(path("b/2.png"), &png(ImageShape { width: 9, ..RGB8 }, 1));
    let report = check_headers(&*set);
    let bad: Vec<_> = report.bad.iter().map(|bad| bad.index).collect();
    assert_eq!((report.n_samples, bad), (8, vec![2, 4, 6, 7]));
    assert_eq!((report.class_counts, report.n_unlabelled, report.mean.len()), (vec![3, 1], 0, 0));
    let causes: Vec<String> = report.bad.iter().map(|bad| bad.cause()).collect();
    assert!(causes[2].contains("9x8") && causes[3].contains("No such file"), "{causes:?}");
    assert!(causes.iter().all(|cause| !cause.is_empty()) && report.bad[1].source.ends_with("b/0.png"));
    let report = check(&*set, |_| {});
    let bad: Vec<_> = report.bad.iter().map(|bad| bad.index).collect();
    assert_eq!(bad, [1, 2, 4, 6, 7], "and the truncated one");
    // With a size to be brought to, another size is no fault.
    let sized = open(&DataSpec { image_size: Some(8.into()), ..spec(home.path()) }).unwrap();
    assert_eq!(check_headers(&*sized).bad.len(), 2);
}

/// A shade for every pixel, as a portable pixmap of 4x4.
fn pixmap(pixel: impl Fn(u8) -> [u8; 3]) -> Vec<u8> {
    [b"P6 4 4 255\n".to_vec(), (0..16).flat_map(pixel).collect()].concat()
}

#[test]
fn a_glance_shows_grey_flat_and_lopsided_sets_and_few_images() {
    let home = tempfile::tempdir().unwrap();
    let fill = |class: &str, n: u8, pixel: &dyn Fn(u8, u8) -> [u8; 3]| {
        (0..n).for_each(|image| {
            let file = pixmap(|at| pixel(image, at));
            drop(put(home.path().join(format!("{class}/{image}.ppm")), &file));
        });
    };
    fill("a", 19, &|image, at| [image * 9 + at, image * 9, 15 * at]);
    fill("b", 1, &|_, at| [15 * at, 0, 0]);
    let found = || {
        let set = open_path(home.path());
        let found = hints(&*set, None);
        assert_eq!(check(&*set, |_| {}).hints, found);
        found
    };
    assert_eq!(found(), [Hint::OneClass { class: "a".into(), n: 19, looked_at: 20 }]);
    assert_eq!(check_headers(&*open_path(home.path())).hints, found());
    fill("b", 3, &|_, at| [15 * at, 0, 0]);
    assert_eq!(found(), []);
    // Two of twenty-two may be flat, three are worth a word.
    fill("b", 2, &|_, at| [200, 100 + at % 3, 50]);
    assert_eq!(found(), []);
    fill("b", 3, &|_, at| [200, 100 + at % 3, 50]);
    assert_eq!(found(), [Hint::OneColor { n: 3, looked_at: 22 }]);
    for class in ["a", "b"] {
        fill(class, 19, &|image, at| [image + 10 * at; 3]);
    }
    assert_eq!(found(), [Hint::AllGrey { looked_at: 38 }]);
    let grey = open(&DataSpec { grey: true, ..spec(home.path()) }).unwrap();
    assert_eq!(hints(&*grey, Some(38)), []);
    assert_eq!(hints(&*grey, Some(39)), [Hint::FewerThanBatch { n: 38, batch: 39 }]);
    let text = Hint::AllGrey { looked_at: 38 }.to_string();
    assert!(text.contains("grey = true"), "{text}");
    // What comes along is as it should be, and points are no flat images.
    for name in ["builtin:emoji", "builtin:two-moons", "builtin:gaussian"] {
        assert_eq!(hints(&*open(&DataSpec::new(name)).unwrap(), None), [], "{name}");
    }
}

/// What a run does about bad images is no part of what the images are.
#[test]
fn what_is_done_about_errors_is_read_and_identifies_nothing() {
    let spec: DataSpec = toml::from_str("source = \"builtin:emoji\"\non_error = \"skip\"").unwrap();
    assert_eq!(spec.on_error, OnError::Skip);
    assert_eq!(toml::from_str::<DataSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    let stopping = DataSpec { on_error: OnError::Stop, ..spec.clone() };
    assert_eq!(open(&spec).unwrap().fingerprint(), open(&stopping).unwrap().fingerprint());
    let message =
        toml::from_str::<DataSpec>("source = \"a\"\non_error = \"ignore\"").unwrap_err().to_string();
    assert!(message.contains("`stop`") && message.contains("`skip`"), "{message}");
}
