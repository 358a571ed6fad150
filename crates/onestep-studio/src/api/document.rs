//! The API, described as OpenAPI.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Ref};
use utoipa::{Modify, OpenApi};

use super::{history, jobs, live, models, openai, operations, runs};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "onestep studio",
        description = "Consistency models: images in one network evaluation. Draw, edit, train and judge.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        jobs::create, jobs::list, jobs::show, jobs::cancel, jobs::events, jobs::image, live::live,
        history::list, history::show, history::remove, history::input, history::restore,
        models::capabilities, models::list, models::show,
        openai::generations, openai::edits, openai::variations,
        runs::recipes, runs::list, runs::start, runs::show, runs::stop, runs::resume, runs::losses, runs::events, runs::preview,
        operations::healthz, operations::readyz, operations::metrics, openapi,
    ),
    components(schemas(crate::refusal::ProblemBody)),
    modifiers(&Common),
    tags(
        (name = "OpenAI", description = "What clients of OpenAI's API ask."),
        (name = "jobs", description = "Drawing and editing, in order, however long it takes."),
        (name = "history", description = "What was kept, and pictures that come in."),
        (name = "training", description = "Runs."),
        (name = "operation", description = "For whoever runs the server."),
    )
)]
struct Api;

/// What all answers have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let refused = ResponseBuilder::new()
            .description("Why it was not done.")
            .content(
                "application/json",
                ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build(),
            )
            .build();
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                operation.responses.responses.insert("default".into(), refused.clone().into());
            }
        }
        if let Some(components) = &mut document.components {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme("token", SecurityScheme::Http(bearer));
        }
    }
}

/// The description of the API, as JSON.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut document = Api::openapi();
        document.info.version = env!("CARGO_PKG_VERSION").into();
        document.to_pretty_json().unwrap_or_default()
    })
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}
