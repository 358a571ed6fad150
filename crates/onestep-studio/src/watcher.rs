//! Who watches a batch while it is computed, on behalf of the jobs that it is of.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use onestep::data::{Rounding, pixels_from_tensor};
use onestep::observer::{Estimate, Event, Flow, Observer};

use crate::inner::Inner;
use crate::job::{Job, Outcome, Partial};
use crate::log::{Level, LogLine};
use crate::refusal::Refusal;

/// Watches a batch: tells each job how far it is and what its images look like, and stops where nobody wants them any more.
pub(crate) struct Watcher<'a> {
    studio: &'a Inner,
    /// The jobs, with the first of their places and the place behind the last.
    jobs: Vec<(Arc<Job>, std::ops::Range<usize>)>,
    deadline: Instant,
    /// Images before those that are told of, and all of them, where a job is made of several parts.
    part: Option<(usize, usize)>,
}

impl<'a> Watcher<'a> {
    /// Watches jobs that make so many images each.
    pub fn new(studio: &'a Inner, sizes: Vec<(Arc<Job>, usize)>) -> Self {
        let mut at = 0;
        let mut jobs = Vec::with_capacity(sizes.len());
        for (job, n) in sizes {
            jobs.push((job, at..at + n));
            at += n;
        }
        let deadline = Instant::now() + Duration::from_secs(studio.settings.limits.job_seconds);
        Self { studio, jobs, deadline, part: None }
    }

    /// From now on images are counted from `before` on, of `total`.
    pub fn part(&mut self, before: usize, total: usize) {
        self.part = Some((before, total));
    }

    /// Why what was computed was stopped.
    pub fn why_stopped(&self) -> Refusal {
        let message = format!("it took more than {} seconds", self.studio.settings.limits.job_seconds);
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "timeout", message)
    }

    /// Hands a job what came of it; kept results are on the disk before anybody is told.
    pub fn deliver(&self, job: &Arc<Job>, outcome: Outcome) {
        self.studio.metrics.images.fetch_add(outcome.made.len() as u64, Ordering::Relaxed);
        let evaluations = outcome.evaluations * outcome.made.len();
        self.studio.metrics.evaluations.fetch_add(evaluations as u64, Ordering::Relaxed);
        if job.is_unwanted() {
            return;
        }
        if job.request.keep.unwrap_or(true)
            && !job.live
            && let Err(error) = self.studio.history.keep(job, &outcome)
        {
            let line = format!("the pictures of job {} cannot be kept: {error}", job.id);
            (self.studio.settings.log)(&LogLine::new(Level::Error, None, line));
            return job.fail(Refusal::of(&error, "", ""));
        }
        job.finish(outcome);
    }

    fn flow(&self) -> Flow {
        let nobody = self.jobs.iter().all(|(job, _)| job.is_unwanted());
        if nobody || Instant::now() > self.deadline { Flow::Stop } else { Flow::Continue }
    }
}

impl Observer for Watcher<'_> {
    fn observe(&mut self, event: &Event) -> Flow {
        if let &Event::Progress { done, total, .. } = event {
            for (job, places) in &self.jobs {
                job.update(|progress| match self.part {
                    Some((before, all)) => (progress.done, progress.total) = (before + done.min(total), all),
                    None => progress.done = done.clamp(places.start, places.end) - places.start,
                });
            }
        }
        self.flow()
    }

    fn look(&mut self, estimate: &Estimate<'_>) -> Flow {
        for (job, places) in &self.jobs {
            if job.request.partial != Some(true) || job.is_unwanted() {
                continue;
            }
            let Ok(images) = pixels_from_tensor(estimate.images.clone(), Rounding::Truncate) else {
                continue;
            };
            let mine = estimate.places.iter().zip(images).filter(|(place, _)| places.contains(place));
            let partials = mine.map(|(place, pixels)| Partial {
                index: place - places.start,
                step: estimate.step,
                pixels,
            });
            let partials: Vec<Partial> = partials.collect();
            job.update(|progress| progress.partials.extend(partials));
        }
        self.flow()
    }
}
