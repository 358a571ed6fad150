//! What a launcher tells the processes that it starts.

/// The place of a process among those that were started together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launched {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
}

/// Variables in which launchers tell rank and size: those of Open MPI, of MPICH and Intel MPI, and of Slurm's `srun`.
const VARIABLES: [[&str; 2]; 3] = [
    ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"],
    ["PMI_RANK", "PMI_SIZE"],
    ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"],
];

/// The place of this process, if a launcher has told it one.
pub fn launched() -> Option<Launched> {
    launched_by(|name| std::env::var(name).ok())
}

/// The place that these variables tell.
pub fn launched_by(variable: impl Fn(&str) -> Option<String>) -> Option<Launched> {
    let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
    VARIABLES.iter().find_map(|[rank, size]| {
        let launched = Launched { rank: number(rank)?, size: number(size)? };
        (launched.rank < launched.size).then_some(launched)
    })
}
