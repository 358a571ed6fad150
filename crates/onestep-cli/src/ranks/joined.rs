//! Joining others by MPI.

use std::time::Duration;

use onestep::Error;
use onestep::distributed::{Communicator, Reduction, World};
use onestep_mpi::launch::launched;
use onestep_mpi::{Lost, Mpi, MpiError, Settings};

use super::Ranks;
use crate::args::{RanksArgs, ReduceName};
use crate::failure::{Failure, Outcome, code};
use crate::signals::say_in_time;
use crate::{device, print};

impl Ranks {
    /// Joins them, and takes the threads that are this one's.
    pub(super) fn join_others(args: &RanksArgs) -> Outcome<(Self, World)> {
        let settings = Settings { watchdog: Duration::from_secs_f64(args.watchdog), on_lost: Box::new(end) };
        let mut mpi = Mpi::start(settings).map_err(|error: MpiError| Failure::new(code::INTERNAL, error))?;
        print::speak_as_rank(mpi.rank());
        if let Some(launched) = launched().filter(|launched| launched.size != mpi.size()) {
            let message = format!(
                "a launcher has started {} processes, and MPI knows of {}",
                launched.size,
                mpi.size()
            );
            return Err(Failure::usage(message)
                .hint("launcher and MPI must be made for each other: `mpirun` of the same MPI, or `srun --mpi=pmix`"));
        }
        let own = Place::own();
        let all = mpi.all_gather(own.to_bytes()).map_err(Error::from)?;
        let all: Vec<Place> = all.iter().map(|bytes| Place::from_bytes(bytes)).collect();
        let here = all.iter().filter(|other| other.machine == own.machine).count();
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let sharing = all.iter().filter(|other| **other == own).count();
            device::use_threads((device::threads() / sharing).max(1))?;
        }
        // Data and teacher are opened next, which may take one of them long.
        mpi.takes_long(true);
        let ending = Some(mpi.ending());
        let joined = Self { rank: mpi.rank(), size: mpi.size(), here, ending };
        let reduction = match args.reduce {
            ReduceName::Tree => Reduction::Tree,
            ReduceName::Fast => Reduction::Fast,
        };
        Ok((joined, World::new(mpi).reduction(reduction)))
    }
}

/// Ends this process, and by that the others.
fn end(lost: &Lost) {
    let hint =
        "the run goes on from its last checkpoint with --resume, by as many processes or another number";
    say_in_time(format!("error: {lost}"));
    say_in_time(format!("hint: {hint}"));
    std::process::exit(i32::from(code::STOPPED));
}

/// Where a process computes.
#[derive(PartialEq, Eq)]
struct Place {
    machine: String,
    /// The processors that it may use, as Linux lists them: processes with the same list share them.
    processors: String,
}

impl Place {
    fn own() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let processors = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let machine = read("/proc/sys/kernel/hostname").trim().to_owned();
        Self { machine, processors: processors.unwrap_or_default().trim().to_owned() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        format!("{}\n{}", self.machine, self.processors).into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (machine, processors) = text.split_once('\n').unwrap_or((&text, ""));
        Self { machine: machine.to_owned(), processors: processors.to_owned() }
    }
}
