//! What every measurement has beside it: threads, precision, and the most that the processor could do meanwhile.

use serde_json::{Map, Value};

use crate::args::PrecisionName;
use crate::measure::{ceiling, peak_memory_bytes};
use crate::progress::human_bytes;

/// The circumstances of a measurement.
pub struct Conditions {
    threads: usize,
    precision: PrecisionName,
    /// Operations a second of multiply-adds alone, before and after everything else.
    ceilings: [f64; 2],
}

impl Conditions {
    /// Measures the ceiling, does the work, and measures it again; `seconds` is how long the work repeats a pass.
    pub fn around<T, E>(
        precision: PrecisionName,
        seconds: f64,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let seconds = seconds.clamp(0.05, 1.0);
        let before = ceiling(precision.precision(), seconds);
        let result = work()?;
        let ceilings = [before, ceiling(precision.precision(), seconds)];
        Ok((Self { threads: rayon::current_num_threads(), precision, ceilings }, result))
    }

    /// Operations a second that no operator can pass: the larger of the two, because what else runs on the machine only
    /// takes away from it.
    pub fn ceiling(&self) -> f64 {
        self.ceilings[0].max(self.ceilings[1])
    }

    fn precision(&self) -> String {
        self.precision.name().to_string()
    }

    /// Three lines, behind what was measured.
    pub fn text(&self) -> String {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        let [before, after] = self.ceilings.map(|ceiling| ceiling / 1e9);
        let peak = peak_memory_bytes().map_or_else(|| "not known here".into(), human_bytes);
        format!(
            "{} · {} {threads}\nceiling      {:.0} GFLOP/s of multiply-adds alone ({before:.0} before, {after:.0} after)\n\
             peak memory  {peak}\n",
            self.precision(),
            self.threads,
            self.ceiling() / 1e9,
        )
    }

    /// Adds them to a JSON object.
    pub fn extend(&self, object: &mut Map<String, Value>) {
        object.insert("threads".into(), self.threads.into());
        object.insert("precision".into(), self.precision().into());
        object.insert("ceiling_gflops".into(), (self.ceiling() / 1e9).into());
        object.insert("ceiling_gflops_before".into(), (self.ceilings[0] / 1e9).into());
        object.insert("ceiling_gflops_after".into(), (self.ceilings[1] / 1e9).into());
        object.insert("peak_memory_bytes".into(), peak_memory_bytes().into());
    }
}
