//! Collections: shards that add up to the bit, files that are read back or refused, and generated images.

use std::path::Path;

use onestep::Result;
use onestep::data::{Pixels, Rounding, open};
use onestep::eval::{
    BLOCK, Collection, EvalError, FeatureNetwork, Images, Judge, Keep, Protocol, Selection, Stored, Subject,
};
use onestep::observer::{Event, Flow, Work};

use super::{Quarters, small_model};
use crate::data::{RGB8, picture};

const N: usize = 3 * BLOCK + 10;

/// Pictures that need no files.
struct Made;

impl Images for Made {
    fn n_images(&self) -> usize {
        N
    }

    fn pixels(&self, range: std::ops::Range<usize>, _rounding: Rounding) -> Result<Vec<Pixels>> {
        Ok(range.map(|index| picture(RGB8, index as u32)).collect())
    }
}

fn subject() -> Subject {
    Subject::new(&Quarters, "made".into(), N, &Protocol::ALL[0], BLOCK + 5)
}

/// The collection of some blocks.
fn of_blocks(blocks: std::ops::Range<usize>, batch: usize) -> Collection {
    let mut collection = Collection::new(subject()).unwrap();
    assert!(judge(batch).collect(&Made, &mut collection, blocks, None, &mut ()).unwrap());
    collection
}

fn judge(batch: usize) -> Judge {
    Judge::new().looking_with(Quarters).batch(batch)
}

#[test]
fn shards_add_up_to_the_whole_to_the_bit() {
    let whole = of_blocks(0..4, 64);
    assert!(whole.is_whole() && whole.n_done() == N);
    for n_shards in [2, 3, 4, 7] {
        let shards = (0..n_shards).map(|index| of_blocks(subject().shard(index, n_shards), 5));
        // The last shard first.
        let shards: Vec<Collection> = shards.collect();
        let mut merged = Collection::new(subject()).unwrap();
        shards.into_iter().rev().for_each(|shard| merged.merge(shard).unwrap());
        assert!(merged == whole, "{n_shards} shards");
    }
    assert_eq!(whole.rows().unwrap().n(), BLOCK + 5);
    let halves = whole.halves(Default::default()).unwrap();
    assert_eq!(halves.map(|half| half.n()), [Some(N as u64 / 2), Some(N as u64 / 2)]);
}

#[test]
fn overlaps_gaps_and_strangers_are_named() {
    let mut collection = of_blocks(0..2, 64);
    let message = collection.check_whole().unwrap_err().to_string();
    assert!(message.contains("74 of 202 images are missing: 128 to 201"), "{message}");
    let message = collection.merge(of_blocks(1..3, 64)).unwrap_err().to_string();
    assert!(message.contains("images 64 to 127 are in two parts"), "{message}");
    assert!(collection == of_blocks(0..2, 64), "a refused part changes nothing");
    let other = Subject { images: "others".into(), ..subject() };
    let message = collection.merge(Collection::new(other).unwrap()).unwrap_err().to_string();
    assert!(message.contains("`images` is \"made\" here and \"others\" there"), "{message}");
    let seen = Quarters.activations(&Made.pixels(0..64, Rounding::Edm).unwrap()).unwrap();
    assert!(collection.add(0, &seen).is_err() && collection.add(9, &seen).is_err());
    assert!(collection.add(3, &seen).is_err(), "64 images are not the 10 of the last block");
}

/// Stopped after any block, saved, read back and gone on with: the file is that of a run that never stopped.
#[test]
fn a_collection_stopped_and_saved_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = of_blocks(0..4, 64);
    whole.save(&path("whole")).unwrap();
    for stop_after in 1..4 {
        let mut first = Collection::new(subject()).unwrap();
        let mut seen = 0;
        let mut observer = |event: &Event| {
            seen += 1;
            let expected = Event::Progress { work: Work::Judging, done: seen * BLOCK, total: N };
            assert_eq!(event, &expected);
            if seen < stop_after { Flow::Continue } else { Flow::Stop }
        };
        // Written after every second block, and at the end.
        let mut asked = 0;
        let mut now = || {
            asked += 1;
            asked % 2 == 0
        };
        let keep = Some(Keep { file: &path("part"), now: &mut now });
        assert!(!judge(64).collect(&Made, &mut first, 0..4, keep, &mut observer).unwrap());
        assert_eq!(first.n_done(), stop_after * BLOCK);
        assert_eq!(asked, stop_after);
        let mut again = Collection::begin(subject(), Some(&path("part"))).unwrap();
        assert!(again == first);
        let keep = Some(Keep { file: &path("part"), now: &mut || false });
        assert!(judge(64).collect(&Made, &mut again, 0..4, keep, &mut ()).unwrap());
        assert!(std::fs::read(path("part")).unwrap() == std::fs::read(path("whole")).unwrap());
    }
    assert!(Collection::is_in(&path("whole")) && !Collection::is_in(&path("absent")));
    // A file that holds something else stays as it is.
    for images in ["others", ""] {
        let other = Subject { images: images.into(), ..subject() };
        let refused = Collection::begin(other, Some(&path("whole"))).unwrap_err();
        assert!(matches!(refused, EvalError::HoldsAnother { .. }), "{refused}");
    }
    // Mean and covariance alone are written when all is in, and not before.
    let mut part = Collection::new(subject()).unwrap();
    let mut keep_in_npz = |blocks| {
        let file = path("moments.npz");
        let keep = Some(Keep { file: &file, now: &mut || true });
        let mut after_one = |_: &Event| if file.exists() { Flow::Continue } else { Flow::Stop };
        let whole = judge(64).collect(&Made, &mut part, blocks, keep, &mut after_one).unwrap();
        (whole, file.exists())
    };
    assert_eq!(keep_in_npz(0..4), (false, false));
    assert_eq!(keep_in_npz(1..2), (true, true));
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statistics.safetensors");
    of_blocks(0..3, 64).save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        match Collection::load(&path) {
            Err(EvalError::File { path: named, .. }) => assert_eq!(named, path, "{what}"),
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what} was read"),
        }
    };
    for length in [0, 7, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length], "a file cut short");
    }
    refused(b"not a tensor file at all", "a text");
    let with = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len(), "offsets must stay");
        let place = good.windows(from.len()).position(|bytes| bytes == from.as_bytes()).expect(from);
        let mut bytes = good.clone();
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    for (from, to) in [
        (r#"\"statistics\":2"#, r#"\"statistics\":3"#),
        (r#"\"pooled\":12"#, r#"\"pooled\":99"#),
        (r#"\"n\":202"#, r#"\"n\":150"#),
        (r#"\"spatial\":3"#, r#"\"spatial\":4"#),
        (r#"\"logits\":4"#, r#"\"logits\":9"#),
        (r#"\"kept\":69"#, r#"\"kept\":68"#),
        (r#"\"done\":[[0,3]]"#, r#"\"done\":[[0,2]]"#),
        (r#"\"done\":[[0,3]]"#, r#"\"done\":[[0,7]]"#),
        (r#"\"done\":[[0,3]]"#, r#"\"done\":[[3,0]]"#),
    ] {
        refused(&with(from, to), to);
    }
    // A bit that has turned over, anywhere in the numbers.
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for place in [header, header + 15, (header + good.len()) / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[place] ^= 4;
        refused(&bytes, "a turned bit");
    }
    let absent = Collection::load(Path::new("/nonexistent/file")).unwrap_err();
    assert!(matches!(absent, EvalError::Data(_)), "{absent}");
}

/// A seed is an image: neither the batch it is drawn in nor the shard changes a bit of what is collected.
#[test]
fn generated_images_do_not_depend_on_batches_and_shards() {
    let model = small_model();
    let seeds = 100..100 + BLOCK as u64 + 9;
    let run = |batch, shards: &[std::ops::Range<usize>]| {
        let images = model.draw().seeds(seeds.clone()).levels(vec![80.0, 2.5]).batch(batch);
        let subject = Subject::new(&Quarters, "drawn".into(), images.n_images(), &Protocol::ALL[0], 10);
        let mut merged = Collection::new(subject.clone()).unwrap();
        for blocks in shards {
            let mut part = Collection::new(subject.clone()).unwrap();
            judge(batch).collect(&images, &mut part, blocks.clone(), None, &mut ()).unwrap();
            merged.merge(part).unwrap();
        }
        assert!(merged.is_whole());
        merged
    };
    let all = 0..2;
    let whole = run(64, std::slice::from_ref(&all));
    assert!(whole == run(7, std::slice::from_ref(&all)) && whole == run(3, &[1..2, 0..1]));
}

/// Images of a data set come back as the bytes they were.
#[test]
fn stored_images_are_seen_as_they_are() {
    let spec = onestep::data::DataSpec { limit: Some(3), ..onestep::data::DataSpec::new("builtin:emoji") };
    let set = open(&spec).unwrap();
    let pixels = set.pixels(0..3, Rounding::Truncate).unwrap();
    for (index, pixels) in pixels.iter().enumerate() {
        assert_eq!(pixels.values(), set.sample(index).unwrap().values);
    }
    let stored = |selection| Stored::new(open(&spec).unwrap(), "three", selection);
    let some = stored(Selection::Numbers(vec![2, 0])).unwrap();
    assert_eq!(some.pixels(0..2, Rounding::Edm).unwrap(), [pixels[2].clone(), pixels[0].clone()]);
    // What is chosen is there, and is told apart; the whole set is the same by any way.
    let refused = |selection| stored(selection).err().map(|error| error.to_string());
    assert_eq!(refused(Selection::Spread(4)).as_deref(), Some("three has 3 images, not 4"));
    let beyond = Selection::Numbers(vec![0, 3]);
    assert_eq!(refused(beyond).as_deref(), Some("three has no image 3: it has 3, numbered from 0"));
    let identity = |images: &dyn Images| images.identity(Rounding::Edm).unwrap().expect("an identity");
    assert!(identity(&some).contains(r#""images":"2,0""#), "{}", identity(&some));
    assert_eq!(identity(&stored(Selection::All).unwrap()), identity(&set));
    let points = open(&onestep::data::DataSpec::new("builtin:two-moons")).unwrap();
    assert!(points.settled().err().is_some_and(|error| error.to_string().contains("holds points")));
    assert!(Stored::new(points, "moons", Selection::All).is_err());
    let shape = onestep::data::ImageShape { height: 16, width: 16, channels: 1 };
    let every_byte = Pixels::new(shape, (0..=255).collect()).unwrap();
    assert_eq!(Pixels::from_values(&every_byte.values(), shape, Rounding::Edm).unwrap(), every_byte);
}

/// Statistics of images that were exchanged for others of the same names and lengths are not gone on with.
#[test]
fn changed_images_are_other_images() {
    let folder = tempfile::tempdir().unwrap();
    let write = |first: u8| {
        for image in 0..4u8 {
            let shade = [if image == 0 { first } else { 40 * image }; 16 * 16 * 3];
            let file = [&b"P6 16 16 255\n"[..], &shade].concat();
            std::fs::write(folder.path().join(format!("{image}.ppm")), file).unwrap();
        }
    };
    let open_set = || open(&onestep::data::DataSpec::new(folder.path().to_str().unwrap())).unwrap();
    let judge = || Judge::new().looking_with(Quarters);
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("seen.safetensors");
    write(9);
    let subject = || judge().subject(&open_set()).unwrap();
    let mut seen = Collection::begin(subject(), Some(&kept)).unwrap();
    assert!(judge().collect(&open_set(), &mut seen, 0..1, None, &mut ()).unwrap());
    seen.save(&kept).unwrap();
    assert!(Collection::begin(subject(), Some(&kept)).unwrap().is_whole());
    write(10);
    let refused = Collection::begin(subject(), Some(&kept)).err().map(|error| error.to_string());
    assert!(refused.is_some_and(|message| message.contains("seen.safetensors")));
}

#[test]
fn protocols_have_names_and_counts() {
    assert_eq!(Protocol::ALL[0].name, "plain");
    for protocol in Protocol::ALL {
        assert_eq!(Protocol::named(protocol.name).unwrap(), protocol);
    }
    let message = Protocol::named("fid").unwrap_err().to_string();
    assert!(message.contains("torch-fidelity"), "{message}");
    let edm = Protocol::named("edm").unwrap();
    assert!(edm.check_count(50_000).is_ok());
    let message = edm.check_count(49_999).unwrap_err().to_string();
    assert!(message.contains("`edm` takes 50000 images, here are 49999"), "{message}");
}
