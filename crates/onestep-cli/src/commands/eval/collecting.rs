//! Letting a network see many images: progress, interruption, and going on where it was.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use onestep::eval::{Collection, FeatureNetwork, Images, Progress, Subject, collect, reference};

use crate::failure::{Failure, Outcome, code};
use crate::progress::{bar, human_seconds};
use crate::signals::StopFlag;

/// What is seen is written this often.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// How images are collected.
pub struct Collecting {
    /// Whether somebody wants to stop.
    pub stop: StopFlag,
    /// Without a bar.
    pub quiet: bool,
    /// Images that the network sees together.
    pub batch: usize,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// All blocks are in.
    Done {
        /// Seconds that making or reading the images took.
        seconds: f64,
        /// How many that were.
        n: usize,
    },
    /// Somebody asked to stop.
    Stopped,
}

impl Collecting {
    /// Collects those of some blocks that are not in, and keeps them in a file now and then.
    pub fn collect(
        &self,
        what: &'static str,
        images: &dyn Images,
        network: &dyn FeatureNetwork,
        collection: &mut Collection,
        blocks: Range<usize>,
        keep: Option<&Path>,
    ) -> Outcome<End> {
        let missing: usize =
            blocks.clone().filter(|&b| !collection.has(b)).map(|b| collection.subject().block(b).len()).sum();
        let bar = bar(missing as u64, what, self.quiet);
        // Only our own format can be read back and gone on with.
        let part = keep.filter(|path| !is_npz(path));
        let (started, mut saved, mut since) = (Instant::now(), Instant::now(), Instant::now());
        let (mut seconds, mut n) = (0.0, 0);
        collect(images, network, collection, blocks.clone(), self.batch, &mut |progress, collection| {
            match progress {
                Progress::Images(made) => {
                    seconds += since.elapsed().as_secs_f64();
                    n += made;
                }
                Progress::Seen(seen) => {
                    bar.inc(seen as u64);
                    let speed = bar.position() as f64 / started.elapsed().as_secs_f64();
                    let left = human_seconds((missing as u64 - bar.position()) as f64 / speed);
                    bar.set_message(format!("· {speed:.1} img/s · {left} left"));
                    if let Some(path) = part.filter(|_| saved.elapsed() > SAVE_EVERY) {
                        collection.save(path)?;
                        saved = Instant::now();
                    }
                    since = Instant::now();
                }
            }
            Ok(!self.stop.is_set())
        })?;
        bar.finish_and_clear();
        let done = blocks.clone().all(|block| collection.has(block));
        match keep {
            Some(path) if is_npz(path) && done => {
                reference::write_npz(path, &collection.statistics(Default::default())?)?;
            }
            Some(path) if !is_npz(path) && missing > 0 => collection.save(path)?,
            _ => {}
        }
        Ok(if done { End::Done { seconds, n } } else { End::Stopped })
    }
}

/// A collection to go on with, if the file holds one of the same images, or an empty one.
pub fn begin(subject: Subject, keep: Option<&Path>, quiet: bool) -> Outcome<Collection> {
    let Some(path) = keep.filter(|path| path.exists() && !is_npz(path)) else {
        return Ok(Collection::new(subject)?);
    };
    let found = Collection::load(path)?;
    let mut fresh = Collection::new(subject)?;
    if let Err(error) = fresh.merge(found) {
        let message = format!("{} holds something else: {error}", path.display());
        return Err(
            Failure::new(code::CANNOT_CREATE, message).hint("choose another --stats-out, or remove the file")
        );
    }
    if !quiet && fresh.n_done() > 0 {
        eprintln!("{}: {} of {} images are in already", path.display(), fresh.n_done(), fresh.subject().n);
    }
    Ok(fresh)
}

/// Makes the folder of a file that will be written, before the work that fills it.
pub fn create_parent(file: Option<&Path>) -> Outcome {
    let parent = file.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), |parent| {
        std::fs::create_dir_all(parent).map_err(|error| {
            let message = format!("cannot create the folder {}: {error}", parent.display());
            Failure::new(code::CANNOT_CREATE, message)
        })
    })
}

/// Says what is kept, and the code that says it is safe to run again.
pub fn stopped(collection: &Collection, keep: Option<&Path>) -> ExitCode {
    match keep.filter(|path| !is_npz(path)) {
        Some(path) => eprintln!(
            "stopped; {} of {} images are in {}: the same command goes on from there",
            collection.n_done(),
            collection.subject().n,
            path.display()
        ),
        None => {
            eprintln!("stopped; with --stats-out FILE.safetensors, the same command would go on from here")
        }
    }
    ExitCode::from(code::STOPPED)
}

/// Whether a file is to hold mean and covariance alone.
pub fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}
