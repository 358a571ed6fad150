//! Several ranks, as threads, are one run: the same bits whatever their number, and an end for all of them together.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use onestep::Error;
use onestep::data::Sample;
use onestep::distributed::{Communicator, DistributedError, Local, Reduction, TreeSum, World};
use onestep::noise::{Purpose, Stream};
use onestep::train::{Event, Flow, Outcome, Recipe, RunBuilder, TrainError};

use super::short::{on_pictures, picture};
use super::{Seen, builder, files, tiny};

/// Runs something as each of `size` ranks, and returns what each says.
fn ranks<T: Send>(size: usize, each: impl Fn(World) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> =
            Local::world(size).into_iter().map(|rank| scope.spawn(move || each(World::new(rank)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a rank")).collect()
    })
}

/// Trains in a folder by so many ranks, from the start or from where it is, until a rank's observer stops at `stop`.
fn train(folder: &Path, recipe: &Recipe, size: usize, stop: Option<(usize, u64)>) -> Vec<Outcome> {
    ranks(size, |world| {
        let rank = world.rank();
        let mut run = builder(recipe).world(world).resume(folder).unwrap();
        let mut observer = |event: &Event| match (event, stop) {
            (Event::Step { step, .. }, Some((who, when))) if who == rank && *step >= when => Flow::Stop,
            _ => Flow::Continue,
        };
        run.train(&mut observer).unwrap()
    })
}

fn assert_same(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert!(name == other && a == b, "{what}: {name} differs from {other}");
    }
}

const ALL: [&str; 9] = ["edm", "cd", "ct", "ict", "ect", "pd", "scd", "sct", "cmt"];

/// A convolutional network with dropout, flips and classes; progressive distillation begins stages meanwhile, and sCD, sCT and CT move
/// numbers beside the student.
#[test]
fn every_method_gives_the_same_bits_at_every_number_of_ranks() {
    for method in ALL {
        let recipe = tiny(method, &["train.batch=8", "train.shards=8"]);
        let runs: Vec<_> = [1, 2, 4, 8]
            .into_iter()
            .map(|size| {
                let folder = tempfile::tempdir().unwrap();
                let ended = train(folder.path(), &recipe, size, None);
                assert_eq!(ended, vec![Outcome::Finished; size]);
                (size, files(folder.path(), 6))
            })
            .collect();
        for (size, run) in &runs[1..] {
            assert_same(&runs[0].1, run, &format!("{method} by {size} ranks"));
        }
    }
}

/// 50 steps of every method on points; what is compared is the whole checkpoint.
#[test]
fn fifty_steps_of_every_method_are_the_same_by_one_and_by_several() {
    for method in ALL {
        let settings = [
            "train.steps=50",
            "train.batch=32",
            "train.shards=8",
            "train.preview_every=0",
            "train.averages=[{ half_life_images = 1000 }]",
        ];
        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        if method == "pd" {
            settings.extend(["objective.start_intervals=4".into(), "objective.steps_per_stage=15".into()]);
        }
        let text = onestep::train::builtin_recipe(&format!("toy2d-{method}")).unwrap();
        let recipe = Recipe::parse(text, &settings).unwrap();
        let run = |size| {
            let folder = tempfile::tempdir().unwrap();
            train(folder.path(), &recipe, size, None);
            files(folder.path(), 50)
        };
        let alone = run(1);
        for size in [2, 4, 8] {
            assert_same(&alone, &run(size), &format!("{method} by {size} ranks"));
        }
    }
}

/// Stopped by any rank, all stop at the same step, and the run goes on by another number of ranks to the same bits.
#[test]
fn a_run_is_stopped_by_any_rank_and_goes_on_by_another_number_of_them() {
    let recipe = tiny("cd", &["train.batch=8", "train.shards=4"]);
    let whole = tempfile::tempdir().unwrap();
    train(whole.path(), &recipe, 1, None);
    let parts = tempfile::tempdir().unwrap();
    assert_eq!(train(parts.path(), &recipe, 4, Some((3, 2))), vec![Outcome::Stopped; 4]);
    assert_eq!(files(parts.path(), 2).len(), files(whole.path(), 3).len());
    assert_eq!(train(parts.path(), &recipe, 2, Some((0, 4))), vec![Outcome::Stopped; 2]);
    assert_eq!(train(parts.path(), &recipe, 1, None), vec![Outcome::Finished]);
    assert_same(&files(whole.path(), 6), &files(parts.path(), 6), "stopped twice");
}

#[test]
fn a_batch_is_cut_for_the_ranks_there_are() {
    let recipe = tiny("edm", &["train.batch=24", "train.steps=1"]);
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &recipe, 2, None);
    let settled = onestep::train::Run::recipe_in(folder.path(), &[]).unwrap();
    assert_eq!(settled.train.shards, Some(8));
    // Where a run was begun by one, several cut it from there on, and the run says so.
    let alone = tempfile::tempdir().unwrap();
    train(alone.path(), &recipe, 1, None);
    let longer = tiny("edm", &["train.batch=24", "train.steps=2", "train.learning_rate.decay=\"constant\""]);
    let alone_first =
        tiny("edm", &["train.batch=24", "train.steps=1", "train.learning_rate.decay=\"constant\""]);
    let begun = tempfile::tempdir().unwrap();
    train(begun.path(), &alone_first, 1, None);
    let changed = ranks(2, |world| {
        let run = builder(&longer).world(world).resume(begun.path()).unwrap();
        run.resumed().unwrap().changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>()
    });
    assert!(changed.iter().all(|keys| keys.contains(&"train.shards".to_owned())), "{changed:?}");

    let refusal = |size, settings: &[&str]| {
        let recipe = tiny("edm", settings);
        let folder = tempfile::tempdir().unwrap();
        let all = ranks(size, |world| {
            builder(&recipe).world(world).create(folder.path()).map(drop).unwrap_err().to_string()
        });
        assert!(all.iter().all(|message| *message == all[0]), "{all:?}");
        all[0].clone()
    };
    assert!(refusal(3, &["train.batch=24"]).contains("power of two"));
    assert!(refusal(4, &["train.batch=6"]).contains("train.batch a multiple of 4"));
    assert!(refusal(4, &["train.batch=8", "train.shards=2"]).contains("cut into 2 shards"));
    let odd = Recipe::builtin("toy2d-ct", &["train.batch=30", "train.shards=4"]).unwrap_err().to_string();
    assert!(odd.contains("train.shards") && odd.contains("power of two"), "{odd}");
}

/// Each image is read by the rank whose shard it is in, and by no other.
#[test]
fn a_rank_reads_only_what_it_trains_on() {
    let recipe = tiny("edm", &["train.batch=8", "train.shards=4", "train.steps=5"]);
    let folder = tempfile::tempdir().unwrap();
    let (n_read, n_fingerprints) =
        (Arc::new([const { AtomicUsize::new(0) }; 4]), Arc::new(AtomicUsize::new(0)));
    ranks(4, |world| {
        let (rank, n_read) = (world.rank(), n_read.clone());
        let see = move |_: usize, _: &mut Sample| {
            n_read[rank].fetch_add(1, Ordering::Relaxed);
        };
        let inner = onestep::data::open(&recipe.data).unwrap();
        let data = Seen { n_fingerprints: n_fingerprints.clone(), ..Seen::new(inner, see) };
        let run = RunBuilder::new(recipe.clone()).data(Box::new(data)).world(world).create(folder.path());
        run.unwrap().train(&mut ()).unwrap()
    });
    assert_eq!(n_fingerprints.load(Ordering::Relaxed), 1, "rank 0 looks at all images, for all");
    for (rank, read) in n_read.iter().enumerate() {
        assert_eq!(read.load(Ordering::Relaxed), 5 * 8 / 4, "rank {rank}");
    }
}

#[test]
fn a_bad_image_is_passed_over_once_and_to_the_same_bits_whoever_meets_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths: Vec<_> = (0..7).map(|number| picture(&at("data"), number)).collect();
    for bad in [2, 5] {
        let bytes = std::fs::read(&paths[bad]).unwrap();
        std::fs::write(&paths[bad], &bytes[..bytes.len() / 2]).unwrap();
    }
    let settings = ["train.batch=4", "train.shards=4", "train.steps=4", "data.on_error=\"skip\""];
    let recipe = on_pictures("emoji-edm", &at("data"), &settings);
    let run = |size: usize| {
        let out = at(&format!("run-{size}"));
        let told = ranks(size, |world| {
            let mut run = RunBuilder::new(recipe.clone()).world(world).create(&out).unwrap();
            let mut told = Vec::new();
            let mut watch = |event: &Event| {
                if let Event::BadImage { .. } = event {
                    told.push(event.clone());
                }
                Flow::Continue
            };
            run.train(&mut watch).unwrap();
            (told, run.trainer().state().bad_images.clone())
        });
        assert!(told.iter().all(|rank| *rank == told[0]), "{told:?}");
        assert_eq!(told[0].1.len(), 2);
        (told[0].clone(), files(&out, 4))
    };
    let (told, alone) = run(1);
    for size in [2, 4] {
        let (others, files) = run(size);
        assert_eq!(told, others, "{size} ranks");
        assert_same(&alone, &files, &format!("{size} ranks"));
    }
}

#[test]
fn a_bad_image_ends_all_ranks_after_the_run_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let paths: Vec<_> = (0..24).map(|number| picture(&at("data"), number)).collect();
    let recipe = on_pictures("emoji-edm", &at("data"), &["train.batch=4", "train.shards=4", "train.steps=6"]);
    // Broken behind its header, so that it is found when it is wanted; whichever it is, it is wanted within six steps of four.
    let bytes = std::fs::read(&paths[20]).unwrap();
    std::fs::write(&paths[20], &bytes[..bytes.len() / 2]).unwrap();
    let ended = ranks(4, |world| {
        let mut run = RunBuilder::new(recipe.clone()).world(world).create(at("run")).unwrap();
        let error = run.train(&mut ()).unwrap_err();
        let step = run.trainer().state().step;
        match error {
            Error::Train(TrainError::BadImage { index, .. }) => (index, step),
            other => panic!("{other}"),
        }
    });
    assert!(ended.iter().all(|end| *end == ended[0]), "{ended:?}");
    let step = ended[0].1;
    assert!(step == 0 || at("run").join(format!("ckpt/step-{step:08}")).is_dir());
}

#[test]
fn ranks_that_are_not_alike_are_refused_before_they_begin() {
    let folder = tempfile::tempdir().unwrap();
    let errors = ranks(4, |world| {
        let seed = if world.rank() == 2 { "train.seed=1" } else { "train.seed=0" };
        let recipe = tiny("edm", &["train.batch=8", "train.shards=4", seed]);
        builder(&recipe).world(world).create(folder.path()).map(drop).unwrap_err()
    });
    for error in errors {
        let Error::Distributed(DistributedError::Differs { rank, what, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!((rank, what), (2, "the recipe"));
    }
}

#[test]
fn a_rank_that_is_gone_ends_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = tiny("edm", &["train.batch=8", "train.shards=4"]);
    let ended = ranks(4, |world| {
        let rank = world.rank();
        let mut run = builder(&recipe).world(world).create(folder.path()).unwrap();
        if rank == 1 {
            return None;
        }
        Some(run.train(&mut ()).unwrap_err())
    });
    for error in ended.into_iter().flatten() {
        assert!(matches!(error, Error::Distributed(DistributedError::Lost { .. })), "{error}");
    }
}

/// (((0+1)+(2+3))+...), written as it is defined.
fn by_definition(terms: &[Vec<f32>]) -> Vec<f32> {
    match terms {
        [one] => one.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            by_definition(left).iter().zip(by_definition(right)).map(|(a, b)| a + b).collect()
        }
    }
}

/// Sums between ranks, and within one, are those of the tree, to the bit, whatever the length.
#[test]
fn sums_are_added_in_the_tree() {
    for length in [0, 1, 2, 3, 5, 7, 64, 1001] {
        for size in [1, 2, 4, 8, 16] {
            let term = |rank: u64| {
                let scale = Stream::new(2, Purpose::Test, 0, rank).uniform() * 1e6;
                Stream::new(1, Purpose::Test, rank, 0)
                    .standard_normal(length)
                    .into_iter()
                    .map(|value| value * scale as f32)
                    .collect::<Vec<f32>>()
            };
            let terms: Vec<_> = (0..size as u64).map(term).collect();
            let expected = by_definition(&terms);
            let all = ranks(size, |mut world| world.sum(terms[world.rank()].clone()).unwrap());
            for (rank, sum) in all.iter().enumerate() {
                assert_eq!(sum, &expected, "{length} numbers, rank {rank} of {size}");
            }
            let mut sum =
                TreeSum::new(|a: Vec<f32>, b: Vec<f32>| a.iter().zip(b).map(|(a, b)| a + b).collect());
            terms.into_iter().for_each(|term| sum.add(term));
            assert_eq!(sum.total(), Some(expected));
        }
    }
    assert_eq!(TreeSum::new(|a: f32, b: f32| a + b).total(), None);
    assert_eq!(Local::world(3).remove(0).tree_sum(vec![1.0]), Err(DistributedError::WorldSize { size: 3 }));
}

#[test]
fn the_fast_order_trains_as_well() {
    let recipe = tiny("ct", &["train.batch=8", "train.shards=8"]);
    let folder = tempfile::tempdir().unwrap();
    let ended = ranks(2, |world| {
        let world = world.reduction(Reduction::Fast).compared_every(1);
        builder(&recipe).world(world).create(folder.path()).unwrap().train(&mut ()).unwrap()
    });
    assert_eq!(ended, [Outcome::Finished; 2]);
}

#[test]
fn what_ranks_hold_is_compared() {
    let errors = ranks(4, |mut world| {
        let own = if world.rank() == 3 { b"other" } else { b"alike" };
        world.compare(own, "the weights", "go on").unwrap_err()
    });
    for error in errors {
        assert_eq!(error, DistributedError::Differs { rank: 3, what: "the weights", reason: "go on" });
    }
}
