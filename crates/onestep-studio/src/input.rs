//! Pictures that come in: inside a request, or sent before it and called by their digest.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use onestep::data::{self, write_whole};
use onestep::digest;
use onestep::edit::Picture;
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::Limits;
use crate::refusal::Refusal;

/// What a picture is called in a request that was sent before it.
const PREFIX: &str = "input:";

/// Pictures that no kept job needs stay this long.
const UNUSED: Duration = Duration::from_secs(3600);

/// A picture that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct InputView {
    /// What jobs call it: `input:` and its SHA-256.
    pub id: String,
    /// Its columns.
    pub width: usize,
    /// Its rows.
    pub height: usize,
}

/// Pictures that came in, each a file that is called by its digest.
#[derive(Debug)]
pub(crate) struct Inputs {
    folder: PathBuf,
    limits: Limits,
    /// Bytes of all of them.
    total: AtomicU64,
}

impl Inputs {
    /// Those in a folder that exists.
    pub fn new(folder: PathBuf, limits: Limits) -> Self {
        let sizes = fs::read_dir(&folder).into_iter().flatten().flatten();
        let total = sizes.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum::<u64>();
        Self { folder, limits, total: AtomicU64::new(total) }
    }

    /// Decodes a picture, within limits.
    pub fn decode(&self, encoded: &[u8], field: &str) -> Result<Picture, Refusal> {
        if encoded.is_empty() {
            return Err(Refusal::field(field, format!("`{field}` is empty; send a picture")));
        }
        if encoded.len() > self.limits.upload_bytes {
            let message = format!("`{field}` has more than {} bytes", self.limits.upload_bytes);
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
        }
        let wrong = |error: onestep::Error| {
            let error = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_picture", error);
            refusal.problem.param = Some(field.into());
            refusal
        };
        let (height, width) = data::picture_size(encoded, field).map_err(|error| wrong(error.into()))?;
        if height.saturating_mul(width) > self.limits.pixels {
            let message = format!(
                "`{field}` has {width}x{height} pixels, more than {} in all; shrink it",
                self.limits.pixels
            );
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
        }
        Picture::decode(encoded, field).map_err(wrong)
    }

    /// The bytes of a picture inside a request: a data URL. Other addresses are never fetched.
    pub fn of_data_url(&self, text: &str, field: &str) -> Result<Vec<u8>, Refusal> {
        let inline = text.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        let Some((kind, coded)) = inline else {
            let message =
                format!("`{field}` must be a data URL or `{PREFIX}` and a digest; addresses are not fetched");
            return Err(Refusal::field(field, message));
        };
        if !kind.ends_with(";base64") {
            return Err(Refusal::field(field, format!("the data URL of `{field}` must say ;base64")));
        }
        let not_base64 =
            |error| Refusal::field(field, format!("the data URL of `{field}` is no base64: {error}"));
        BASE64_STANDARD.decode(coded.trim()).map_err(not_base64)
    }

    /// Keeps a picture and says what to call it.
    pub fn keep(&self, encoded: &[u8], field: &str) -> Result<InputView, Refusal> {
        let picture = self.decode(encoded, field)?;
        let sha256 = digest::hex(encoded);
        let path = self.folder.join(&sha256);
        if !path.is_file() {
            let n_bytes = encoded.len() as u64;
            if self.total.load(Ordering::Relaxed) + n_bytes > self.limits.input_bytes {
                let message =
                    "the server keeps as many pictures as it may; those that nothing needs go after an hour";
                return Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "inputs_full", message));
            }
            write_whole(&path, |file| file.write_all(encoded))
                .map_err(|error| Refusal::of(&error.into(), "", ""))?;
            self.total.fetch_add(n_bytes, Ordering::Relaxed);
        }
        let shape = picture.pixels().shape();
        Ok(InputView { id: format!("{PREFIX}{sha256}"), width: shape.width, height: shape.height })
    }

    /// The file of a picture that was kept, by what a request calls it; none for a picture inside the request.
    pub fn find(&self, called: &str, field: &str) -> Result<Option<PathBuf>, Refusal> {
        let Some(sha256) = called.strip_prefix(PREFIX) else { return Ok(None) };
        match self.file(sha256) {
            Some(path) => Ok(Some(path)),
            None => Err(Refusal::field(field, format!("`{field}` is not here any more; send it again"))),
        }
    }

    /// The file of a digest.
    pub fn file(&self, sha256: &str) -> Option<PathBuf> {
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.folder.join(sha256);
        (is_digest && path.is_file()).then_some(path)
    }

    /// Takes those away that are old and that no kept job needs.
    pub fn sweep(&self, is_needed: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = entry
                .metadata()
                .and_then(|file| file.modified())
                .map(|time| SystemTime::now().duration_since(time));
            let is_old = matches!(age, Ok(Ok(age)) if age > UNUSED);
            if is_old && self.file(&name).is_some() && !is_needed(&format!("{PREFIX}{name}")) {
                let n_bytes = entry.metadata().map_or(0, |file| file.len());
                if fs::remove_file(entry.path()).is_ok() {
                    self.total.fetch_sub(n_bytes, Ordering::Relaxed);
                }
            }
        }
    }
}
