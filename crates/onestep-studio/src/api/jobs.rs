//! Jobs: asked for, looked at, listened to, given up; and their images.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onestep::digest;

use super::body::Asked;
use super::view::JobView;
use super::{aside, ask, events};
use crate::history::is_name;
use crate::job::Job;
use crate::refusal::{ProblemBody, Refusal};
use crate::request::JobRequest;
use crate::studio::Studio;

/// The longest Idempotency-Key.
const KEY: usize = 255;

/// Asks for a job.
///
/// It waits for its turn; `poll_url` and `events_url` say how far it is. With an `Idempotency-Key` a job is asked for once, however
/// often the request is sent.
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "any text, up to 255 letters")),
    responses(
        (status = 202, description = "The job waits.", body = JobView),
        (status = 429, description = "Too many jobs wait; Retry-After says when to ask again.", body = ProblemBody),
    )
)]
pub(super) async fn create(
    State(studio): State<Studio>,
    headers: HeaderMap,
    asked: Asked<JobRequest>,
) -> Result<Response, Refusal> {
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        Some(Ok(key)) if !key.is_empty() && key.len() <= KEY => Some(key.to_owned()),
        Some(_) => {
            return Err(Refusal::field(
                "Idempotency-Key",
                format!("an Idempotency-Key is text of 1 to {KEY} letters"),
            ));
        }
        None => None,
    };
    let sha256 = digest::hex(&asked.bytes);
    let jobs = &studio.inner.jobs;
    let before = match &key {
        Some(key) => jobs.claim(key, &sha256)?,
        None => None,
    };
    let job = match before {
        Some(job) => job,
        None => {
            // Settled also where whoever asks goes away in between.
            let mut claim = Claim { studio: &studio, key: key.as_deref(), job: None };
            let job = ask(&studio, asked.value, false).await?;
            claim.job = Some(job.clone());
            job
        }
    };
    let view = JobView::of(&job, &studio.inner.jobs);
    let location = [(header::LOCATION, view.poll_url.clone())];
    Ok((StatusCode::ACCEPTED, location, axum::Json(view)).into_response())
}

/// The right to ask with a key.
struct Claim<'a> {
    studio: &'a Studio,
    key: Option<&'a str>,
    job: Option<Arc<Job>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.studio.inner.jobs.settle(key, self.job.as_deref());
        }
    }
}

/// Lists jobs: those that are computed and those that wait, in order, then the latest that are over.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, description = "The jobs.", body = Vec<JobView>)))]
pub(super) async fn list(State(studio): State<Studio>) -> axum::Json<Vec<JobView>> {
    let jobs = &studio.inner.jobs;
    axum::Json(jobs.list().iter().map(|job| JobView::of(job, jobs)).collect())
}

/// Says how far a job is. What was kept is found for good; what was not is gone (410) after a while.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "the job")),
    responses(
        (status = 200, description = "The job.", body = JobView),
        (status = 404, description = "There was no such job.", body = ProblemBody),
        (status = 410, description = "Its results are not here any more.", body = ProblemBody),
    )
)]
pub(super) async fn show(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<axum::Json<JobView>, Refusal> {
    match studio.inner.jobs.find(&id) {
        Ok(job) => Ok(axum::Json(JobView::of(&job, &studio.inner.jobs))),
        Err(refusal) => {
            let kept = aside(&studio, move |inner| inner.history.find(&id)).await;
            kept.map(|entry| axum::Json(JobView::kept(entry))).map_err(|_| refusal)
        }
    }
}

/// Gives a job up: it stops within a step.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, description = "the job")),
    responses(
        (status = 200, description = "It is cancelled.", body = JobView),
        (status = 404, description = "There was no such job.", body = ProblemBody),
        (status = 409, description = "It is over.", body = ProblemBody),
        (status = 410, description = "It is over, and its results are not here any more.", body = ProblemBody),
    )
)]
pub(super) async fn cancel(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<axum::Json<JobView>, Refusal> {
    let jobs = &studio.inner.jobs;
    let job = jobs.cancel(&id)?;
    Ok(axum::Json(JobView::of(&job, jobs)))
}

/// Tells every change of a job as server-sent events: `queued`, `running`, `partial` (an image after a step), `done`, `failed`,
/// `cancelled`.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path, description = "the job")),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = events::ServerSentEvent),
        (status = 404, description = "There was no such job.", body = ProblemBody),
    )
)]
pub(super) async fn events(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let job = studio.inner.jobs.find(&id)?;
    Ok(events::of_job(studio, job).into_response())
}

/// Gives an image, as a PNG that says how it was made.
#[utoipa::path(
    get, path = "/api/v1/images/{id}", tag = "jobs", params(("id" = String, Path, description = "the image")),
    responses(
        (status = 200, description = "The image.", content_type = "image/png", body = Vec<u8>),
        (status = 404, description = "There is no such image.", body = ProblemBody),
        (status = 410, description = "It is not here any more.", body = ProblemBody),
    )
)]
pub(super) async fn image(State(studio): State<Studio>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let gone = || Refusal::not_found("there is no such image");
    if !is_name(&id) {
        return Err(gone());
    }
    let (job, index) = id.rsplit_once('-').ok_or_else(gone)?;
    let index: usize = index.parse().map_err(|_| gone())?;
    let (job, is_before) = job.strip_suffix("-before").map_or((job, false), |job| (job, true));
    let png = match studio.inner.jobs.find(job) {
        Ok(job) => {
            let outcome = job.progress().outcome.clone();
            outcome.and_then(|outcome| match is_before {
                true => outcome.before.get(index).cloned(),
                false => outcome.made.get(index).map(|made| made.png.clone()),
            })
        }
        Err(refusal) => {
            let name = id.clone();
            let kept = aside(&studio, move |inner| Ok(inner.history.image(&name))).await?;
            Some(Arc::new(kept.ok_or(refusal)?))
        }
    };
    let png = png.ok_or_else(gone)?;
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, png.to_vec()).into_response())
}
