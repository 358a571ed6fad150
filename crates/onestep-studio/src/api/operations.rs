//! What whoever runs the server asks.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::metrics::Gauges;
use crate::refusal::Refusal;
use crate::studio::Studio;

/// Says that the server answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "It does.", body = Value)))]
pub(super) async fn healthz() -> axum::Json<Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// Says whether one more job would be taken in.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "It would.", body = Value),
        (status = 429, description = "Too many jobs wait.", body = crate::refusal::ProblemBody),
    )
)]
pub(super) async fn readyz(State(studio): State<Studio>) -> Result<axum::Json<Value>, Refusal> {
    let (waiting, running) = studio.inner.jobs.counts();
    if waiting >= studio.inner.settings.limits.waiting_jobs {
        return Err(Refusal::busy(format!("{waiting} jobs wait"), 1));
    }
    Ok(axum::Json(json!({ "status": "ready", "waiting": waiting, "running": running })))
}

/// Counters, as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "The counters.", content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(State(studio): State<Studio>) -> Response {
    let inner = &studio.inner;
    let (waiting, running) = inner.jobs.counts();
    let text = inner.metrics.text(Gauges {
        waiting,
        running,
        model_bytes: inner.shelf.bytes_open(),
        connections: inner.connections.load(Ordering::Relaxed),
        seconds: inner.opened.elapsed().as_secs_f64(),
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
