//! Jobs as answers tell of them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::{HistoryEntry, ImageView, before_id, image_url, image_views};
use crate::job::{CurveView, Job, Status};
use crate::jobs::Jobs;
use crate::refusal::Problem;
use crate::request::JobRequest;

/// A job and how far it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct JobView {
    /// What it is called.
    pub id: String,
    /// Where it is.
    pub status: Status,
    /// How many jobs come before it, while it waits.
    pub queue_position: Option<usize>,
    /// When it was asked, in milliseconds since 1970.
    pub created_at: u64,
    /// Where this can be asked again.
    pub poll_url: String,
    /// Where every change is told, as server-sent events.
    pub events_url: String,
    /// Images done.
    pub done: usize,
    /// Images in all; 0 before it begins.
    pub total: usize,
    /// What was asked, with what was left to chance.
    pub request: JobRequest,
    /// Its images, once it is done.
    pub images: Vec<ImageView>,
    /// Addresses of what went into an edit, as the model sees it.
    pub before: Vec<String>,
    /// Network evaluations an image.
    pub evaluations: Option<usize>,
    /// How long it took.
    pub milliseconds: Option<f64>,
    /// The curve that was measured.
    pub curve: Option<CurveView>,
    /// Why it failed.
    pub error: Option<Problem>,
}

impl JobView {
    /// A job of these.
    pub fn of(job: &Job, jobs: &Jobs) -> Self {
        let queue_position = jobs.position(job);
        let progress = job.progress();
        let outcome = progress.outcome.as_deref();
        Self {
            id: job.id.clone(),
            status: progress.status,
            queue_position,
            created_at: job.created,
            poll_url: format!("/api/v1/jobs/{}", job.id),
            events_url: format!("/api/v1/jobs/{}/events", job.id),
            done: progress.done,
            total: progress.total,
            request: job.request.clone(),
            images: outcome.map(|outcome| image_views(&job.id, outcome)).unwrap_or_default(),
            before: (0..outcome.map_or(0, |outcome| outcome.before.len()))
                .map(|index| image_url(&before_id(&job.id, index)))
                .collect(),
            evaluations: outcome.map(|outcome| outcome.evaluations),
            milliseconds: outcome.map(|outcome| outcome.milliseconds),
            curve: outcome.and_then(|outcome| outcome.curve.clone()),
            error: progress.problem.as_ref().map(|refusal| refusal.problem.clone()),
        }
    }

    /// A job that was kept and is remembered by its record alone.
    pub fn kept(entry: HistoryEntry) -> Self {
        let HistoryEntry { id, created_at, request, images, before, evaluations, milliseconds, curve } =
            entry;
        Self {
            status: Status::Done,
            queue_position: None,
            created_at,
            poll_url: format!("/api/v1/jobs/{id}"),
            events_url: format!("/api/v1/jobs/{id}/events"),
            done: images.len(),
            total: images.len(),
            request,
            images,
            before,
            evaluations: Some(evaluations),
            milliseconds: Some(milliseconds),
            curve,
            error: None,
            id,
        }
    }
}
