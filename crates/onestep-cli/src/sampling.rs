//! From what was typed about a sampler to a drawing.

use onestep::noise::SamplingLevels;
use onestep::{Draw, Model};

use crate::args::SamplerArgs;
use crate::failure::{Failure, Outcome};

/// A drawing of these seeds as it was asked for; the model says what is missing.
pub fn draw<'a>(args: &SamplerArgs, model: &'a Model, seeds: Vec<u64>) -> Outcome<Draw<'a>> {
    let n_seeds = seeds.len();
    let mut draw = model.draw().seeds(seeds).churn(args.churn).batch(args.batch as usize);
    if let Some(sampler) = args.sampler {
        draw = draw.sampler(sampler.sampler());
    }
    if let Some(scale) = args.guidance {
        draw = draw.guidance(scale);
    }
    let profile = model.profile();
    match (&args.levels, &args.indices, args.steps) {
        (Some(levels), _, _) => draw = draw.levels(levels.0.clone()),
        (_, Some(list), _) => {
            let (range, rho) = (profile.range, profile.rho);
            let indices = &list.indices;
            let levels =
                SamplingLevels::from_indices(indices, list.n_levels, range.sigma_min, range.sigma_max, rho)?;
            draw = draw.levels(levels.as_slice().to_vec());
        }
        (_, _, Some(steps)) => draw = draw.steps(steps as usize),
        _ => {}
    }
    if let Some(list) = &args.classes {
        let number = |name: &String| class_number(model, name, "--classes");
        let names = list.each(model.class_names()).map_err(Failure::usage)?;
        let wanted = names.iter().map(number).collect::<Outcome<Vec<_>>>()?;
        // Repeated over the seeds.
        draw = draw.classes((0..n_seeds).map(|i| wanted[i % wanted.len()]));
    }
    Ok(draw)
}

/// The number of the class that was named with an option.
pub fn class_number(model: &Model, name: &str, option: &str) -> Outcome<usize> {
    if model.n_classes().is_none() {
        return Err(Failure::usage(format!("this model is unconditional and takes no {option}")));
    }
    Ok(model.class_number(name)?)
}
