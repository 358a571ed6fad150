//! The curve of quality against cost for a model of portraits, whose images have an exact score.

use std::sync::Arc;
use std::time::Instant;

use onestep::Model;
use onestep::eval::curve::{CurveReport, CurveSettings, MeasuredPoint};
use onestep::eval::{Judge, Metric, Reference};
use onestep::sample::Sampler;

use crate::job::{CurveView, Job, Outcome, PointView};
use crate::refusal::Refusal;
use crate::watcher::Watcher;
use crate::work::CurveWork;

/// Steps of a consistency model, and levels of a diffusion model.
const STEPS: [usize; 4] = [1, 2, 4, 8];
const LEVELS: [usize; 5] = [2, 3, 5, 9, 18];

/// Measures the curve of a job.
pub(crate) fn measure(
    job: &Arc<Job>,
    work: &CurveWork,
    model: &Model,
    watcher: &mut Watcher<'_>,
) -> Result<(), Refusal> {
    let refused = |error: &onestep::Error| work.model.refusal(error);
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
