//! Drawing for jobs: images of several that are drawn in the same way come from one batch.

use std::sync::Arc;
use std::time::Instant;

use onestep::Model;
use onestep::data::Rounding;

use crate::encoding::FileFormat;
use crate::job::{Job, Made, Outcome};
use crate::refusal::Refusal;
use crate::watcher::Watcher;
use crate::work::DrawWork;

/// Draws the images of jobs that have the same key. Seeds are images, so that each job gets what it would get alone.
pub(crate) fn draw(
    jobs: &[(Arc<Job>, DrawWork)],
    model: &Model,
    watcher: &mut Watcher<'_>,
) -> Result<(), Refusal> {
    let Some((_, first)) = jobs.first() else { return Ok(()) };
    let refused = |error: &onestep::Error| first.model.refusal(error);
    let seeds: Vec<u64> = jobs.iter().flat_map(|(_, work)| work.seeds.iter().copied()).collect();
    let n = seeds.len();
    let classes: Option<Vec<usize>> =
        jobs.iter().map(|(_, work)| work.classes()).collect::<Option<Vec<_>>>().map(|all| all.concat());
    let mut draw = model.draw().seeds(seeds).batch(n);
    if let Some(classes) = classes {
        draw = draw.classes(classes);
    }
    if let Some(steps) = first.steps {
        draw = draw.steps(steps);
    }
    if let Some(levels) = &first.levels {
        draw = draw.levels(levels.clone());
    }
    if let Some(scale) = first.guidance {
        draw = draw.guidance(scale);
    }
    let draw = draw.definite().map_err(|error| refused(&error))?;
    let started = Instant::now();
    let samples = draw.run_with(watcher).map_err(|error| refused(&error))?;
    if samples.seeds.len() < n {
        return Err(watcher.why_stopped());
    }
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    // As `onestep sample` writes them, to the byte.
    let pixels = samples.pixels(Rounding::Truncate).map_err(|error| refused(&error.into()))?;
    let record = draw.record();
    let mut at = 0;
    for (job, work) in jobs {
        let mut made = Vec::with_capacity(work.seeds.len());
        for (place, &seed) in (at..).zip(&work.seeds) {
            let parameters =
                record.as_ref().and_then(|record| serde_json::to_string(&record.of_sample(place)).ok());
            let class = draw.classes().map(|classes| work.model.view.class_name(classes[place]));
            let png = Arc::new(FileFormat::Png.encode(&pixels[place], 100, parameters.as_deref())?);
            made.push(Made { seed, class, pixels: pixels[place].clone(), parameters, png });
        }
        at += work.seeds.len();
        let share = milliseconds * work.seeds.len() as f64 / n as f64;
        watcher.deliver(
            job,
            Outcome { made, evaluations: draw.nfe(), milliseconds: share, ..Outcome::default() },
        );
    }
    Ok(())
}
