//! Previews: pictures of fixed seeds while a run goes on.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::recipe::Recipe;
use crate::Result;
use crate::data::{ImageShape, Sheet};
use crate::model::{AtScale, Denoiser, Preconditioned};
use crate::sample::{Drawing, classes_of_seeds, generate};

/// Where previews lie in a run's folder.
pub const PREVIEWS: &str = "previews";

/// Images drawn together.
const BATCH: usize = 64;

/// Writes one picture per number of steps (1, 2 and 4; a diffusion model by Heun's method, a student of progressive
/// distillation in the steps it was made for) into
/// `folder/previews` and returns the files. A model that is told a guidance scale is told the one that it is where nobody chooses.
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
    let profile = recipe.profile(step)?;
    let scale = recipe.settings().guidance().filter(|_| model.network().takes_guidance());
    let told = scale.map(|range| AtScale { model, scale: range.usual() });
    let drawn: &dyn Denoiser = told.as_ref().map_or(model, |told| told);
    let [height, width, channels] = model.network().image();
    let shape = ImageShape { height, width, channels };
    // Points of a toy distribution need many to show a shape; large images are slow to make.
    let n_seeds = if height * width == 1 { 2048 } else { (65_536 / (height * width)).clamp(4, 64) as u64 };
    let seeds: Vec<u64> = (0..n_seeds).collect();
    let mut files = Vec::new();
    let labels = classes_of_seeds(&seeds, model.network().n_classes());
    for steps in recipe.settings().preview_steps() {
        let plan = profile.plan(steps)?;
        let (seeds, labels) = (seeds.as_slice(), labels.as_deref());
        let drawing = Drawing { model: drawn, shape, plan: &plan, seeds, labels, batch: BATCH, device };
        let images = generate(&drawing, &mut ())?;
        let file = folder.join(PREVIEWS).join(format!("step-{step:08}-nfe-{}.png", plan.nfe()));
        Sheet::AUTO.write(&file, &images.values, images.shape, None)?;
        files.push(file);
    }
    Ok(files)
}
