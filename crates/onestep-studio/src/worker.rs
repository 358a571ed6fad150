//! The one thread that computes: takes jobs as they come, watches them at every step, and survives whatever one of them does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use onestep::data::{Rounding, pixels_from_tensor};
use onestep::observer::{Estimate, Event, Flow, Observer};

use crate::job::{Job, Outcome, Partial, Status};
use crate::log::{Level, LogLine};
use crate::refusal::Refusal;
use crate::request::Work;
use crate::studio::Inner;
use crate::{curve, drawing, editing};

/// Computes what comes until the studio closes.
pub(crate) fn work(studio: &Inner) {
    while let Some(jobs) = studio.jobs.next() {
        let started = Instant::now();
        let todo: Vec<(Arc<Job>, Work)> = jobs
            .iter()
            .filter(|job| !job.is_unwanted())
            .filter_map(|job| {
                let work = job.take_work()?;
                job.update(|progress| {
                    progress.status = Status::Running;
                    progress.total = size(&work);
                });
                Some((job.clone(), work))
            })
            .collect();
        let done = catch_unwind(AssertUnwindSafe(|| compute(studio, todo)));
        let problem = match done {
            Ok(Ok(())) => None,
            Ok(Err(refusal)) => Some(refusal),
            Err(panic) => {
                let said = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic that says nothing");
                (studio.settings.log)(&LogLine::new(
                    Level::Error,
                    None,
                    format!("a job ended in a panic: {said}"),
                ));
                Some(Refusal::internal())
            }
        };
        if let Some(problem) = problem {
            jobs.iter().for_each(|job| job.fail(problem.clone()));
        }
        for job in &jobs {
            studio.metrics.job(job.status(), started.elapsed());
        }
        studio.jobs.done();
    }
}

/// Images of a piece of work.
fn size(work: &Work) -> usize {
    match work {
        Work::Draw(work) => work.seeds.len(),
        Work::Edit(work) => work.job.frames().unwrap_or(work.seeds.len()),
        Work::Curve(work) => work.n,
    }
}

fn compute(studio: &Inner, todo: Vec<(Arc<Job>, Work)>) -> Result<(), Refusal> {
    let opened = |entry: &crate::shelf::Entry| {
        studio.shelf.open(entry).map_err(|error| {
            let line = format!("the model {} cannot be opened: {error}", entry.view.id);
            (studio.settings.log)(&LogLine::new(Level::Error, None, line));
            let message =
                format!("the model `{}` cannot be opened; the log of the server says why", entry.view.id);
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "model_unreadable", message)
        })
    };
    let mut watcher =
        Watcher::new(studio, todo.iter().map(|(job, work)| (job.clone(), size(work))).collect());
    let mut draws = Vec::new();
    for (job, work) in todo {
        match work {
            Work::Draw(work) => draws.push((job, work)),
            Work::Edit(work) => {
                let model = opened(&work.model)?;
                let teacher = work.teacher.as_ref().map(opened).transpose()?;
                return editing::edit(&job, *work, &model, teacher.as_ref(), &mut watcher);
            }
            Work::Curve(work) => {
                let model = opened(&work.model)?;
                return curve::measure(&job, &work, &model, &mut watcher);
            }
        }
    }
    match draws.first() {
        Some((_, first)) => {
            let model = opened(&first.model)?;
            drawing::draw(&draws, &model, &mut watcher)
        }
        None => Ok(()),
    }
}

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
    fn new(studio: &'a Inner, sizes: Vec<(Arc<Job>, usize)>) -> Self {
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
