//! A studio that is open: opening it, the thread that computes, and closing it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use onestep::data::OutputLock;

use crate::history::History;
use crate::inner::Inner;
use crate::input::Inputs;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::training::Training;
use crate::worker;

/// Why a studio cannot open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudioError {
    /// A model cannot be opened, or the state cannot be locked.
    #[error(transparent)]
    Library(#[from] onestep::Error),
    /// A folder cannot be made.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// An address that others can reach, and nothing that they have to show.
    #[error("{address} can be reached from other machines, and no token is set")]
    NoToken {
        /// The address.
        address: std::net::SocketAddr,
    },
    /// A thread cannot be started, or the server cannot run.
    #[error("the server cannot run")]
    Run(#[from] std::io::Error),
}

/// A studio that is open. Cloning shares it.
#[derive(Clone)]
pub struct Studio {
    pub(crate) inner: Arc<Inner>,
    worker: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// No other studio has the folder.
    _lock: Arc<OutputLock>,
}

impl Studio {
    /// Opens a studio: looks at its models, takes its folder, which is made if need be, and starts the thread that computes.
    ///
    /// # Errors
    ///
    /// [`StudioError`]: a model that is none, a folder that cannot be made or that another studio has.
    pub fn open(settings: Settings) -> Result<Self, StudioError> {
        let folder = |name: &str| {
            let path = settings.state.join(name);
            fs::create_dir_all(&path).map_err(|source| StudioError::Folder { path: path.clone(), source })?;
            Ok::<_, StudioError>(path)
        };
        let (kept, inputs) = (folder("pictures")?, folder("inputs")?);
        let lock = OutputLock::acquire(&settings.state.join("studio"))?;
        let limits = &settings.limits;
        let inner = Arc::new(Inner {
            shelf: Shelf::new(&settings)?,
            jobs: Jobs::new(limits.clone()),
            inputs: Inputs::new(inputs, limits.clone()),
            history: History::open(kept),
            training: Training::new(&settings),
            metrics: Metrics::default(),
            connections: AtomicUsize::new(0),
            opened: Instant::now(),
            decoding: tokio::sync::Semaphore::new(2),
            settings,
        });
        inner.sweep();
        let computing = inner.clone();
        let worker =
            std::thread::Builder::new().name("worker".into()).spawn(move || worker::work(&computing))?;
        Ok(Self { inner, worker: Arc::new(Mutex::new(Some(worker))), _lock: Arc::new(lock) })
    }

    /// Closes it: jobs that wait are given up, what is computed stops at its next step, and a training run is saved.
    pub fn close(&self) {
        self.inner.jobs.close();
        self.inner.training.close();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studio").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
