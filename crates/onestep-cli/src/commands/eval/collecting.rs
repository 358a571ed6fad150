//! Letting a network see many images: progress, interruption, and when to write what was seen.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use onestep::data::Outputs;
use onestep::eval::reference::Source;
use onestep::eval::{Collection, Images, Judge, Keep, Reference, Selection, holds_moments_alone};
use onestep::observer::{Event, Flow, Observer};

use crate::failure::{Outcome, code, create_folder};
use crate::print::say;
use crate::progress::{bar, human_seconds};
use crate::signals::StopFlag;

/// What is seen is written this often.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Real images by their name.
pub type Real<'a> = (&'a str, Source);

/// How long work is watched.
pub struct Collecting {
    /// Whether somebody wants to stop.
    pub stop: StopFlag,
    /// Without a bar.
    pub quiet: bool,
}

/// A bar with speed and time left, which passes on the wish to stop.
pub struct Watching {
    bar: ProgressBar,
    stop: StopFlag,
    started: Instant,
    speed: bool,
}

impl Collecting {
    /// Listens for the wish to stop.
    pub fn listen(quiet: bool) -> Outcome<Self> {
        Ok(Self { stop: StopFlag::listen()?, quiet })
    }

    /// From now on a signal ends the work when the images at hand are seen; what was seen is kept in a file, or lost.
    pub fn heed(&self, keep: Option<&Path>) {
        let kept = keep.filter(|path| !holds_moments_alone(path)).map(|path| path.display().to_string());
        let first = match &kept {
            Some(_) => "stopping after these images, and saving what was seen ...",
            None => "stopping after these images ...",
        };
        self.stop.heed(self.quiet, first, move || match &kept {
            Some(path) => format!("ended at once; what was seen since {path} was last written is lost"),
            None => "ended at once; nothing was kept".into(),
        });
    }

    /// Something to watch work on images with, counted in this unit.
    pub fn bar(&self, unit: &str) -> Watching {
        let (bar, stop) = (bar(0, unit, self.quiet), self.stop.clone());
        Watching { bar, stop, started: Instant::now(), speed: true }
    }

    /// Sees what samples are compared with; none if somebody asked to stop.
    pub fn reference(
        &self,
        judge: &Judge,
        (name, source): Real<'_>,
        selection: Selection,
    ) -> Outcome<Option<Reference>> {
        self.heed(None);
        let mut bar = self.bar("real images");
        let seen = judge.reference(source, name, selection, &mut bar)?;
        bar.finish();
        Ok(seen)
    }

    /// Collects those of some blocks that are not in, and keeps them in a file now and then; answers whether all are in.
    pub fn collect(
        &self,
        judge: &Judge,
        images: &dyn Images,
        collection: &mut Collection,
        blocks: Range<usize>,
        keep: Option<&Path>,
    ) -> Outcome<bool> {
        let mut saved = Instant::now();
        let mut now = || {
            let due = saved.elapsed() > SAVE_EVERY;
            if due {
                saved = Instant::now();
            }
            due
        };
        self.heed(keep);
        let keep = keep.map(|file| Keep { file, now: &mut now });
        let mut bar = self.bar("samples");
        let whole = judge.collect(images, collection, blocks, keep, &mut bar)?;
        bar.finish();
        Ok(whole)
    }
}

impl Watching {
    /// The same with the time left alone.
    pub fn without_speed(self) -> Self {
        Self { speed: false, ..self }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Watching {
    fn observe(&mut self, event: &Event) -> Flow {
        if let &Event::Progress { done, total, .. } = event {
            self.bar.set_length(total as u64);
            self.bar.set_position(done as u64);
            let speed = done as f64 / self.started.elapsed().as_secs_f64();
            let left = human_seconds((total - done) as f64 / speed);
            let speed = if self.speed { format!("· {speed:.1} img/s ") } else { String::new() };
            self.bar.set_message(format!("{speed}· {left} left"));
        }
        if self.stop.is_set() { Flow::Stop } else { Flow::Continue }
    }
}

/// Makes the folder of a file that will be written, before the work that fills it.
pub fn create_parent(file: Option<&Path>) -> Outcome {
    let parent = file.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), create_folder)
}

/// The rule for the files of an evaluation, which spares those that it reads.
pub fn outputs<'a>(overwrite: bool, inputs: impl IntoIterator<Item = &'a String>) -> Outputs {
    Outputs::default().overwrite(overwrite).spare_all(inputs)
}

/// Says what is kept, and the code that says it is safe to run again.
pub fn stopped(collection: &Collection, keep: Option<&Path>) -> ExitCode {
    match keep.filter(|path| !holds_moments_alone(path)) {
        Some(path) => say!(
            "stopped; {} of {} images are in {}: the same command goes on from there",
            collection.n_done(),
            collection.subject().n,
            path.display()
        ),
        None => {
            say!("stopped; with --stats-out FILE.safetensors, the same command would go on from here")
        }
    }
    ExitCode::from(code::STOPPED)
}
