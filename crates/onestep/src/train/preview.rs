//! Previews: pictures of fixed seeds while a run goes on.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::recipe::Recipe;
use crate::Result;
use crate::data::Sheet;
use crate::model::{ModelKind, Preconditioned, Preconditioning};
use crate::noise::SamplingLevels;
use crate::sample::{OdeOptions, Plan, default_levels, generate, trig_levels};

/// Writes one picture per number of steps (1, 2 and 4; a diffusion model by Heun's method, a student of progressive
/// distillation in the steps it was made for) into
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
    let [height, width, _] = model.network().image();
    // Points of a toy distribution need many to show a shape; large images are slow to make.
    let n_seeds = if height * width == 1 { 2048 } else { (65_536 / (height * width)).clamp(4, 64) as u64 };
    let seeds: Vec<u64> = (0..n_seeds).collect();
    let mut files = Vec::new();
    for plan in plans(recipe, step)? {
        let images = generate(model, &plan, &seeds, None, 64, device, &mut |_| true)?;
        let file = folder.join("previews").join(format!("step-{step:08}-nfe-{}.png", plan.nfe()));
        Sheet::AUTO.write(&file, &images.values, images.shape, None)?;
        files.push(file);
    }
    Ok(files)
}

/// How the model that the recipe makes in `step` updates is previewed.
fn plans(recipe: &Recipe, step: u64) -> Result<Vec<Plan>> {
    let noise = &recipe.noise;
    let made_for = recipe.sampling_levels(step)?;
    let plan = |n: usize| -> Result<Plan> {
        Ok(match (recipe.kind(), recipe.preconditioning(), &made_for) {
            (ModelKind::Diffusion, ..) => {
                let levels = SamplingLevels::karras(n, noise.sigma_min, noise.sigma_max, noise.rho)?;
                Plan::Ode { levels, options: OdeOptions::default() }
            }
            (ModelKind::Progressive, ..) => {
                Plan::progressive(SamplingLevels::karras(n + 1, noise.sigma_min, noise.sigma_max, noise.rho)?)
            }
            (_, Preconditioning::Trig | Preconditioning::TrigEdm, _) => {
                Plan::Multistep(trig_levels(n, &noise.range())?)
            }
            (_, _, Some(levels)) if levels.as_slice().len() == n => Plan::Multistep(levels.clone()),
            _ => Plan::Multistep(default_levels(n, &noise.range(), noise.rho)?),
        })
    };
    recipe.settings().preview_steps(step).into_iter().map(plan).collect()
}
