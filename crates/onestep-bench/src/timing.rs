//! Taking the time.

use std::hint::black_box;
use std::time::Instant;

use onestep::model::Precision;

/// Seconds of every run of something, the fastest first.
#[derive(Debug, Clone)]
pub struct Timing {
    sorted: Vec<f64>,
}

impl Timing {
    /// Of at least one run.
    pub fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { sorted: seconds }
    }

    /// The middle run; the mean of the middle two of an even number.
    pub fn median(&self) -> f64 {
        let n = self.sorted.len();
        (self.sorted[(n - 1) / 2] + self.sorted[n / 2]) / 2.0
    }

    /// The fastest run.
    pub fn min(&self) -> f64 {
        self.sorted[0]
    }

    /// How many runs.
    pub fn runs(&self) -> usize {
        self.sorted.len()
    }
}

/// Runs `body`, which says how long it took, for at least `seconds` and `least` times.
///
/// # Errors
///
/// The first of the body.
pub fn repeat<E>(
    seconds: f64,
    least: usize,
    mut body: impl FnMut() -> Result<f64, E>,
) -> Result<Vec<f64>, E> {
    let started = Instant::now();
    let mut runs = Vec::new();
    while runs.len() < least || started.elapsed().as_secs_f64() < seconds {
        runs.push(body()?);
    }
    Ok(runs)
}

/// Floating-point operations a second of independent f32 multiply-adds in registers, on all threads at once.
///
/// The threads do short rounds side by side; the answer is the moment at which all rounds together were fastest, because
/// what else runs on the machine only takes away from it. On a busy machine it takes long until they run side by side.
pub fn ceiling(precision: Precision, seconds: f64) -> f64 {
    const ROUNDS: usize = 100_000;
    let started = Instant::now();
    let rounds = rayon::broadcast(|_| {
        let mut rounds = Vec::new();
        while rounds.is_empty() || started.elapsed().as_secs_f64() < seconds {
            let begin = started.elapsed();
            black_box(onestep_kernels::multiply_adds(precision, ROUNDS));
            rounds.push([begin, started.elapsed()].map(|time| time.as_secs_f64()));
        }
        rounds
    });
    let flop = 2 * onestep_kernels::multiply_adds(precision, 1) * ROUNDS;
    flop as f64 * fastest_moment(&rounds)
}

/// The most rounds a second of all threads together at any moment. A round is when it began and when it ended, the rounds
/// of a thread are in order.
fn fastest_moment(threads: &[Vec<[f64; 2]>]) -> f64 {
    let at = |moment: f64| -> f64 {
        let running = threads.iter().filter_map(|rounds| {
            let round = rounds.get(rounds.partition_point(|[_, end]| *end < moment))?;
            (round[0] <= moment).then(|| 1.0 / (round[1] - round[0]))
        });
        running.sum()
    };
    threads.iter().flatten().map(|[begin, end]| at((begin + end) / 2.0)).fold(0.0, f64::max)
}

/// The most memory that this process ever had resident; none where the system does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    peak_from_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_from_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run_or_between_the_middle_two() {
        assert_eq!(Timing::of(vec![3.0, 1.0, 20.0]).median(), 3.0);
        let even = Timing::of(vec![4.0, 1.0, 20.0, 3.0]);
        assert_eq!((even.median(), even.min(), even.runs()), (3.5, 1.0, 4));
    }

    #[test]
    fn something_is_repeated_at_least_so_often_and_stops_at_an_error() {
        assert_eq!(repeat(0.0, 3, || Ok::<_, ()>(1.0)), Ok(vec![1.0; 3]));
        let mut n = 0;
        let outcome = repeat(0.0, 5, || {
            n += 1;
            if n == 2 { Err("no more") } else { Ok(0.0) }
        });
        assert_eq!((outcome, n), (Err("no more"), 2));
    }

    #[test]
    fn the_fastest_moment_counts_rounds_that_overlap() {
        // The second thread was held up in its first round, and ran beside the first thread only in the middle.
        let threads =
            [vec![[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], vec![[0.0, 1.25], [1.25, 1.75], [4.0, 4.25]]];
        assert_eq!(fastest_moment(&threads[..1]), 1.0);
        assert_eq!(fastest_moment(&threads), 4.0, "alone at the end");
        assert_eq!(fastest_moment(&[threads[0].clone(), threads[1][..2].to_vec()]), 3.0);
    }

    #[test]
    fn the_peak_is_read_from_the_line_that_says_it() {
        let status = "Name:\tonestep\nVmPeak:\t  9000 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 1000 kB\n";
        assert_eq!(peak_from_status(status), Some(1234 * 1024));
        assert_eq!(peak_from_status("Name:\tonestep\n"), None);
    }
}
