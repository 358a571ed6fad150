//! The curve of quality against cost for a model of portraits, whose images have an exact score.

use std::sync::Arc;
use std::time::Instant;

use onestep::Model;
use onestep::eval::curve::{CurveReport, CurveSettings, MeasuredPoint};
use onestep::eval::{Judge, Metric, Reference};
use onestep::sample::Sampler;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::drawing::watcher_refusal;
use crate::job::{Job, Outcome};
use crate::refusal::Refusal;
use crate::shelf::Entry;
use crate::worker::Watcher;

/// What models of portraits say that they were trained on.
const PORTRAITS: &str = "builtin:portraits";

/// Images of a point where nobody says, and the most of them.
const USUAL: usize = 64;
const MOST: usize = 1000;

/// Steps of a consistency model, and levels of a diffusion model.
const STEPS: [usize; 4] = [1, 2, 4, 8];
const LEVELS: [usize; 5] = [2, 3, 5, 9, 18];

/// A curve to measure.
#[derive(Debug, Clone)]
pub(crate) struct CurveWork {
    /// The model.
    pub model: Entry,
    /// Images of a point.
    pub n: usize,
}

/// A point of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PointView {
    /// Steps that were asked for.
    pub steps: usize,
    /// Network evaluations an image.
    pub evaluations: usize,
    /// Seconds an image on this machine, drawing and judging.
    pub seconds: f64,
    /// Root mean square of the difference from the nearest portrait that can be drawn, in levels of 255.
    pub difference: f64,
    /// Images that were judged.
    pub n: usize,
}

/// A curve that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CurveView {
    /// Its points, by cost.
    pub points: Vec<PointView>,
    /// A picture of it.
    pub svg: String,
}

impl CurveWork {
    /// A curve of so many images a point, for a model that has an exact score.
    pub fn new(model: Entry, n: Option<usize>) -> Result<Self, Refusal> {
        if !model.view.data.starts_with(PORTRAITS) {
            let message = format!(
                "`{}` was trained on {}, and only portraits have an exact score; `onestep eval curve` measures others",
                model.view.id, model.view.data
            );
            return Err(Refusal::field("model", message));
        }
        match n.unwrap_or(USUAL) {
            n if (1..=MOST).contains(&n) => Ok(Self { model, n }),
            n => Err(Refusal::field("n", format!("`n` must be 1 to {MOST}, not {n}"))),
        }
    }
}

/// Measures the curve of a job.
pub(crate) fn measure(
    job: &Arc<Job>,
    work: &CurveWork,
    model: &Model,
    watcher: &mut Watcher<'_>,
) -> Result<(), Refusal> {
    let refused = |error: &onestep::Error| watcher_refusal(error, &work.model);
    let settings = CurveSettings {
        steps: STEPS.to_vec(),
        ode_levels: LEVELS.to_vec(),
        samplers: vec![Sampler::Heun],
        guidance: Vec::new(),
    };
    let judge = Judge::new().metrics([Metric::Legal]).fewer(true);
    let nothing = Reference::none(judge.rules());
    let (mut points, mut views) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let todo = settings.points(model);
    let n_points = todo.len();
    for (at, point) in todo.into_iter().enumerate() {
        let draw = point.draw().seeds(0..work.n as u64).definite().map_err(|error| refused(&error))?;
        let started = Instant::now();
        watcher.part(at * work.n, n_points * work.n);
        let seen = judge.collect_all(&draw, watcher).map_err(|error| refused(&error))?;
        let Some(seen) = seen else { return Err(watcher.why_stopped()) };
        let seconds = started.elapsed().as_secs_f64() / work.n as f64;
        let scores = judge.judge(&seen, &nothing).map_err(|error| refused(&error.into()))?.scores;
        let Some(score) = scores.into_iter().find(|score| score.metric == "difference") else { continue };
        views.push(PointView {
            steps: point.steps,
            evaluations: draw.nfe(),
            seconds,
            difference: score.value,
            n: score.n,
        });
        points.push(MeasuredPoint {
            model: work.model.view.id.clone(),
            sampler: draw.settings().sampler.name().into(),
            steps: point.steps,
            nfe: draw.nfe(),
            guidance: None,
            seconds_per_image: seconds,
            metric: "levels of 255 from the nearest portrait".into(),
            value: score.value,
            n: score.n,
        });
    }
    let report = CurveReport {
        points,
        reference: "all portraits that can be drawn".into(),
        floor: None,
        threads: threads(),
    };
    let curve = Some(CurveView { points: views, svg: report.svg() });
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    watcher.deliver(job, Outcome { curve, milliseconds, ..Outcome::default() });
    Ok(())
}

/// Threads of the operators.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
