//! What every measurement has beside it: threads, precision, and the most that the processor could do meanwhile.

use onestep::model::Precision;
use serde_json::{Map, Value};

use super::table::human_bytes;
use super::timing::{ceiling, peak_memory_bytes};

/// The circumstances of a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Threads of the operators.
    pub threads: usize,
    /// Arithmetic of the products.
    pub precision: Precision,
    /// Operations a second of multiply-adds alone, before and after everything else.
    pub ceilings: [f64; 2],
    /// The most memory that the process had until then; none where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

impl Conditions {
    /// Measures the ceiling, does the work, and measures it again; `seconds` is how long the work repeats a pass.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub fn around<T, E>(
        precision: Precision,
        seconds: f64,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let seconds = seconds.clamp(0.05, 1.0);
        let before = ceiling(precision, seconds);
        let result = work()?;
        let ceilings = [before, ceiling(precision, seconds)];
        let threads = rayon::current_num_threads();
        Ok((Self { threads, precision, ceilings, peak_memory_bytes: peak_memory_bytes() }, result))
    }

    /// Operations a second that no operator can pass: the larger of the two, because what else runs on the machine only
    /// takes away from it.
    pub fn ceiling(&self) -> f64 {
        self.ceilings[0].max(self.ceilings[1])
    }
    /// Three lines for people, behind what was measured.
    pub(crate) fn text(&self) -> String {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        let [before, after] = self.ceilings.map(|ceiling| ceiling / 1e9);
        let peak = self.peak_memory_bytes.map_or_else(|| "not known here".into(), human_bytes);
        let by = onestep_kernels::instructions().map_or_else(|_| String::new(), |by| format!(" ({by})"));
        format!(
            "{}{by} · {} {threads}\nceiling      {:.0} GFLOP/s of multiply-adds alone ({before:.0} before, {after:.0} after)\n\
             peak memory  {peak}\n",
            self.precision.name(),
            self.threads,
            self.ceiling() / 1e9,
        )
    }

    /// Adds them to a JSON object.
    pub(crate) fn extend(&self, object: &mut Map<String, Value>) {
        object.insert("threads".into(), self.threads.into());
        object.insert("precision".into(), self.precision.name().into());
        object.insert("ceiling_gflops".into(), (self.ceiling() / 1e9).into());
        object.insert("ceiling_gflops_before".into(), (self.ceilings[0] / 1e9).into());
        object.insert("ceiling_gflops_after".into(), (self.ceilings[1] / 1e9).into());
        object.insert("peak_memory_bytes".into(), self.peak_memory_bytes.into());
    }
}
