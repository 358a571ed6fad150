//! The page: files that lie in the program.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Files by their names.
macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(($name, $kind, include_str!(concat!("../page/", $name)))),*]
    };
}

/// What the page consists of.
const ASSETS: &[(&str, &str, &str)] = assets![
    "studio.css": CSS,
    "icon.svg": "image/svg+xml",
    "main.js": SCRIPT,
    "api.js": SCRIPT,
    "dom.js": SCRIPT,
    "canvas.js": SCRIPT,
    "results.js": SCRIPT,
    "generate.js": SCRIPT,
    "edit.js": SCRIPT,
    "interpolate.js": SCRIPT,
    "history.js": SCRIPT,
    "training.js": SCRIPT,
    "curve.js": SCRIPT,
    "docs.js": SCRIPT,
];

/// The page itself.
pub(super) async fn index() -> Response {
    file(HTML, include_str!("../page/index.html"))
}

/// The description of the API, to read.
pub(super) async fn docs() -> Response {
    file(HTML, include_str!("../page/docs.html"))
}

/// A file that the page is made of.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Refusal> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    found
        .map(|(_, kind, text)| file(kind, text))
        .ok_or_else(|| Refusal::not_found("the page has no such file"))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    // The next version of the program has others.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
