//! The one thread that computes: takes jobs as they come, and survives whatever one of them does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;

use crate::inner::Inner;
use crate::job::{Job, Status};
use crate::log::{Level, LogLine};
use crate::refusal::Refusal;
use crate::shelf::Entry;
use crate::watcher::Watcher;
use crate::work::Work;
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
                    progress.total = work.size();
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

fn compute(studio: &Inner, todo: Vec<(Arc<Job>, Work)>) -> Result<(), Refusal> {
    let opened = |entry: &Entry| {
        studio.shelf.open(entry).map_err(|error| {
            let line = format!("the model {} cannot be opened: {error}", entry.view.id);
            (studio.settings.log)(&LogLine::new(Level::Error, None, line));
            let message =
                format!("the model `{}` cannot be opened; the log of the server says why", entry.view.id);
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "model_unreadable", message)
        })
    };
    let mut watcher =
        Watcher::new(studio, todo.iter().map(|(job, work)| (job.clone(), work.size())).collect());
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
