//! A job: what was asked, how far it is, and what came of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onestep::data::Pixels;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::log::unix_millis;
use crate::refusal::Refusal;
use crate::request::JobRequest;
use crate::work::Work;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It waits for its turn.
    Queued,
    /// It is being computed.
    Running,
    /// Its images are there.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

impl Status {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// An image that a job has made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// Its seed.
    pub seed: u64,
    /// What its class is called, for models with classes.
    pub class: Option<String>,
    /// The image.
    pub pixels: Pixels,
    /// What makes it again, as it stands inside the file.
    pub parameters: Option<String>,
    /// The file, a PNG.
    pub png: Arc<Vec<u8>>,
}

/// A point of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PointView {
    /// Steps that were asked for.
    pub steps: usize,
    /// Network evaluations an image.
    pub evaluations: usize,
    /// Seconds an image on this machine, drawing and judging.
    pub seconds: f64,
    /// Root mean square of the difference from the nearest portrait that can be drawn, in levels of 255.
    pub difference: f64,
    /// Images that were judged.
    pub n: usize,
}

/// A curve that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CurveView {
    /// Its points, by cost.
    pub points: Vec<PointView>,
    /// A picture of it.
    pub svg: String,
}

/// What came of a job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// The images, in the order of their seeds or places.
    pub made: Vec<Made>,
    /// What went into an edit, as the model sees it.
    pub before: Vec<Arc<Vec<u8>>>,
    /// Network evaluations an image.
    pub evaluations: usize,
    /// How long it took, all images of the job together.
    pub milliseconds: f64,
    /// The points of a curve and its picture.
    pub curve: Option<CurveView>,
}

/// An image after one of its steps.
#[derive(Debug, Clone)]
pub(crate) struct Partial {
    /// Which image of the job.
    pub index: usize,
    /// Steps taken.
    pub step: usize,
    /// The image.
    pub pixels: Pixels,
}

/// How far a job is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Where it is.
    pub status: Status,
    /// Images done.
    pub done: usize,
    /// Images in all.
    pub total: usize,
    /// Its images after each step, where somebody asked for them.
    pub partials: Vec<Partial>,
    /// What came of it.
    pub outcome: Option<Arc<Outcome>>,
    /// Why it failed.
    pub problem: Option<Refusal>,
    /// When it was over.
    pub ended: Option<Instant>,
}

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    /// What it is called.
    pub id: String,
    /// What was asked.
    pub request: JobRequest,
    /// When, in milliseconds since 1970.
    pub created: u64,
    /// Whether it is answered while somebody draws, and comes before all others.
    pub live: bool,
    work: Mutex<Option<Work>>,
    unwanted: AtomicBool,
    progress: Mutex<Progress>,
    news: watch::Sender<u64>,
}

impl Job {
    /// A job that waits.
    pub fn new(request: JobRequest, work: Work, live: bool) -> Arc<Self> {
        let progress = Progress {
            status: Status::Queued,
            done: 0,
            total: 0,
            partials: Vec::new(),
            outcome: None,
            problem: None,
            ended: None,
        };
        Arc::new(Self {
            id: opaque_id(),
            request,
            created: unix_millis(),
            live,
            work: Mutex::new(Some(work)),
            unwanted: AtomicBool::new(false),
            progress: Mutex::new(progress),
            news: watch::Sender::new(0),
        })
    }

    /// What is to be done; there once.
    pub fn take_work(&self) -> Option<Work> {
        self.work().take()
    }

    /// Looks at what is to be done.
    pub fn peek<T>(&self, look: impl FnOnce(Option<&Work>) -> T) -> T {
        look(self.work().as_ref())
    }

    /// How far it is.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it is.
    pub fn status(&self) -> Status {
        self.progress().status
    }

    /// Changes how far it is, and tells whoever listens. What is over stays as it is.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        {
            let mut progress = self.progress();
            if progress.status.is_over() {
                return;
            }
            change(&mut progress);
            if progress.status.is_over() {
                progress.ended = Some(Instant::now());
                self.work().take();
            }
        }
        self.news.send_modify(|number| *number += 1);
    }

    /// It is done.
    pub fn finish(&self, outcome: Outcome) {
        self.update(|progress| {
            progress.done = progress.total;
            progress.outcome = Some(Arc::new(outcome));
            progress.status = Status::Done;
        });
    }

    /// It cannot be done.
    pub fn fail(&self, problem: Refusal) {
        self.update(|progress| {
            progress.problem = Some(problem);
            progress.status = Status::Failed;
        });
    }

    /// Nobody wants it any more; what computes it looks at every step. Answers whether there was still something to give up.
    pub fn cancel(&self) -> bool {
        self.unwanted.store(true, Ordering::Relaxed);
        let was_over = self.status().is_over();
        self.update(|progress| progress.status = Status::Cancelled);
        !was_over
    }

    /// Whether nobody wants it any more.
    pub fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }

    /// Who wants to hear of every change.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Waits until it is over.
    pub async fn is_over(&self) {
        let mut news = self.listen();
        while !self.status().is_over() {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Bytes of its results.
    pub fn result_bytes(&self) -> usize {
        let progress = self.progress();
        let made = |outcome: &Arc<Outcome>| {
            outcome.made.iter().map(|made| 2 * made.png.len() + made.pixels.bytes().len()).sum()
        };
        let partials: usize = progress.partials.iter().map(|partial| partial.pixels.bytes().len()).sum();
        progress.outcome.as_ref().map_or(0, made) + partials
    }

    /// How long it has been over.
    pub fn over_since(&self) -> Option<Duration> {
        self.progress().ended.map(|ended| ended.elapsed())
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that nobody can guess.
pub(crate) fn opaque_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // A machine without chance has at least a clock.
        bytes[..8].copy_from_slice(&unix_millis().to_le_bytes());
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
