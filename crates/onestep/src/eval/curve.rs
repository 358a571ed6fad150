//! Quality against cost: which points a curve has, for several models, samplers and numbers of steps.

use std::path::{Path, PathBuf};

use super::Subject;
use crate::checkpoint::stage_models;
use crate::model::ModelKind;
use crate::sample::Sampler;
use crate::{Draw, Model, OpenOptions, Result, digest};

/// Numbers of steps and samplers of a curve's points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurveSettings {
    /// Numbers of steps of models that jump, and of the stages of progressive distillation.
    pub steps: Vec<usize>,
    /// Numbers of levels of diffusion models.
    pub ode_levels: Vec<usize>,
    /// Samplers of diffusion models.
    pub samplers: Vec<Sampler>,
}

/// One point of a curve, before it is measured.
#[derive(Debug, Clone, Copy)]
pub struct CurvePoint<'a> {
    /// What draws.
    pub model: &'a Model,
    /// How.
    pub sampler: Sampler,
    /// In so many steps.
    pub steps: usize,
}

impl CurveSettings {
    /// Opens the model at a path; of a run of progressive distillation, those that it has kept for the numbers of steps.
    ///
    /// # Errors
    ///
    /// As [`stage_models`] and [`OpenOptions::open`].
    pub fn open(&self, path: &Path, options: &OpenOptions) -> Result<Vec<Model>> {
        let stages = stage_models(path)?.into_iter().filter(|(steps, _)| self.steps.contains(steps));
        let mut paths: Vec<PathBuf> = stages.map(|(_, folder)| folder).collect();
        if paths.is_empty() {
            paths.push(path.to_path_buf());
        }
        paths.iter().map(|path| options.open(path)).collect()
    }

    /// The points of a model: every sampler with every number of steps that is for its kind.
    pub fn points<'a>(&self, model: &'a Model) -> Vec<CurvePoint<'a>> {
        if let Some(steps) = model.profile().made_for_steps() {
            return vec![CurvePoint { model, sampler: Sampler::Progressive, steps }];
        }
        let (samplers, steps) = match model.kind() {
            ModelKind::Diffusion => (self.samplers.as_slice(), &self.ode_levels),
            ModelKind::Consistency | ModelKind::Progressive => (&[Sampler::Multistep][..], &self.steps),
        };
        let of = |&sampler| steps.iter().map(move |&steps| CurvePoint { model, sampler, steps });
        samplers.iter().flat_map(of).collect()
    }
}

impl<'a> CurvePoint<'a> {
    /// The drawing of the point, from seed 0 alone until it is given others.
    pub fn draw(&self) -> Draw<'a> {
        self.model.draw().sampler(self.sampler).steps(self.steps)
    }

    /// The name of the file in which what is seen of the point is kept: whatever changes the point changes it.
    pub fn file_name(&self, subject: &Subject) -> String {
        let told = digest::hex(serde_json::to_string(subject).unwrap_or_default().as_bytes());
        format!("{}-{}-{}.safetensors", self.sampler.name(), self.steps, &told[..12])
    }
}
