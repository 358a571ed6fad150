//! How long a rank waits for the others, and what happens then.

use std::fmt;
use std::time::Duration;

/// What a rank does about others that are lost.
pub struct Settings {
    /// A rank that was not heard of for so long is lost.
    pub watchdog: Duration,
    /// Called once, by the thread of MPI, where a rank is lost; it ends the process, and waits for nobody. If it returns, the process is
    /// aborted.
    pub on_lost: Box<dyn Fn(&Lost) + Send>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("watchdog", &self.watchdog).finish_non_exhaustive()
    }
}

/// A rank is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Nothing was heard of it: it is gone, it hangs, or the network is cut.
    #[error("rank {rank} was not heard of for {} s", after.as_secs())]
    Silent {
        /// The rank.
        rank: usize,
        /// For how long.
        after: Duration,
    },
    /// It lives, but does not come where all others wait.
    #[error("rank {rank} does not come; this rank has waited for {} s", after.as_secs())]
    Absent {
        /// The rank.
        rank: usize,
        /// For how long.
        after: Duration,
    },
}
