//! From what was typed about a sampler to a plan: the model's header says what is missing.

use onestep::model::Preconditioning;
use onestep::noise::SamplingLevels;
use onestep::sample::{Churn, OdeMethod, OdeOptions, Plan, default_levels, trig_levels};
use serde::{Deserialize, Serialize};

use crate::args::{SamplerArgs, SamplerName};
use crate::failure::{Failure, Outcome, code};
use crate::old_model::Opened;

/// Levels of an ODE sampler where nobody chose: EDM's setting for 32x32 images.
const ODE_LEVELS: usize = 18;

/// A sampler with its levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The sampler.
    pub sampler: String,
    /// The noise levels it visits.
    pub levels: Vec<f64>,
    /// Churn of an ODE sampler.
    pub churn: f64,
}

impl Sampling {
    /// What was typed, made definite by the model.
    pub fn choose(args: &SamplerArgs, opened: &Opened) -> Outcome<Self> {
        let header = &opened.header;
        let diffusion = header.kind != onestep::model::ModelKind::Consistency;
        let progressive = header.profile().made_for_steps().is_some();
        let sampler = args.sampler.unwrap_or(match (progressive, diffusion) {
            (true, _) => SamplerName::Progressive,
            (false, true) => SamplerName::Heun,
            (false, false) => SamplerName::Multistep,
        });
        if progressive != (sampler == SamplerName::Progressive) {
            let message = match progressive {
                true => "this model of progressive distillation knows the steps it was made for only",
                false => "this model was not made by progressive distillation",
            };
            return Err(Failure::usage(message).hint("leave --sampler out"));
        }
        if diffusion && sampler == SamplerName::Multistep {
            return Err(Failure::usage(
                "this is a diffusion model: it cannot jump to the image in a few steps",
            )
            .hint(
                "leave --sampler out, or distill the model first: onestep train emoji-cd --teacher MODEL ...",
            ));
        }
        if !diffusion && sampler != SamplerName::Multistep {
            return Err(Failure::usage(
                "this is a consistency model: it does not follow an ODE step by step",
            )
            .hint("leave --sampler out, and choose how many jumps with --steps"));
        }
        let range = opened.model.range();
        let grid = |n| SamplingLevels::karras(n, range.sigma_min, range.sigma_max, header.rho);
        let levels = match (&args.levels, &args.indices, args.steps.map(|n| n as usize)) {
            (Some(levels), _, _) => SamplingLevels::new(levels.0.clone())?,
            (_, Some(list), _) => SamplingLevels::from_indices(
                &list.indices,
                list.n_levels,
                range.sigma_min,
                range.sigma_max,
                header.rho,
            )?,
            (_, _, steps) if progressive => match (steps, &header.sampling_levels) {
                (None, Some(made_for)) => SamplingLevels::new(made_for.clone())?,
                // n steps lie between n + 1 levels.
                (steps, _) => grid(steps.unwrap_or(1) + 1)?,
            },
            (_, _, steps) if sampler != SamplerName::Multistep => grid(steps.unwrap_or(ODE_LEVELS).max(2))?,
            (_, _, steps) => multistep_levels(opened, steps)?,
        };
        if !(args.churn >= 0.0 && args.churn.is_finite()) {
            return Err(Failure::usage(format!("--churn must be zero or more, not {}", args.churn)));
        }
        let sampler = format!("{sampler:?}").to_lowercase();
        Ok(Self { sampler, levels: levels.as_slice().to_vec(), churn: args.churn })
    }

    /// The plan that the library follows.
    pub fn plan(&self) -> Outcome<Plan> {
        let levels = SamplingLevels::new(self.levels.clone())?;
        let method = match self.sampler.as_str() {
            "multistep" => return Ok(Plan::Multistep(levels)),
            "progressive" => {
                return Ok(onestep::sample::Sampler::Progressive
                    .plan(levels, 0.0)
                    .map_err(onestep::Error::from)?);
            }
            "heun" => OdeMethod::Heun,
            "euler" => OdeMethod::Euler,
            "dpm2" => OdeMethod::Dpm2,
            "ancestral" => OdeMethod::Ancestral,
            other => {
                return Err(Failure::new(
                    code::DATA,
                    format!("the picture names an unknown sampler `{other}`"),
                ));
            }
        };
        let churn = Churn { amount: self.churn, ..Churn::default() };
        Ok(Plan::Ode { levels, options: OdeOptions { method, churn, ..OdeOptions::default() } })
    }
}

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

/// The classes that were typed, repeated over `n` seeds.
pub fn classes(args: &SamplerArgs, opened: &Opened, n: usize) -> Outcome<Option<Vec<usize>>> {
    match (&args.classes, opened.model.network().n_classes()) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(Failure::usage("this model is unconditional and takes no --classes")),
        (Some(list), Some(n_classes)) => {
            let wanted = list.numbers(&opened.header.class_names, n_classes).map_err(Failure::usage)?;
            Ok(Some((0..n).map(|i| wanted[i % wanted.len()]).collect()))
        }
    }
}
