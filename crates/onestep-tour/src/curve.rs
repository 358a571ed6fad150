//! Quality against cost, by the exact score that portraits have: how far an image lies from the nearest portrait there is.

use std::time::Instant;

use onestep::eval::curve::{CurveReport, CurveSettings, MeasuredPoint};
use onestep::eval::{Judge, Metric, Reference};
use onestep::sample::Sampler;
use onestep::{Model, Result};

use crate::section::{Art, Figure, Section};
use crate::visitor::{Along, Visitor};

/// Images of a point.
const N: u64 = 96;

/// Steps of the consistency model.
const STEPS: [usize; 4] = [1, 2, 4, 8];

/// Levels of the diffusion model, each but the last of two evaluations.
const LEVELS: [usize; 5] = [2, 3, 5, 9, 18];

/// What is measured, as its score is called.
const DIFFERENCE: &str = "difference";

/// The curves of both models, measured here.
pub(crate) fn quality_against_cost(
    teacher: &Model,
    student: &Model,
    visitor: &mut dyn Visitor,
) -> Result<Option<Section>> {
    let settings = CurveSettings {
        steps: STEPS.to_vec(),
        ode_levels: LEVELS.to_vec(),
        samplers: vec![Sampler::Heun],
        guidance: Vec::new(),
    };
    let judge = Judge::new().metrics([Metric::Legal]).fewer(true);
    let nothing = Reference::none(judge.rules());
    let mut points = Vec::new();
    for (name, model) in [("diffusion model", teacher), ("consistency model", student)] {
        for point in settings.points(model) {
            let draw = point.draw().seeds(0..N).definite()?;
            let started = Instant::now();
            let Some(seen) = judge.collect_all(&draw, &mut Along(visitor))? else { return Ok(None) };
            let scores = judge.judge(&seen, &nothing)?.scores;
            let Some(score) = scores.into_iter().find(|score| score.metric == DIFFERENCE) else { continue };
            points.push(MeasuredPoint {
                model: name.into(),
                sampler: draw.settings().sampler.name().into(),
                steps: point.steps,
                nfe: draw.nfe(),
                guidance: None,
                seconds_per_image: started.elapsed().as_secs_f64() / N as f64,
                metric: "levels of 255 from the nearest portrait".into(),
                value: score.value,
                n: score.n,
            });
        }
    }
    let at = |model: &str, nfe: usize| {
        points.iter().find(|point| point.model == model && point.nfe == nfe).map(|point| point.value)
    };
    let told = match (at("consistency model", 1), at("diffusion model", 3), at("diffusion model", 35)) {
        (Some(one), Some(three), Some(many)) => format!(
            "One step of the consistency model is {one:.1} levels away; the diffusion model is {three:.0} away with three evaluations and \
             {many:.1} with thirty-five."
        ),
        _ => String::new(),
    };
    let threads = rayon::current_num_threads();
    let report =
        CurveReport { points, reference: "all portraits that can be drawn".into(), floor: None, threads };
    Ok(Some(Section {
        title: "Quality against cost".into(),
        paragraphs: vec![
            format!(
                "Portraits are drawn by rule, so for every image the nearest portrait is known exactly: the score is how far the image lies \
                 from it, as a root mean square over its pixels, in levels of 255. {N} images a point, drawn and judged just now."
            ),
            told,
        ],
        figures: vec![Figure {
            art: Art::Svg(report.svg()),
            title: "Lower is better".into(),
            caption: "against evaluations of the network, and against seconds on this machine (drawing and judging)".into(),
        }],
    }))
}
