//! Stopping: one Ctrl-C finishes the step and saves, the second exits at once.
//!
//! Windows has Ctrl-C and SIGTERM only; the rest is Unix.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Failure, Outcome, code, io_failure};

/// What asks to stop.
#[cfg(unix)]
const STOPPING: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGUSR1];
#[cfg(not(unix))]
const STOPPING: [i32; 2] = [SIGINT, SIGTERM];

/// What would end the process where an error tells more: a file size limit then fails the write, with a message.
#[cfg(unix)]
const UNHEEDED: [i32; 1] = [signal_hook::consts::SIGXFSZ];
#[cfg(not(unix))]
const UNHEEDED: [i32; 0] = [];

/// Set once a signal has asked to stop.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Listens for Ctrl-C, SIGTERM and, where there is one, SIGUSR1.
    pub fn listen() -> Outcome<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in STOPPING {
            // Order matters: the shutdown looks at the flag before this signal sets it.
            signal_hook::flag::register_conditional_shutdown(signal, i32::from(code::STOPPED), flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .map_err(|error| not_listening(&error))?;
        }
        for signal in UNHEEDED {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
                .map_err(|error| not_listening(&error))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal has asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn not_listening(error: &std::io::Error) -> Failure {
    io_failure("listen for signals for", std::path::Path::new("this process"), error)
}
