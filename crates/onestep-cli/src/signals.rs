//! Stopping: one Ctrl-C finishes the step and saves, the second exits at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};

use crate::failure::{Outcome, code, io_failure};

/// Set once a signal has asked to stop.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Listens for Ctrl-C, SIGTERM and SIGUSR1.
    pub fn listen() -> Outcome<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            // Order matters: the shutdown looks at the flag before this signal sets it.
            signal_hook::flag::register_conditional_shutdown(signal, i32::from(code::STOPPED), flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .map_err(|error| {
                    io_failure("listen for signals for", std::path::Path::new("this process"), &error)
                })?;
        }
        // A file size limit then fails the write, with a message, instead of killing the process.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(|error| {
            io_failure("listen for signals for", std::path::Path::new("this process"), &error)
        })?;
        Ok(Self(flag))
    }

    /// Whether a signal has asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
