//! What every measurement has beside it: threads, precision, and the most that the processor could do meanwhile.

use burn::tensor::Device;
use onestep::model::{Precision, device_name};
use serde_json::{Map, Value};

use super::table::human_bytes;
use super::timing::{ceiling, peak_memory_bytes};

/// The circumstances of a measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Threads of the operators.
    pub threads: usize,
    /// What a card calls itself; none on the processor.
    pub card: Option<String>,
    /// Arithmetic of the products.
    pub precision: Precision,
    /// Operations a second of multiply-adds alone, before and after everything else; not measured on a card.
    pub ceilings: Option<[f64; 2]>,
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
        device: &Device,
        precision: Precision,
        seconds: f64,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let seconds = seconds.clamp(0.05, 1.0);
        let is_card = *device != Device::flex();
        let measured = || (!is_card).then(|| ceiling(precision, seconds));
        let before = measured();
        let result = work()?;
        let ceilings = before.zip(measured()).map(|(before, after)| [before, after]);
        let (threads, card) = (rayon::current_num_threads(), is_card.then(|| device_name(device)));
        Ok((Self { threads, card, precision, ceilings, peak_memory_bytes: peak_memory_bytes() }, result))
    }

    /// Operations a second that no operator can pass: the larger of the two, because what else runs on the machine only
    /// takes away from it. None on a card.
    pub fn ceiling(&self) -> Option<f64> {
        self.ceilings.map(|[before, after]| before.max(after))
    }

    /// A few lines for people, behind what was measured.
    pub(crate) fn text(&self) -> String {
        let peak = self.peak_memory_bytes.map_or_else(|| "not known here".into(), human_bytes);
        let precision = self.precision.name();
        let Some([before, after]) = self.ceilings.map(|both| both.map(|ceiling| ceiling / 1e9)) else {
            let card = self.card.as_deref().unwrap_or("a card");
            return format!("{precision} · {card}\npeak memory  {peak}, without that of the card\n");
        };
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        let by = onestep_kernels::instructions().map_or_else(|_| String::new(), |by| format!(" ({by})"));
        format!(
            "{precision}{by} · {} {threads}\n\
             ceiling      {:.0} GFLOP/s of multiply-adds alone ({before:.0} before, {after:.0} after)\n\
             peak memory  {peak}\n",
            self.threads,
            before.max(after),
        )
    }

    /// Adds them to a JSON object.
    pub(crate) fn extend(&self, object: &mut Map<String, Value>) {
        object.insert("threads".into(), self.threads.into());
        object.insert("precision".into(), self.precision.name().into());
        if let Some(card) = &self.card {
            object.insert("device".into(), card.as_str().into());
        }
        let [before, after] = [0, 1].map(|which| self.ceilings.map(|both| both[which] / 1e9));
        object.insert("ceiling_gflops".into(), self.ceiling().map(|ceiling| ceiling / 1e9).into());
        object.insert("ceiling_gflops_before".into(), before.into());
        object.insert("ceiling_gflops_after".into(), after.into());
        object.insert("peak_memory_bytes".into(), self.peak_memory_bytes.into());
    }
}
