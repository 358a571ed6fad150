//! Which part of the work is this process's: as it was typed, or as whatever started the process says.

use std::str::FromStr;

use onestep_mpi::launch::launched_by;

/// `2/8`: the second of eight parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shard {
    /// Number of the part, from 0.
    pub index: usize,
    /// Number of parts.
    pub n: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let told = || told(|name| std::env::var(name).ok());
        let number = |part: &str| part.trim().parse::<usize>().ok();
        match text.split_once('/').map(|(index, n)| (index.trim(), number(n))) {
            None if text.trim() == "auto" => told()?.whole(),
            Some(("auto", Some(n))) => told()?.of(n),
            Some((index, Some(n))) => match number(index) {
                Some(index) if 1 <= index && index <= n => Ok(Self { index: index - 1, n }),
                _ => Err(none(text)),
            },
            _ => Err(none(text)),
        }
    }
}

fn none(text: &str) -> String {
    format!("`{text}` is no part; write 1/8 for the first of eight, 8/8 for the last, or auto")
}

/// What the surroundings tell of a part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Given {
    index: usize,
    /// Kubernetes does not tell it.
    n: Option<usize>,
    by: &'static str,
}

impl Given {
    fn whole(self) -> Result<Shard, String> {
        match self.n {
            Some(n) => self.of(n),
            None => Err(format!(
                "{} tells which part this is, but not of how many: write auto/8 where there are eight",
                self.by
            )),
        }
    }

    fn of(self, n: usize) -> Result<Shard, String> {
        let Self { index, by, .. } = self;
        match self.n {
            Some(told) if told != n => Err(format!("{by} says that there are {told} parts, not {n}")),
            _ if index >= n => Err(format!("{by} says that this is part {}, and there are {n}", index + 1)),
            _ => Ok(Shard { index, n }),
        }
    }
}

/// The part that a job array of Slurm, an indexed job of Kubernetes or a launcher of processes has given this process.
fn told(variable: impl Fn(&str) -> Option<String>) -> Result<Given, String> {
    let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
    if let Some(task) = number("SLURM_ARRAY_TASK_ID") {
        let by = "SLURM_ARRAY_TASK_ID";
        let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
        let n = number("SLURM_ARRAY_TASK_COUNT");
        let last = number("SLURM_ARRAY_TASK_MAX");
        if let (Some(n), Some(last)) = (n, last)
            && last + 1 - first.min(last) != n
        {
            return Err(format!(
                "the job array has {n} tasks from {first} to {last}, with gaps: number them one after the other, or write 2/8"
            ));
        }
        return match task.checked_sub(first) {
            Some(index) => Ok(Given { index, n, by }),
            None => Err(format!("{by} is {task}, and the array begins with {first}")),
        };
    }
    if let Some(index) = number("JOB_COMPLETION_INDEX") {
        return Ok(Given { index, n: None, by: "JOB_COMPLETION_INDEX" });
    }
    match launched_by(variable) {
        Some(launched) => Ok(Given { index: launched.rank, n: Some(launched.size), by: "the launcher" }),
        None => Err("nothing tells which part this is (no job array of Slurm, indexed job of Kubernetes, mpirun or srun); write 2/8 \
                     for the second of eight"
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_by(variables: &[(&str, &str)]) -> Result<Given, String> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        told(find)
    }

    #[test]
    fn a_part_is_typed() {
        assert_eq!("1/8".parse::<Shard>().unwrap(), Shard { index: 0, n: 8 });
        assert_eq!("8/8".parse::<Shard>().unwrap().index, 7);
        for wrong in ["0/8", "9/8", "8", "a/b", "1/0", "auto/x"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("1/8"), "{wrong}");
        }
    }

    #[test]
    fn job_arrays_indexed_jobs_and_launchers_tell_the_part() {
        let array = [
            ("SLURM_ARRAY_TASK_ID", "12"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_MAX", "13"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            // A task of an array is a step of its own, too.
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_NUM_TASKS", "1"),
        ];
        assert_eq!(told_by(&array).unwrap().whole(), Ok(Shard { index: 2, n: 4 }));
        assert!(told_by(&array).unwrap().of(5).unwrap_err().contains("4 parts, not 5"));
        let gaps = [array[0], array[1], ("SLURM_ARRAY_TASK_MAX", "16"), array[3]];
        assert!(told_by(&gaps).unwrap_err().contains("gaps"));

        let indexed = told_by(&[("JOB_COMPLETION_INDEX", "3")]).unwrap();
        assert_eq!(indexed.of(8), Ok(Shard { index: 3, n: 8 }));
        assert!(indexed.whole().unwrap_err().contains("auto/8"));
        assert!(indexed.of(3).unwrap_err().contains("part 4, and there are 3"));

        let ranks = told_by(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]).unwrap();
        assert_eq!(ranks.whole(), Ok(Shard { index: 1, n: 2 }));
        assert!(told_by(&[]).unwrap_err().contains("write 2/8"));
    }
}
