//! What a studio is told when it opens.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use onestep::burn::tensor::Device;

use crate::limits::Limits;
use crate::log::{LogLine, Logger};

/// A model by the name that requests call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    /// The name.
    pub name: String,
    /// Where it lies: whatever [`onestep::open`] takes.
    pub path: PathBuf,
}

/// What a studio is told when it opens. The default has the models that come along and keeps pictures in `studio`.
#[derive(Clone)]
pub struct Settings {
    /// Models beside those that come along; the first is the usual one. A name replaces one that comes along.
    pub models: Vec<NamedModel>,
    /// The folder of runs: their models can be drawn from, and new runs begin there. Without it nothing is trained.
    pub runs: Option<PathBuf>,
    /// Where kept pictures lie.
    pub state: PathBuf,
    /// What every request of the API has to show; none where only this machine can ask.
    pub token: Option<String>,
    /// Names and addresses beside its own that the server may be called by, `name` or `name:port`.
    pub hosts: Vec<String>,
    /// What may be asked for.
    pub limits: Limits,
    /// Where models compute.
    pub device: Device,
    /// Bytes of memory that a training run may take; none where nobody knows.
    pub available_memory: Option<u64>,
    /// Who takes the lines of the log.
    pub log: Logger,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            runs: None,
            state: "studio".into(),
            token: None,
            hosts: Vec::new(),
            limits: Limits::default(),
            device: Device::flex(),
            available_memory: None,
            log: Arc::new(|_: &LogLine| {}),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("models", &self.models)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
