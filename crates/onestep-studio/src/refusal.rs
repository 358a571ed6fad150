//! Requests that are not done: a status, a code that programs read, and a sentence for people.

use std::io::ErrorKind;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onestep::Error;
use onestep::data::DataError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something was not done, as OpenAI's API says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What is wrong and what to do instead.
    pub message: String,
    /// `invalid_request_error`, or `server_error` where the request is not to blame.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field that is wrong.
    pub param: Option<String>,
    /// A word for programs.
    pub code: String,
}

/// The body of every answer that is a refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// What is wrong.
    pub error: Problem,
}

/// A request that is not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What it says.
    pub problem: Problem,
    /// Seconds after which to ask again.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal with a word for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let problem = Problem { message: message.into(), kind: kind.into(), param: None, code: code.into() };
        Self { status, problem, retry_after: None }
    }

    /// A field that has a wrong value.
    pub fn field(param: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, "invalid_value", message);
        refusal.problem.param = Some(param.into());
        refusal
    }

    /// Something that is not there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// A fault of this program; what it was stands in the log.
    pub fn internal() -> Self {
        let message = "this could not be computed; the log of the server says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Too much at once: ask again after so many seconds.
    pub fn busy(message: impl Into<String>, seconds: u64) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", message);
        Self { retry_after: Some(seconds), ..refusal }
    }

    /// What an error of the library means to whoever asked. `model` is what requests call the model, and `path` what errors call it:
    /// no answer says where something lies on this machine.
    pub fn of(error: &Error, model: &str, path: &str) -> Self {
        let message =
            || if path.is_empty() { error.to_string() } else { error.to_string().replace(path, model) };
        match error {
            Error::Sample(_) | Error::Edit(_) | Error::Levels(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_request", message())
            }
            Error::Data(DataError::Write { source, .. }) => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    let message = "the disk of the server is full; nothing was kept";
                    Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message)
                }
                _ => Self::internal(),
            },
            Error::Recipe(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_recipe", message()),
            Error::Data(
                DataError::Image { .. } | DataError::Unsupported { .. } | DataError::Damaged { .. },
            ) => Self::new(StatusCode::BAD_REQUEST, "invalid_picture", message()),
            _ => Self::internal(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = axum::Json(ProblemBody { error: self.problem });
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
