//! `onestep edit`: a picture in, pictures out, and what is needed to make them again beside and inside them.

mod output;
mod parameters;
mod request;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use onestep::data::Outputs;
use onestep::model::{Precision, PrecisionChoice};
use onestep::{DefiniteEdits, Edits, OpenOptions};

use crate::args::EditArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::say;
use crate::progress::{ImageBar, counted};
use crate::show::ShowName;
use crate::signals::StopFlag;
use crate::target::Target;
use crate::{device, model, sampling};
use output::{EditOutput, Presentation};
use parameters::Parameters;

/// Runs the command.
pub fn run(args: EditArgs, quiet: bool) -> Outcome<ExitCode> {
    let stop = StopFlag::listen()?;
    match (&args.command, &args.from) {
        (Some(command), _) => {
            let (common, path, teacher) = request::parts(command);
            let device = device::open(common.with.device)?;
            let target = Target::of(&common.out)?;
            target.check_show(common.show.show)?;
            let output = EditOutput::of(target.path(), Outputs::default().overwrite(common.overwrite))?;
            let options = model::options(&common.with, PrecisionChoice::Auto, &device, quiet);
            let opened = model::open(path, &options)?;
            opened.check_editing()?;
            let teacher_options = OpenOptions::default().device(&device);
            let teacher = teacher.map(|path| model::open(path, &teacher_options)).transpose()?;
            let number = |name: &String| sampling::class_number(&opened, name, "--class");
            let class = common.class.as_ref().map(number).transpose()?;
            let job = request::job(command)?;
            let inputs = model::files(&opened).chain(teacher.iter().flat_map(model::files));
            let output = output.sparing(inputs.chain(job.files().paths()));
            let _lock = output.lock()?;
            let edits = opened
                .edit(job)
                .teacher(teacher.as_ref())
                .seed(common.seed)
                .candidates(common.n as usize)
                .steps(common.steps.map(|steps| steps as usize))
                .levels(common.levels.clone().map(|levels| levels.0))
                .class(class)
                .guidance(common.guidance);
            let scale = common.scale.map(|scale| scale as usize);
            let presentation = Presentation { strip: common.strip, scale };
            make(edits, presentation, &output, &target, &Watched { stop, quiet, show: common.show.show })
        }
        (None, Some(from)) => {
            let device = device::open(args.device)?;
            let target = Target::of(&args.out)?;
            let Parameters { edit, strip, scale, .. } = Parameters::read(from)?;
            let output = EditOutput::of(target.path(), Outputs::default().overwrite(args.overwrite))?;
            let output = output.sparing(edit.job.paths().into_iter().chain([from.clone()]));
            let _lock = output.lock()?;
            let opened = edit.open(&device)?;
            model::warn_of_other_bits(opened.replaced_precision(), quiet);
            let presentation = Presentation { strip, scale };
            make(opened.edits(), presentation, &output, &target, &Watched { stop, quiet, show: None })
        }
        (None, None) => Err(Failure::usage("name a task, or a picture to make again with --from")),
    }
}

/// How the work is watched.
struct Watched {
    stop: StopFlag,
    quiet: bool,
    show: Option<ShowName>,
}

fn make(
    edits: Edits<'_>,
    presentation: Presentation,
    output: &EditOutput,
    target: &Target,
    &Watched { ref stop, quiet, show }: &Watched,
) -> Outcome<ExitCode> {
    let edits = edits.keep_path(output.is_animation()).definite()?;
    if !quiet {
        say_what_was_chosen(&edits);
    }
    stop.heed(quiet, "stopping after this batch ...", || "ended at once; nothing was written".into());
    let started = Instant::now();
    let mut bar = ImageBar::new("pictures", quiet, stop);
    let edited = edits.run_with(&mut bar)?;
    bar.finish();
    let seconds = started.elapsed().as_secs_f64();
    let (n, n_made) = (edits.seeds().len(), edited.results.len());
    if n_made < n {
        say!("stopped after {n_made} of {n} pictures; nothing was written, the same command begins anew");
        return Ok(ExitCode::from(code::STOPPED));
    }
    let Presentation { strip, scale } = presentation;
    let files = BTreeMap::new();
    let parameters = Parameters { tool: onestep::TOOL.into(), edit: edits.record(), strip, scale, files };
    output.write(&edited, parameters)?;
    if let Some(how) = show {
        how.print(&edited.results, edited.results.len(), quiet)?;
    }
    target.deliver()?;
    if !quiet {
        let n_levels = edits.levels().as_slice().len();
        let precision = edits.model().precision().unwrap_or(Precision::F32);
        say!(
            "{} · {} · {} each · {} · {:.0} ms on {}",
            edits.job().task().name(),
            counted(n, "picture"),
            counted(n_levels, "network evaluation"),
            precision.name(),
            seconds * 1e3,
            device::described(edits.model().device()),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn say_what_was_chosen(edits: &DefiniteEdits<'_>) {
    if let Some(noise) = edits.estimated_noise() {
        say!("noise of {noise:.1} of 255, estimated; --noise says otherwise");
    }
    if let Some(marks) = edits.found_marks() {
        say!("what is {marks} in the mask is filled in; --mask-marks says otherwise");
    }
    if let Some(class) = edits.guessed_class() {
        let name = edits.model().class_names().get(class);
        let name = name.map_or_else(|| class.to_string(), |name| format!("{class}, {name}"));
        say!("class {name}: the likeliest; --class says otherwise");
    }
}
