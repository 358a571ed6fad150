//! Editing for jobs.

use std::sync::Arc;
use std::time::Instant;

use onestep::Model;
use serde_json::json;

use crate::encoding::FileFormat;
use crate::job::{Job, Made, Outcome};
use crate::refusal::Refusal;
use crate::watcher::Watcher;
use crate::work::EditWork;

/// Makes the edit of one job.
pub(crate) fn edit(
    job: &Arc<Job>,
    work: EditWork,
    model: &Model,
    teacher: Option<&Model>,
    watcher: &mut Watcher<'_>,
) -> Result<(), Refusal> {
    let EditWork { model: entry, job: edit, seeds, class, steps, levels, guidance, .. } = work;
    let refused = |error: &onestep::Error| entry.refusal(error);
    let edits = model
        .edit(edit)
        .teacher(teacher)
        .seeds(seeds)
        .class(class)
        .steps(steps)
        .levels(levels)
        .guidance(guidance);
    let started = Instant::now();
    let edits = edits.definite().map_err(|error| refused(&error))?;
    let n = edits.seeds().len();
    let edited = edits.run_with(watcher).map_err(|error| refused(&error))?;
    if edited.results.len() < n {
        return Err(watcher.why_stopped());
    }
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let record = edits.record();
    let class = edits.class().map(|class| entry.view.class_name(class));
    let mut made = Vec::with_capacity(n);
    for (index, pixels) in edited.results.into_iter().enumerate() {
        // As `onestep edit` writes it and reads it again.
        let edit = record.of_result(index);
        let parameters =
            json!({ "tool": onestep::TOOL, "edit": edit, "strip": false, "scale": null }).to_string();
        let png = Arc::new(FileFormat::Png.encode(&pixels, 100, Some(&parameters))?);
        let seed = edits.seeds()[index];
        made.push(Made { seed, class: class.clone(), pixels, parameters: Some(parameters), png });
    }
    let before = edited.before.iter().map(|pixels| FileFormat::Png.encode(pixels, 100, None).map(Arc::new));
    let before = before.collect::<Result<_, _>>()?;
    let evaluations = edits.levels().as_slice().len() * edits.model().evaluations();
    watcher.deliver(job, Outcome { made, before, evaluations, milliseconds, curve: None });
    Ok(())
}
