//! Live: one image for one request, at once; of one client, the latest alone is computed.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::body::Asked;
use super::{Waiting, ask};
use crate::refusal::{ProblemBody, Refusal};
use crate::request::JobRequest;
use crate::studio::Studio;

/// Makes one image and answers with it, before all jobs that wait.
///
/// For a brush that is followed: a newer request of the same `client` takes the place of one that has not begun, which is answered 409.
/// Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/live", tag = "jobs", request_body = JobRequest,
    responses(
        (status = 200, description = "The image.", content_type = "image/png", body = Vec<u8>,
         headers(("x-onestep-milliseconds" = f64, description = "how long it took"),
                 ("x-onestep-evaluations" = u64, description = "network evaluations"))),
        (status = 409, description = "Something newer took its place.", body = ProblemBody),
    )
)]
pub(super) async fn live(
    State(studio): State<Studio>,
    asked: Asked<JobRequest>,
) -> Result<Response, Refusal> {
    let job = ask(&studio, asked.value, true).await?;
    let waiting = Waiting { studio, job };
    let outcome = waiting.outcome().await?;
    let made = outcome.made.first().ok_or_else(|| Refusal::field("task", "this task makes no image"))?;
    let headers = [
        (header::CONTENT_TYPE, "image/png".to_owned()),
        (header::HeaderName::from_static("x-onestep-milliseconds"), format!("{:.3}", outcome.milliseconds)),
        (header::HeaderName::from_static("x-onestep-evaluations"), outcome.evaluations.to_string()),
        (header::HeaderName::from_static("x-onestep-seed"), made.seed.to_string()),
    ];
    Ok((headers, made.png.to_vec()).into_response())
}
