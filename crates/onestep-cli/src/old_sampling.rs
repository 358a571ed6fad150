//! The levels that a model is drawn from with, for commands that do not draw by the library yet.

use onestep::model::Preconditioning;
use onestep::noise::SamplingLevels;
use onestep::sample::{default_levels, trig_levels};

use crate::failure::Outcome;
use crate::old_model::Opened;

/// Levels for drawing in jumps: those that the model carries, where they are as many as asked for, otherwise those of its form.
pub fn multistep_levels(opened: &Opened, steps: Option<usize>) -> Outcome<SamplingLevels> {
    let (header, range) = (&opened.header, opened.model.range());
    if let Some(found) =
        header.sampling_levels.as_ref().filter(|found| steps.is_none_or(|n| n == found.len()))
    {
        return Ok(SamplingLevels::new(found.clone())?);
    }
    let n = steps.unwrap_or(1);
    Ok(match header.preconditioning {
        Preconditioning::Trig | Preconditioning::TrigEdm => trig_levels(n, &range)?,
        Preconditioning::Edm | Preconditioning::Boundary => default_levels(n, &range, header.rho)?,
    })
}
