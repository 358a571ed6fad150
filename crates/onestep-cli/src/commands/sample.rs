//! `onestep sample`: seeds in, pictures out, and what is needed to make them again beside and inside them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use onestep::checkpoint::USUAL_MODEL;
use onestep::data::{ImageShape, Outputs, Pixels, Sheet};
use onestep::model::PrecisionChoice;
use onestep::sample::{SampleSink, Samples};
use onestep::{DefiniteDraw, DrawRecord, SampleWriter};

use crate::args::SampleArgs;
use crate::failure::{Failure, Outcome, code};
use crate::print::{answer, say};
use crate::progress::{ImageBar, counted};
use crate::shard::Shard;
use crate::show;
use crate::signals::StopFlag;
use crate::target::Target;
use crate::{device, model, parameters, sampling};

/// What a first signal is answered with.
const STOPPING: &str = "stopping after this batch ...";

/// Runs the command.
pub fn run(mut args: SampleArgs, quiet: bool) -> Outcome<ExitCode> {
    let stop = StopFlag::listen()?;
    let device = device::open(args.sampler.with.device)?;
    let known = args.from.as_deref().map(read_record).transpose()?;
    let path: &Path = match (&args.model, &known) {
        (Some(model), _) => model,
        (None, Some(known)) => &known.model,
        (None, None) => Path::new(USUAL_MODEL),
    };
    let options = match &known {
        Some(known) => known.options().device(&device),
        None => {
            let steps = args.sampler.steps.map(|steps| steps as usize);
            model::options(&args.sampler.with, PrecisionChoice::Auto, &device, quiet).steps(steps)
        }
    };
    let opened = model::open(path, &options)?;
    let drawing = match &known {
        Some(known) => known.draw(&opened)?,
        None => sampling::draw(&args.sampler, &opened, std::mem::take(&mut args.seeds.0))?,
    };
    let drawing = drawing.batch(args.sampler.batch as usize).definite()?;
    if let (false, Some(1), 2) = (quiet, args.sampler.steps, drawing.settings().levels.len())
        && opened.kind().has_ode()
    {
        say!(
            "this sampler takes at least 2 levels, {} an image",
            counted(drawing.nfe(), "network evaluation")
        );
    }
    let record = drawing.record().ok_or_else(model::is_of_no_file)?;
    let inputs = model::files(&opened).chain(args.from.iter().cloned());
    let outputs = Outputs::default().overwrite(args.overwrite).spare_all(inputs);
    let target = Target::of(&args.out)?;
    if args.shard.is_some() && target.is_standard_output() {
        return Err(Failure::usage("a part of the samples has no place on standard output")
            .hint("name an .npz or a folder with --out"));
    }
    target.check_show(args.show.show)?;
    let (drawing, record) = match known {
        // A picture made again says what the first one said, but for the place of the model and what was computed this time.
        Some(known) => {
            model::warn_of_other_bits(known.replaced_precision(&device), quiet);
            let DrawRecord { model, classes, precision, .. } = record;
            (drawing, DrawRecord { model, classes, precision, ..known })
        }
        None => {
            let scale = args.scale.map(|scale| scale as usize);
            let record = DrawRecord { columns: args.columns, scale, ..record };
            if model::names_precision(&args.sampler.with) {
                (drawing, record)
            } else {
                drawing.going_on(record, target.path())
            }
        }
    };
    // From here on something is begun: a signal that comes while the files are made waits for the first batch.
    stop.heed(quiet, STOPPING, || "ended at once; no image was written".into());
    // What cannot be written is found out before an hour is spent on its images.
    let writer = match args.shard {
        Some(Shard { index, n }) => {
            SampleWriter::create_shard(record, opened.shape(), target.path(), &outputs, (index, n))?
        }
        None => SampleWriter::create(record, opened.shape(), target.path(), &outputs)?,
    };
    draw(&drawing, writer, &target, &args, &stop, quiet)
}

fn draw(
    drawing: &DefiniteDraw<'_>,
    mut writer: SampleWriter,
    target: &Target,
    args: &SampleArgs,
    stop: &StopFlag,
    quiet: bool,
) -> Outcome<ExitCode> {
    let (n, n_before) = (writer.n_own(), writer.n_there());
    let show = args.show.show;
    if n_before > 0 && !quiet {
        say!("{n_before} of {n} were there");
    }
    let kept_in = writer.kept_in().filter(|_| !target.is_standard_output());
    let lost = match &kept_in {
        Some(folder) => {
            format!("ended at once; what was written so far is in {}, the rest is lost", folder.display())
        }
        None => "ended at once; nothing was written".into(),
    };
    stop.heed(quiet, STOPPING, move || lost.clone());
    let started = Instant::now();
    let mut bar = ImageBar::new("images", quiet, stop);
    let most = if show.is_some() { show::MOST } else { 0 };
    let mut kept = Kept { writer: &mut writer, values: Vec::new(), most };
    let n_drawn = drawing.run_into(&mut kept, &mut bar)?;
    let Kept { values, .. } = kept;
    bar.finish();
    if n_drawn < drawing.seeds().len() && (kept_in.is_none() || writer.n_there() < n) {
        match &kept_in {
            Some(folder) => say!(
                "stopped; {} of {n} images are in {}: the same command goes on from there",
                writer.n_there(),
                folder.display()
            ),
            None => say!(
                "stopped after {n_drawn} of {n} images; nothing was written: only a folder, --out NAME, and large .npz keep parts"
            ),
        }
        return Ok(ExitCode::from(code::STOPPED));
    }
    let (sampler, precision) = (writer.record().sampler.name(), writer.record().precision.name());
    let guidance = writer.record().guidance.map_or_else(String::new, |scale| format!(" · guidance {scale}"));
    writer.finish()?;
    if let Some(how) = show {
        let shape = drawing.model().shape();
        // Points are one picture, however many they are.
        let of = if shape.height * shape.width == 1 { 1 } else { n };
        how.print(&pictures(&values, shape)?, of, quiet)?;
    }
    match (args.shard, &kept_in) {
        (Some(Shard { index, n: n_shards }), Some(folder)) => {
            answer!("{}", folder.display());
            if !quiet {
                say!(
                    "part {} of {n_shards} is there; when all are, the same command without --shard puts an .npz together",
                    index + 1
                );
            }
        }
        _ => target.deliver()?,
    }
    if !quiet {
        let seconds = started.elapsed().as_secs_f64();
        say!(
            "{} · {sampler}{guidance} · {} each · {precision} · {seconds:.2} s on {}",
            counted(n - n_before, "image"),
            counted(drawing.nfe(), "network evaluation"),
            device::described(drawing.model().device()),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A writer beside which the first samples are kept, to be shown.
struct Kept<'a> {
    writer: &'a mut SampleWriter,
    values: Vec<f32>,
    most: usize,
}

impl SampleSink for Kept<'_> {
    fn wants(&self, index: usize) -> bool {
        self.writer.wants(index)
    }

    fn take(&mut self, indices: &[usize], samples: &Samples) -> onestep::Result<()> {
        let room = (self.most * samples.shape.n_values()).saturating_sub(self.values.len());
        self.values.extend(samples.values.iter().take(room));
        self.writer.take(indices, samples)
    }
}

/// What was kept, as it is shown: a picture a sample, or one picture of all points.
fn pictures(values: &[f32], shape: ImageShape) -> Outcome<Vec<Pixels>> {
    let one = Sheet { columns: Some(1), scale: Some(1) };
    if values.is_empty() {
        return Ok(Vec::new());
    }
    if shape.height * shape.width == 1 {
        return Ok(vec![one.draw(values, shape)?]);
    }
    let images = values.chunks_exact(shape.n_values());
    Ok(images.map(|image| one.draw(image, shape)).collect::<Result<_, _>>()?)
}

fn read_record(path: &Path) -> Outcome<DrawRecord> {
    let text = parameters::read(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let failure = parameters::unreadable(path, error);
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.get("edit").is_some() => {
                failure.hint("it was made by `onestep edit`: onestep edit --from makes it again")
            }
            _ => failure,
        }
    })
}
