//! Training runs.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::body::Asked;
use super::{aside, events};
use crate::refusal::{ProblemBody, Refusal};
use crate::studio::Studio;
use crate::training::{LossPoint, RecipeView, RunView, StartRun};

/// Lists the recipes that a run can begin from.
#[utoipa::path(
    get, path = "/api/v1/recipes", tag = "training",
    responses((status = 200, description = "The recipes.", body = Vec<RecipeView>))
)]
pub(super) async fn recipes(State(studio): State<Studio>) -> axum::Json<Vec<RecipeView>> {
    axum::Json(studio.inner.training.recipes())
}

/// Lists the runs.
#[utoipa::path(get, path = "/api/v1/runs", tag = "training", responses((status = 200, description = "The runs.", body = Vec<RunView>)))]
pub(super) async fn list(State(studio): State<Studio>) -> Result<axum::Json<Vec<RunView>>, Refusal> {
    Ok(axum::Json(aside(&studio, |inner| Ok(inner.training.list())).await?))
}

/// Begins a run. One is trained at a time.
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "training", request_body = StartRun,
    responses(
        (status = 201, description = "It runs.", body = RunView),
        (status = 409, description = "Another run goes on, or one of this name is there.", body = ProblemBody),
        (status = 501, description = "This server does not train.", body = ProblemBody),
    )
)]
pub(super) async fn start(
    State(studio): State<Studio>,
    asked: Asked<StartRun>,
) -> Result<(StatusCode, axum::Json<RunView>), Refusal> {
    let view = aside(&studio, move |inner| inner.training.start(&asked.value, &inner.shelf)).await?;
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Shows a run.
#[utoipa::path(
    get, path = "/api/v1/runs/{name}", tag = "training", params(("name" = String, Path, description = "the run")),
    responses((status = 200, description = "The run.", body = RunView), (status = 404, description = "There is none.", body = ProblemBody))
)]
pub(super) async fn show(
    State(studio): State<Studio>,
    Path(name): Path<String>,
) -> Result<axum::Json<RunView>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.training.view(&name)).await?))
}

/// Asks a run to save and stop after its step.
#[utoipa::path(
    post, path = "/api/v1/runs/{name}/stop", tag = "training", params(("name" = String, Path, description = "the run")),
    responses(
        (status = 200, description = "It stops.", body = RunView),
        (status = 404, description = "There is none.", body = ProblemBody),
        (status = 409, description = "It does not run.", body = ProblemBody),
    )
)]
pub(super) async fn stop(
    State(studio): State<Studio>,
    Path(name): Path<String>,
) -> Result<axum::Json<RunView>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.training.stop(&name)).await?))
}

/// Goes on with a run where its last checkpoint left it, to the bit.
#[utoipa::path(
    post, path = "/api/v1/runs/{name}/resume", tag = "training", params(("name" = String, Path, description = "the run")),
    responses(
        (status = 200, description = "It runs.", body = RunView),
        (status = 404, description = "There is none.", body = ProblemBody),
        (status = 409, description = "Another run goes on.", body = ProblemBody),
    )
)]
pub(super) async fn resume(
    State(studio): State<Studio>,
    Path(name): Path<String>,
) -> Result<axum::Json<RunView>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.training.resume(&name)).await?))
}

/// The losses of a run so far, by noise level.
#[utoipa::path(
    get, path = "/api/v1/runs/{name}/losses", tag = "training", params(("name" = String, Path, description = "the run")),
    responses((status = 200, description = "The losses.", body = Vec<LossPoint>), (status = 404, description = "There is none.", body = ProblemBody))
)]
pub(super) async fn losses(
    State(studio): State<Studio>,
    Path(name): Path<String>,
) -> Result<axum::Json<Vec<LossPoint>>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.training.losses(&name)).await?))
}

/// Tells how a run goes on as server-sent events: `run`, with the run as it is.
#[utoipa::path(
    get, path = "/api/v1/runs/{name}/events", tag = "training", params(("name" = String, Path, description = "the run")),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = events::ServerSentEvent),
        (status = 404, description = "There is none.", body = ProblemBody),
    )
)]
pub(super) async fn events(
    State(studio): State<Studio>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let known = name.clone();
    aside(&studio, move |inner| inner.training.view(&known)).await?;
    let news = studio.inner.training.listen();
    let mut told = None;
    let stream = events::stream(news, move || match studio.inner.training.view(&name) {
        Ok(view) if told.as_ref() == Some(&view) => (Vec::new(), false),
        Ok(view) => {
            let over = !matches!(view.state.as_str(), "running" | "stopping");
            let event = events::event("run", &serde_json::to_value(&view).unwrap_or_default());
            told = Some(view);
            (vec![event], over)
        }
        Err(_) => (vec![events::event("gone", &json!({}))], true),
    });
    Ok(stream.into_response())
}

/// Gives a preview: fixed seeds, drawn while the run went on.
#[utoipa::path(
    get, path = "/api/v1/runs/{name}/previews/{preview}", tag = "training",
    params(("name" = String, Path, description = "the run"), ("preview" = String, Path, description = "the preview")),
    responses(
        (status = 200, description = "The picture.", content_type = "image/png", body = Vec<u8>),
        (status = 404, description = "There is none.", body = ProblemBody),
    )
)]
pub(super) async fn preview(
    State(studio): State<Studio>,
    Path((name, preview)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let png = aside(&studio, move |inner| inner.training.preview(&name, &preview)).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}
