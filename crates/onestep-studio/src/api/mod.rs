//! The page and the API as a router: requests into jobs, jobs into answers.

mod body;
mod document;
mod events;
mod guard;
mod history;
mod jobs;
mod live;
mod models;
mod openai;
mod operations;
mod page;
mod runs;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub use document::document;

use crate::job::Job;
use crate::refusal::Refusal;
use crate::request::JobRequest;
use crate::studio::Studio;

/// The page and the API of a studio.
pub fn app(studio: Studio) -> Router {
    let limits = &studio.inner.settings.limits;
    let json = body::Limit::new(limits.json_bytes, limits);
    let upload = body::Limit::new(limits.upload_bytes + 65_536, limits);
    let small = Router::new()
        .route("/api/v1/jobs", post(jobs::create).get(jobs::list))
        .route("/api/v1/jobs/{id}", get(jobs::show))
        .route("/api/v1/jobs/{id}/cancel", post(jobs::cancel))
        .route("/api/v1/jobs/{id}/events", get(jobs::events))
        .route("/api/v1/images/{id}", get(jobs::image))
        .route("/api/v1/live", post(live::live))
        .route("/api/v1/history", get(history::list))
        .route("/api/v1/history/{id}", get(history::show).delete(history::remove))
        .route("/api/v1/capabilities", get(models::capabilities))
        .route("/api/v1/recipes", get(runs::recipes))
        .route("/api/v1/runs", get(runs::list).post(runs::start))
        .route("/api/v1/runs/{name}", get(runs::show))
        .route("/api/v1/runs/{name}/stop", post(runs::stop))
        .route("/api/v1/runs/{name}/resume", post(runs::resume))
        .route("/api/v1/runs/{name}/losses", get(runs::losses))
        .route("/api/v1/runs/{name}/events", get(runs::events))
        .route("/api/v1/runs/{name}/previews/{preview}", get(runs::preview))
        .route("/v1/images/generations", post(openai::generations))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::show))
        .route("/metrics", get(operations::metrics))
        .layer(from_fn_with_state(json.clone(), body::arrive));
    let large = Router::new()
        .route("/api/v1/inputs", post(history::input))
        .route("/api/v1/restore", post(history::restore))
        .route("/v1/images/edits", post(openai::edits))
        .route("/v1/images/variations", post(openai::variations))
        .layer(from_fn_with_state(upload, body::arrive));
    let open = Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/openapi.json", get(document::openapi))
        .route("/docs", get(page::docs))
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .layer(from_fn_with_state(json, body::arrive));
    Router::new()
        .merge(small)
        .merge(large)
        .merge(open)
        .fallback(nothing_there)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(guard::say_as_json))
        .layer(from_fn_with_state(studio.clone(), guard::guard))
        .with_state(studio)
}

async fn nothing_there() -> Refusal {
    Refusal::not_found("there is nothing here; /docs lists what there is")
}

async fn no_such_method() -> Refusal {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Refusal::new(status, "method_not_allowed", "this address is asked in another way; /docs says how")
}

/// Takes in what was asked. Pictures are decoded aside, a few at a time.
async fn ask(studio: &Studio, request: JobRequest, live: bool) -> Result<Arc<Job>, Refusal> {
    let inner = studio.inner.clone();
    let has_pictures = request.pictures().next().is_some();
    let permit = match has_pictures {
        true => Some(inner.decoding.acquire().await.map_err(|_| Refusal::internal())?),
        false => None,
    };
    let asking = inner.clone();
    let asked = tokio::task::spawn_blocking(move || asking.ask(request, live)).await;
    drop(permit);
    asked.map_err(|_| Refusal::internal())?
}

/// Runs what takes a while aside.
async fn aside<T: Send + 'static>(
    studio: &Studio,
    work: impl FnOnce(&crate::inner::Inner) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let inner = studio.inner.clone();
    tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|_| Refusal::internal())?
}

/// Gives a job up when whoever waits for it goes away.
struct Waiting {
    studio: Studio,
    job: Arc<Job>,
}

impl Waiting {
    /// Waits until the job is over; its problem where it failed.
    async fn outcome(&self) -> Result<Arc<crate::job::Outcome>, Refusal> {
        self.job.is_over().await;
        let progress = self.job.progress();
        match (&progress.outcome, &progress.problem) {
            (Some(outcome), _) => Ok(outcome.clone()),
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => {
                let status = axum::http::StatusCode::CONFLICT;
                Err(Refusal::new(
                    status,
                    "cancelled",
                    "this was cancelled, or something newer took its place",
                ))
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.job.status().is_over() {
            let _ = self.studio.inner.jobs.cancel(&self.job.id);
        }
    }
}
