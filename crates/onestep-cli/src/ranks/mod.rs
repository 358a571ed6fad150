//! Processes that a launcher has started together, and this one's part in a training run.

#[cfg(feature = "mpi")]
mod joined;

use onestep::Error;
use onestep::distributed::{DistributedError, World};
use onestep::observer::{Event, Flow, Observer};
use onestep::train::TrainError;
use onestep_mpi::launch::launched;

use crate::args::RanksArgs;
use crate::failure::Outcome;
use crate::signals::StopFlag;

/// This process among those that train together; by itself where nothing has started it as one of several.
pub struct Ranks {
    /// Its number.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// How many of them compute on this machine.
    pub here: usize,
    #[cfg(feature = "mpi")]
    ending: Option<onestep_mpi::Ending>,
}

impl Ranks {
    /// Joins the others, and shares the processors of a machine with those that are on it.
    pub fn join(args: &RanksArgs) -> Outcome<(Self, World)> {
        match launched() {
            Some(launched) if launched.size > 1 => Self::join_others(args),
            _ => Ok((Self::alone(), World::default())),
        }
    }

    fn alone() -> Self {
        Self {
            rank: 0,
            size: 1,
            here: 1,
            #[cfg(feature = "mpi")]
            ending: None,
        }
    }

    #[cfg(not(feature = "mpi"))]
    fn join_others(_: &RanksArgs) -> Outcome<(Self, World)> {
        let size = launched().map_or(1, |launched| launched.size);
        Err(crate::failure::Failure::usage(format!(
            "a launcher has started this as one of {size} processes, and this build has no MPI"
        ))
        .hint("build it in with `cargo build --release --features mpi`, or start a single process"))
    }

    /// Whether this is the rank that writes and talks.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// Ends in order what all ranks have come to together.
    pub fn end(self) {
        #[cfg(feature = "mpi")]
        if let Some(ending) = self.ending {
            ending.end();
        }
    }
}

/// Whether all ranks come to this error together, so that one of them telling it is enough.
pub fn is_common(error: &Error) -> bool {
    matches!(
        error,
        Error::Train(TrainError::BadImage { .. } | TrainError::NotFinite { .. })
            | Error::Distributed(
                DistributedError::Differs { .. }
                    | DistributedError::WorldSize { .. }
                    | DistributedError::TooFewShards { .. }
                    | DistributedError::Batch { .. }
            )
    )
}

/// Watches a rank that does not write: it passes on the wish to stop, and that is all.
pub struct Follower {
    /// Set by a signal.
    pub stop: StopFlag,
}

impl Observer for Follower {
    fn observe(&mut self, event: &Event) -> Flow {
        if let Event::Start { .. } = event {
            self.stop.heed(true, "", || "ended at once".into());
        }
        if self.stop.is_set() { Flow::Stop } else { Flow::Continue }
    }
}
