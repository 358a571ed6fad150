//! Who may ask: nobody by another name than the server's own, no other page, and nobody without the token where there is one.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::job::opaque_id;
use crate::log::{Level, LogLine};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::studio::Studio;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the page may load: what this server has, and pictures that it has made itself.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The longest text of an answer that is no JSON.
const TEXT: usize = 4096;

/// Lets through who may ask, and gives every answer its headers.
pub(super) async fn guard(State(studio): State<Studio>, request: Request, next: Next) -> Response {
    let id = opaque_id();
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let settings = &studio.inner.settings;
    let mut response = match check(&request, settings) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let status = response.status();
    studio.inner.metrics.answer(status.as_u16());
    let level = if status.is_server_error() { Level::Error } else { Level::Info };
    let message = format!(
        "{method} {} {} {:.1} ms, {} open",
        shown(&path),
        status.as_u16(),
        started.elapsed().as_secs_f64() * 1e3,
        studio.inner.connections.load(Ordering::Relaxed)
    );
    (settings.log)(&LogLine::new(level, Some(id.clone()), message));
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(name).or_insert(value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(REQUEST_ID, &id);
    response
}

/// A path as a log shows it: one line, and not endless.
fn shown(path: &str) -> String {
    path.chars().take(200).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Turns what the framework says in plain text into the form of all answers.
pub(super) async fn say_as_json(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("text/plain")));
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = if text.is_empty() { status.canonical_reason().unwrap_or("refused").to_owned() } else { text };
    let mut response = Refusal::new(status, "invalid_request", text).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

fn check(request: &Request, settings: &Settings) -> Result<(), Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(StatusCode::FORBIDDEN, code, message));
    let headers = request.headers();
    let host = match (headers.get(header::HOST), request.uri().authority()) {
        (Some(host), _) => host.to_str().ok().map(str::to_owned),
        (None, authority) => authority.map(ToString::to_string),
    };
    let Some(host) = host.filter(|host| is_own(host, settings)) else {
        return refuse(
            "wrong_host",
            "this server is not called by that name; start it with --host NAME to allow it",
        );
    };
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let same = ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(&*host));
        if !same {
            return refuse("wrong_origin", "other pages may not ask this server");
        }
    }
    let path = request.uri().path();
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD) && !is_guarded(path);
    let word = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = word(SEC_FETCH_SITE) {
        let is_visit = is_page && word(SEC_FETCH_MODE) == Some("navigate");
        if !matches!(site, "same-origin" | "none") && !is_visit {
            return refuse("wrong_origin", "other pages may not ask this server");
        }
    }
    match &settings.token {
        Some(token) if is_guarded(path) && !has_token(headers, token) => {
            let message = "this needs the token of the server: Authorization: Bearer TOKEN";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "no_token", message))
        }
        _ => Ok(()),
    }
}

/// What needs the token: all that shows or does something. The page itself holds nothing.
fn is_guarded(path: &str) -> bool {
    ["/api/", "/v1/", "/metrics"].iter().any(|guarded| path.starts_with(guarded))
}

/// Whether a server of these settings is called so: by a name of this machine alone, by a bare address, or as it was told. Names that
/// others give to an address are how their pages get around the rule of one origin.
fn is_own(host: &str, settings: &Settings) -> bool {
    if settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
        return true;
    }
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => return is_port(port) && address.parse::<IpAddr>().is_ok(),
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || settings.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Compares in a time that says nothing about where the two differ.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(shown) = shown.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
    let differs = |bytes: &mut dyn Iterator<Item = (u8, u8)>| bytes.fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && differs(&mut shown.bytes().zip(token.bytes())) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_its_names() {
        let settings = Settings { hosts: vec!["studio.example".into()], ..Settings::default() };
        for own in [
            "localhost",
            "LOCALHOST:7860",
            "127.0.0.1:1",
            "[::1]:80",
            "[::1]",
            "192.168.1.4:7860",
            "studio.example:443",
        ] {
            assert!(is_own(own, &settings), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "",
            "[::1",
            "localhost:x",
            "[evil]:1",
            "a b",
        ] {
            assert!(!is_own(other, &settings), "{other}");
        }
    }

    #[test]
    fn a_token_is_compared_whole() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            headers
        };
        assert!(has_token(&headers("Bearer secret"), "secret"));
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer SECRET", "secret", "Basic secret", "Bearer "]
        {
            assert!(!has_token(&headers(wrong), "secret"), "{wrong}");
        }
        assert!(!has_token(&HeaderMap::new(), "secret"));
    }
}
