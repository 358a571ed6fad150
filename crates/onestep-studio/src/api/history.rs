//! What was kept, what came in, and pictures turned back into requests.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::aside;
use crate::history::HistoryEntry;
use crate::input::InputView;
use crate::refusal::{ProblemBody, Refusal};
use crate::request::JobRequest;
use crate::restore::request_of;
use crate::studio::Studio;

/// Entries of a page, where nobody says, and the most of them.
const USUAL: usize = 50;
const MOST: usize = 200;

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Only what was asked before, in milliseconds since 1970.
    #[param(format = "uint64")]
    before: Option<u64>,
    /// How many; 50 where nothing is said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// A page of the history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// Newest first.
    entries: Vec<HistoryEntry>,
    /// Whether there are older ones.
    more: bool,
}

/// Lists what was kept, newest first.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "history", params(Part),
    responses((status = 200, description = "A page of the history.", body = HistoryView))
)]
pub(super) async fn list(
    State(studio): State<Studio>,
    Query(Part { before, limit }): Query<Part>,
) -> Result<axum::Json<HistoryView>, Refusal> {
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Refusal::field("limit", format!("`limit` must be 1 to {MOST}, not {limit}")));
    }
    let (entries, more) = aside(&studio, move |inner| Ok(inner.history.list(before, limit))).await?;
    Ok(axum::Json(HistoryView { entries, more }))
}

/// Shows one job that was kept.
#[utoipa::path(
    get, path = "/api/v1/history/{id}", tag = "history", params(("id" = String, Path, description = "the job")),
    responses(
        (status = 200, description = "What was kept.", body = HistoryEntry),
        (status = 404, description = "Nothing of this name was kept.", body = ProblemBody),
    )
)]
pub(super) async fn show(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<axum::Json<HistoryEntry>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.history.find(&id)).await?))
}

/// Takes one job that was kept away, with its images, for good.
#[utoipa::path(
    delete, path = "/api/v1/history/{id}", tag = "history", params(("id" = String, Path, description = "the job")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "Nothing of this name was kept.", body = ProblemBody),
    )
)]
pub(super) async fn remove(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    aside(&studio, move |inner| inner.history.remove(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a picture in, so that jobs can call it by its digest: the body is the file.
#[utoipa::path(
    post, path = "/api/v1/inputs", tag = "history",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "PNG, JPEG, WebP, GIF, BMP, TIFF or PNM"),
    responses(
        (status = 201, description = "What jobs call it.", body = InputView),
        (status = 400, description = "It is no picture.", body = ProblemBody),
        (status = 413, description = "It is too large.", body = ProblemBody),
    )
)]
pub(super) async fn input(
    State(studio): State<Studio>,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<InputView>), Refusal> {
    let permit = studio.inner.decoding.acquire().await.map_err(|_| Refusal::internal())?;
    let kept = aside(&studio, move |inner| inner.inputs.keep(&body, "the body")).await;
    drop(permit);
    Ok((StatusCode::CREATED, axum::Json(kept?)))
}

/// Reads how a picture was made, and answers with the request that makes it again: the body is a PNG of onestep.
#[utoipa::path(
    post, path = "/api/v1/restore", tag = "history",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "a PNG that onestep made"),
    responses(
        (status = 200, description = "The request.", body = JobRequest),
        (status = 400, description = "It does not say how it was made, or its model is not here.", body = ProblemBody),
    )
)]
pub(super) async fn restore(
    State(studio): State<Studio>,
    body: Bytes,
) -> Result<axum::Json<JobRequest>, Refusal> {
    let request = aside(&studio, move |inner| request_of(&body, &inner.shelf, &inner.inputs)).await?;
    Ok(axum::Json(request))
}
