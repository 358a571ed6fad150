//! Quality against cost: which points a curve has, for several models, samplers and numbers of steps, and how it looks.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Subject;
use super::chart::{Curve, Panel, svg};
use crate::checkpoint::stage_models;
use crate::front::{Draw, Model, OpenOptions};
use crate::model::ModelKind;
use crate::sample::Sampler;
use crate::{Result, digest};

/// Numbers of steps and samplers of a curve's points.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveSettings {
    /// Numbers of steps of models that jump, and of the stages of progressive distillation.
    pub steps: Vec<usize>,
    /// Numbers of levels of diffusion models.
    pub ode_levels: Vec<usize>,
    /// Samplers of diffusion models.
    pub samplers: Vec<Sampler>,
    /// Guidance scales; where there is none, every model draws as it is.
    pub guidance: Vec<f64>,
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
    /// At this guidance scale; without one, as the model is.
    pub guidance: Option<f64>,
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

    /// The points of a model: every sampler with every number of steps that is for its kind, at every guidance scale.
    pub fn points<'a>(&self, model: &'a Model) -> Vec<CurvePoint<'a>> {
        let scales: Vec<Option<f64>> = match self.guidance.as_slice() {
            [] => vec![None],
            scales => scales.iter().copied().map(Some).collect(),
        };
        let at_scales = |sampler, steps| {
            scales.iter().map(move |&guidance| CurvePoint { model, sampler, steps, guidance })
        };
        if let Some(steps) = model.profile().made_for_steps() {
            return at_scales(Sampler::Progressive, steps).collect();
        }
        let (samplers, steps) = match model.kind() {
            ModelKind::Diffusion => (self.samplers.as_slice(), &self.ode_levels),
            ModelKind::Consistency | ModelKind::Progressive => (&[Sampler::Multistep][..], &self.steps),
        };
        let of = |&sampler| steps.iter().flat_map(move |&steps| at_scales(sampler, steps));
        samplers.iter().flat_map(of).collect()
    }
}

impl<'a> CurvePoint<'a> {
    /// The drawing of the point, from seed 0 alone until it is given others.
    pub fn draw(&self) -> Draw<'a> {
        let draw = self.model.draw().sampler(self.sampler).steps(self.steps);
        match self.guidance {
            Some(scale) => draw.guidance(scale),
            None => draw,
        }
    }

    /// The name of the file in which what is seen of the point is kept: whatever changes the point changes it.
    pub fn file_name(&self, subject: &Subject) -> String {
        let told = digest::hex(serde_json::to_string(subject).unwrap_or_default().as_bytes());
        format!("{}-{}-{}.safetensors", self.sampler.name(), self.steps, &told[..12])
    }
}

/// One point of a curve, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredPoint {
    /// The model, as it was named.
    pub model: String,
    /// The sampler, by its name.
    pub sampler: String,
    /// In so many steps.
    pub steps: usize,
    /// Network evaluations an image.
    pub nfe: usize,
    /// The guidance scale; none for a model that is not guided.
    pub guidance: Option<f64>,
    /// How long an image took.
    pub seconds_per_image: f64,
    /// What was measured, with the network in its name.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Number of images.
    pub n: usize,
}

/// The points of one or several curves, measured by one metric beside one reference.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveReport {
    /// The points, in any order.
    pub points: Vec<MeasuredPoint>,
    /// The reference, as it was named.
    pub reference: String,
    /// What real images score, and what they are.
    pub floor: Option<(f64, String)>,
    /// Threads that the images were drawn on.
    pub threads: usize,
}

impl CurveReport {
    /// What was measured; empty without points.
    pub fn metric(&self) -> &str {
        self.points.first().map_or("", |point| &point.metric)
    }

    /// A picture of the curves: against network evaluations, and beside it against seconds. One curve for each model, sampler
    /// and guidance scale.
    pub fn svg(&self) -> String {
        let n = self.points.first().map_or(0, |point| point.n);
        let title = format!("{} against {}, {n} images a point", self.metric(), self.reference);
        let seconds = format!("seconds an image ({} threads)", self.threads);
        let panels = [
            self.panel("network evaluations an image", |point| point.nfe as f64),
            self.panel(&seconds, |point| point.seconds_per_image),
        ];
        let floor = self.floor.as_ref().map(|(value, of)| (*value, of.as_str()));
        svg(&title, self.metric(), &panels, floor)
    }

    fn panel(&self, x_label: &str, x: impl Fn(&MeasuredPoint) -> f64) -> Panel {
        let mut curves: Vec<Curve> = Vec::new();
        for point in &self.points {
            let mut name = format!("{}, {}", point.model, point.sampler);
            if let Some(scale) = point.guidance {
                name += &format!(", guidance {scale}");
            }
            // A time of zero has no place on a logarithmic axis.
            let at = [x(point).max(1e-6), point.value];
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(at),
                None => curves.push(Curve { name, points: vec![at] }),
            }
        }
        for curve in &mut curves {
            curve.points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        }
        Panel { x_label: x_label.into(), curves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(sampler: &str, nfe: usize, value: f64) -> MeasuredPoint {
        MeasuredPoint {
            model: "run".into(),
            sampler: sampler.into(),
            steps: nfe,
            nfe,
            guidance: None,
            seconds_per_image: 0.0,
            metric: "FD".into(),
            value,
            n: 40,
        }
    }

    #[test]
    fn a_curve_is_of_one_model_and_sampler_and_goes_right() {
        let points = vec![point("heun", 9, 5.0), point("heun", 3, 8.0), point("euler", 3, 9.0)];
        let report = CurveReport {
            points,
            reference: "photos".into(),
            floor: Some((2.0, "halves".into())),
            threads: 3,
        };
        let panel = report.panel("evaluations", |point| point.nfe as f64);
        let curves: Vec<_> =
            panel.curves.iter().map(|curve| (curve.name.as_str(), curve.points.as_slice())).collect();
        let (heun, euler) = ([[3.0, 8.0], [9.0, 5.0]], [[3.0, 9.0]]);
        assert_eq!(curves, [("run, heun", &heun[..]), ("run, euler", &euler[..])]);
        let svg = report.svg();
        for text in ["FD against photos, 40 images a point", "seconds an image (3 threads)", "halves"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
