//! What a server tells whoever runs it: one line for each request and each thing that went wrong.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What happens all the time.
    Info,
    /// What somebody should look at.
    Error,
}

/// A line of the log. Prompts and pictures are never in it.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// Milliseconds since 1970.
    pub unix_millis: u64,
    /// How much it matters.
    pub level: Level,
    /// The request that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What happened.
    pub message: String,
}

/// Takes lines of the log.
pub(crate) type Logger = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

impl LogLine {
    /// A line of now.
    pub(crate) fn new(level: Level, request: Option<String>, message: impl Into<String>) -> Self {
        Self { unix_millis: unix_millis(), level, request, message: message.into() }
    }
}
