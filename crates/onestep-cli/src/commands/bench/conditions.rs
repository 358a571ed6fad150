//! How the circumstances of a measurement are shown.

use onestep::model::Precision;
pub use onestep_bench::Conditions;
use serde_json::{Map, Value};

use crate::args::PrecisionName;
use crate::progress::human_bytes;

/// Three lines, behind what was measured.
pub fn text(conditions: &Conditions) -> String {
    let threads = if conditions.threads == 1 { "thread" } else { "threads" };
    let [before, after] = conditions.ceilings.map(|ceiling| ceiling / 1e9);
    let peak = conditions.peak_memory_bytes.map_or_else(|| "not known here".into(), human_bytes);
    format!(
        "{} · {} {threads}\nceiling      {:.0} GFLOP/s of multiply-adds alone ({before:.0} before, {after:.0} after)\n\
         peak memory  {peak}\n",
        precision(conditions),
        conditions.threads,
        conditions.ceiling() / 1e9,
    )
}

/// Adds them to a JSON object.
pub fn extend(conditions: &Conditions, object: &mut Map<String, Value>) {
    object.insert("threads".into(), conditions.threads.into());
    object.insert("precision".into(), precision(conditions).into());
    object.insert("ceiling_gflops".into(), (conditions.ceiling() / 1e9).into());
    object.insert("ceiling_gflops_before".into(), (conditions.ceilings[0] / 1e9).into());
    object.insert("ceiling_gflops_after".into(), (conditions.ceilings[1] / 1e9).into());
    object.insert("peak_memory_bytes".into(), conditions.peak_memory_bytes.into());
}

fn precision(conditions: &Conditions) -> &'static str {
    match conditions.precision {
        Precision::F32 => PrecisionName::F32.name(),
        Precision::Bf16 => PrecisionName::Bf16.name(),
    }
}
