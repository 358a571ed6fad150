//! Previews: pictures of fixed seeds while a run goes on.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::recipe::{Objective, Recipe};
use crate::Result;
use crate::data::Sheet;
use crate::model::Preconditioned;
use crate::noise::SamplingLevels;
use crate::sample::{OdeOptions, Plan, default_levels, generate, trig_levels};

/// Levels of the teacher's preview: EDM's setting for 32x32 images.
const HEUN_LEVELS: usize = 18;

/// Writes one picture per number of steps (1, 2 and 4; a diffusion model by Heun's method) into
/// `folder/previews` and returns the files.
///
/// # Randomness
///
/// Seeds 0, 1, 2, …: the same at every preview, so that one can watch them grow.
///
/// # Errors
///
/// Whatever the model or writing the files meets.
pub fn write(
    folder: &Path,
    recipe: &Recipe,
    model: &Preconditioned,
    step: u64,
    device: &Device,
) -> Result<Vec<PathBuf>> {
    let noise = &recipe.noise;
    let plans = match recipe.objective {
        Objective::Denoising { .. } => {
            let levels = SamplingLevels::karras(HEUN_LEVELS, noise.sigma_min, noise.sigma_max, noise.rho)?;
            vec![Plan::Ode { levels, options: OdeOptions::default() }]
        }
        Objective::ProgressiveDistillation { .. } => {
            recipe.sampling_levels(step)?.map(Plan::progressive).into_iter().collect()
        }
        Objective::Continuous { .. } => [1, 2, 4]
            .into_iter()
            .map(|n| trig_levels(n, &noise.range()).map(Plan::Multistep))
            .collect::<Result<_, _>>()?,
        Objective::Consistency { .. } | Objective::Tuning { .. } => [1, 2, 4]
            .into_iter()
            .map(|n| match recipe.sampling_levels(step)? {
                Some(levels) if levels.as_slice().len() == n => Ok(Plan::Multistep(levels)),
                _ => default_levels(n, &noise.range(), noise.rho).map(Plan::Multistep),
            })
            .collect::<Result<_, _>>()?,
    };
    let [height, width, _] = model.network().image();
    // Points of a toy distribution need many to show a shape; large images are slow to make.
    let n_seeds = if height * width == 1 { 2048 } else { (65_536 / (height * width)).clamp(4, 64) as u64 };
    let seeds: Vec<u64> = (0..n_seeds).collect();
    let mut files = Vec::new();
    for plan in plans {
        let images = generate(model, &plan, &seeds, None, 64, device, &mut |_| true)?;
        let file = folder.join("previews").join(format!("step-{step:08}-nfe-{}.png", plan.nfe()));
        Sheet::AUTO.write(&file, &images.values, images.shape, None)?;
        files.push(file);
    }
    Ok(files)
}
