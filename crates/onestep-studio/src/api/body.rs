//! Bodies of requests: all of one within a limit and a time before anything looks at it.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::limits::Limits;
use crate::refusal::Refusal;

/// How large a body may be, and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    bytes: usize,
    time: Duration,
}

impl Limit {
    /// So many bytes, in the time that a request may take to arrive.
    pub fn new(bytes: usize, limits: &Limits) -> Self {
        // A large body may take a little longer: about 2 MB a second.
        let time = limits.arrival_time() + Duration::from_millis(bytes as u64 / 2000);
        Self { bytes, time }
    }

    fn too_large(&self) -> Refusal {
        let message = format!("a body here has at most {} bytes", self.bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }
}

/// Lets a request through once its body is there.
pub(super) async fn arrive(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let told = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > limit.bytes as u64) {
        return limit.too_large().into_response();
    }
    match tokio::time::timeout(limit.time, to_bytes(body, limit.bytes)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            if cause.contains("limit") {
                return limit.too_large().into_response();
            }
            Refusal::new(StatusCode::BAD_REQUEST, "incomplete", "the body did not arrive whole")
                .into_response()
        }
        Err(_) => {
            let message = format!("the body did not arrive within {} seconds", limit.time.as_secs());
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into_response()
        }
    }
}

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Asked<T> {
    /// What it says.
    pub value: T,
    /// As it was sent.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" {
            let message = "this is asked with content-type: application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let incomplete =
            |_| Refusal::new(StatusCode::BAD_REQUEST, "incomplete", "the body did not arrive whole");
        let bytes = Bytes::from_request(request, state).await.map_err(incomplete)?;
        let invalid = |reason: String| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "invalid_json",
                format!("this body cannot be read: {reason}"),
            )
        };
        let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if !value.is_object() {
            // What reads structs would take a list of their values as well.
            return Err(invalid("it is no object of fields".into()));
        }
        whole(&mut value);
        let value = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { value, bytes })
    }
}

/// Writes whole numbers as such: to JSON, 3.0 is one.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let as_float = number.as_f64().unwrap_or(f64::NAN);
            // Beyond these not every whole number is a float.
            if as_float.fract() == 0.0 && as_float.abs() < 9_007_199_254_740_992.0 {
                *value = (as_float as i64).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let mut value = json!({ "n": 3.0, "levels": [80.0, 0.5, 1e300], "what": ["4.0", -2.0] });
        whole(&mut value);
        assert_eq!(value, json!({ "n": 3, "levels": [80, 0.5, 1e300], "what": ["4.0", -2] }));
    }
}
