//! Models and what can be asked of them.

use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::aside;
use crate::limits::Limits;
use crate::refusal::{ProblemBody, Refusal};
use crate::request::TaskName;
use crate::shelf::{Entry, ModelView};
use crate::studio::Studio;

/// A model, as OpenAI's API lists it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenAiModel {
    /// What requests call it.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Always 0: files do not say when they were made.
    created: u64,
    /// How it was trained.
    owned_by: String,
    /// What is known of it.
    onestep: ModelView,
}

/// All models, as OpenAI's API lists them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models, the usual one first.
    data: Vec<OpenAiModel>,
}

impl From<Entry> for OpenAiModel {
    fn from(Entry { view, .. }: Entry) -> Self {
        Self {
            id: view.id.clone(),
            object: "model",
            created: 0,
            owned_by: view.method.clone(),
            onestep: view,
        }
    }
}

/// Lists the models, the usual one first.
#[utoipa::path(get, path = "/v1/models", tag = "OpenAI", responses((status = 200, description = "The models.", body = ModelList)))]
pub(super) async fn list(State(studio): State<Studio>) -> Result<axum::Json<ModelList>, Refusal> {
    let entries = aside(&studio, |inner| Ok(inner.shelf.entries())).await?;
    let data = entries.into_iter().map(OpenAiModel::from).collect();
    Ok(axum::Json(ModelList { object: "list", data }))
}

/// Shows a model.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "OpenAI", params(("id" = String, Path, description = "the model")),
    responses(
        (status = 200, description = "The model.", body = OpenAiModel),
        (status = 404, description = "There is no such model.", body = ProblemBody),
    )
)]
pub(super) async fn show(
    State(studio): State<Studio>,
    Path(id): Path<String>,
) -> Result<axum::Json<OpenAiModel>, Refusal> {
    Ok(axum::Json(aside(&studio, move |inner| inner.shelf.find(Some(&id))).await?.into()))
}

/// What the server can do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Capabilities {
    /// Name and version of the program.
    tool: &'static str,
    /// The models, the usual one first.
    models: Vec<ModelView>,
    /// What can be asked of a model.
    tasks: [&'static str; 9],
    /// What one request, and all of them together, may ask for.
    limits: Limits,
    /// Whether runs can be begun.
    trains: bool,
}

/// Says what the server can do: models, tasks, limits.
#[utoipa::path(
    get, path = "/api/v1/capabilities", tag = "jobs",
    responses((status = 200, description = "What can be asked.", body = Capabilities))
)]
pub(super) async fn capabilities(State(studio): State<Studio>) -> Result<axum::Json<Capabilities>, Refusal> {
    let entries = aside(&studio, |inner| Ok(inner.shelf.entries())).await?;
    let settings = &studio.inner.settings;
    Ok(axum::Json(Capabilities {
        tool: onestep::TOOL,
        models: entries.into_iter().map(|entry| entry.view).collect(),
        tasks: TaskName::ALL.map(TaskName::name),
        limits: settings.limits.clone(),
        trains: settings.runs.is_some(),
    }))
}
