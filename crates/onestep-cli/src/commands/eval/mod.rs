//! `onestep eval`: images, or those that a model draws, judged beside real ones.

pub(super) mod collecting;
mod curve;
mod distance;
mod likelihood;
mod merge;
mod nearest;
mod report;
mod samples;

use std::process::ExitCode;

use burn::tensor::Device;
use onestep::data::{DataSpec, Labels, Outputs};
use onestep::eval::reference::{self, Source};
use onestep::eval::{
    AskedClasses, Collection, Judge, Protocol, Reference, Selection, Stored, holds_moments_alone,
};

use crate::args::{EvalArgs, EvalCommand, MetricName, NetworkArgs};
use crate::failure::{Failure, Outcome};
use crate::print::{answer, say, typed};
use crate::{device, features};
use collecting::{Collecting, Real};
use report::{Floor, Report};
use samples::Samples;

/// Runs the command.
pub fn run(args: EvalArgs, quiet: bool) -> Outcome<ExitCode> {
    match &args.command {
        Some(EvalCommand::Merge(args)) => merge::run(args, quiet),
        Some(EvalCommand::Curve(args)) => curve::run(args, quiet),
        Some(EvalCommand::Likelihood(args)) => likelihood::run(args, quiet),
        Some(EvalCommand::Distance(args)) => distance::run(args, quiet),
        Some(EvalCommand::Nearest(args)) => nearest::run(args, quiet),
        None => compare(&args, quiet),
    }
}

/// What looks at images as it was asked for.
pub(super) fn judge(
    args: &NetworkArgs,
    protocol: Protocol,
    metrics: &[MetricName],
    device: &Device,
) -> Judge {
    let judge = Judge::new().protocol(protocol).metrics(metrics.iter().map(|name| name.metric()));
    let judge = judge.cache(features::cache()).device(device);
    let judge = args.features.iter().fold(judge, |judge, name| judge.features(name));
    judge.batch(args.feature_batch as usize).fewer(args.fewer)
}

/// How to look at images of a source: as they are, without their labels.
pub(super) fn spec(name: &str) -> DataSpec {
    DataSpec { labels: Labels::None, ..DataSpec::named(name) }
}

/// What may be written over.
fn rule(args: &EvalArgs) -> Outputs {
    collecting::outputs(args.overwrite, args.samples.iter().chain(&args.reference).chain(&args.floor))
}

fn compare(args: &EvalArgs, quiet: bool) -> Outcome<ExitCode> {
    let alone = Judge::new().metrics(args.metrics.iter().map(|name| name.metric()));
    let needs = alone.measures().iter().any(|metric| metric.needs_reference());
    if args.reference.is_none() && args.stats_out.is_none() && needs {
        return Err(Failure::usage("there is nothing to compare with")
            .hint("name a reference after the samples: real images, or published statistics")
            .hint("or keep what is seen with --stats-out, to be a reference itself later"));
    }
    let device = device::open(args.sampler.with.device)?;
    let work = Collecting::listen(quiet)?;
    let model = samples::open_model(args, &device, quiet)?;
    let samples = Samples::open(args, model.as_ref())?;
    let judge =
        judge(&args.network, samples.protocol(args.network.protocol.as_deref())?, &args.metrics, &device);
    judge.check_count(samples.n())?;
    // Everything that can be wrong is found out before the long work begins.
    let find = |name: &String| reference::open(&args.size.of(spec(name)));
    let other = args.reference.as_ref().map(find).transpose()?;
    let floor = args.floor.as_ref().map(find).transpose()?;
    let outputs = rule(args);
    if let Some(path) = args.stats_out.as_deref() {
        // Statistics are gone on with, or refused by what they are of; those that other tools read cannot tell.
        outputs.check_unread(path)?;
        if holds_moments_alone(path) {
            outputs.check(path)?;
        }
    }
    args.out.as_deref().map_or(Ok(()), |path| outputs.check(path))?;
    collecting::create_parent(args.stats_out.as_deref())?;
    collecting::create_parent(args.out.as_deref())?;
    let samples = samples.going_on(args, &judge)?;
    let (described, classes) = (samples.describe(), samples.classes());
    let collection = match samples {
        Samples::Collected { collection, .. } => *collection,
        samples => match see(args, &samples, &judge, &work)? {
            Ok(collection) => collection,
            Err(stopped) => return Ok(stopped),
        },
    };
    if let Some(shard) = args.shard {
        if !quiet {
            let (n, subject) = (collection.n_done(), collection.subject());
            let drawn = subject.precision().map_or_else(String::new, |precision| {
                let name = precision.name();
                format!(", drawn in {name}, as the other parts must be (--precision {name})")
            });
            say!("part {} of {}: {n} of {} images are in{drawn}", shard.index + 1, shard.n, subject.n);
        }
        args.stats_out.iter().for_each(|file| answer!("{}", file.display()));
        return Ok(ExitCode::SUCCESS);
    }
    collection.check_whole()?;
    let compared = Compared { judge, work, described, classes, collection };
    match (args.reference.as_deref(), other) {
        (Some(name), Some(source)) => compared.beside(args, (name, source), args.floor.as_deref().zip(floor)),
        _ => compared.alone(args),
    }
}

/// Lets the network see the samples; the exit code if somebody asked to stop meanwhile.
fn see(
    args: &EvalArgs,
    samples: &Samples<'_>,
    judge: &Judge,
    work: &Collecting,
) -> Outcome<Result<Collection, ExitCode>> {
    let keep = args.stats_out.as_deref();
    judge.check_metrics(samples.n())?;
    let mut collection = Collection::begin(judge.subject(samples.images())?, keep)?;
    if let (Some(path), 1.., false) = (keep, collection.n_done(), work.quiet) {
        let (done, n) = (collection.n_done(), collection.subject().n);
        say!("{}: {done} of {n} images are in already", path.display());
    }
    let blocks = match args.shard {
        Some(shard) => collection.subject().shard(shard.index, shard.n),
        None => 0..collection.subject().n_blocks(),
    };
    let whole = work.collect(judge, samples.images(), &mut collection, blocks, keep)?;
    Ok(if whole { Ok(collection) } else { Err(collecting::stopped(&collection, keep)) })
}

/// Samples that are all seen, and what they are to be judged by.
struct Compared {
    judge: Judge,
    work: Collecting,
    described: String,
    classes: Option<AskedClasses>,
    collection: Collection,
}

impl Compared {
    /// Without another side: what needs none, or nothing but the file.
    fn alone(self, args: &EvalArgs) -> Outcome<ExitCode> {
        args.stats_out.iter().for_each(|file| answer!("{}", file.display()));
        if self.judge.measures().iter().any(|metric| metric.needs_reference()) {
            return Ok(ExitCode::SUCCESS);
        }
        let none = Reference::none(self.judge.rules());
        let comparison = self.judge.judge_asked(&self.collection, &none, self.classes.as_ref())?;
        let report = Report::new(comparison, self.described, None);
        report.show(args.json, args.out.as_deref(), &rule(args), self.work.quiet)
    }

    /// Beside a reference, and beside other real images where asked.
    fn beside(self, args: &EvalArgs, other: Real<'_>, floor: Option<Real<'_>>) -> Outcome<ExitCode> {
        let Self { judge, work, described, classes, collection } = self;
        let stopped = || Ok(collecting::stopped(&collection, args.stats_out.as_deref()));
        let (name, are_images) = (other.0, matches!(other.1, Source::Images(_)));
        let selection = match &args.reference_images {
            Some(numbers) => Selection::Numbers(numbers.0.clone()),
            None => Selection::All,
        };
        let Some(reference) = work.reference(&judge, other, selection)? else { return stopped() };
        let comparison = judge.judge_asked(&collection, &reference, classes.as_ref())?;
        let mut report = Report::new(comparison, described, Some(name));
        if let Some((name, source)) = floor {
            let Some(real) = see_floor(name, source, collection.subject().n, &judge, &work)? else {
                return stopped();
            };
            let scores = judge.judge(&real, &reference)?.scores;
            report.floors.extend(scores.into_iter().map(|score| Floor { score, of: name.to_owned() }));
        }
        if !work.quiet && are_images && reference.n.is_some_and(|n| n >= 5000) {
            say!(
                "hint: keep what was seen of the reference: onestep eval {}{} --stats-out reference.safetensors",
                typed(name),
                args.size.typed()
            );
        }
        report.show(args.json, args.out.as_deref(), &rule(args), work.quiet)
    }
}

/// At most as many real images as there are samples, to be measured like samples.
fn see_floor(
    name: &str,
    source: Source,
    n: usize,
    judge: &Judge,
    work: &Collecting,
) -> Outcome<Option<Collection>> {
    match source {
        Source::Images(set) => {
            let some = Selection::Spread(n.min(set.len()));
            let mut bar = work.bar("real images");
            let seen = judge.collect_all(&Stored::new(set, name, some)?, &mut bar)?;
            bar.finish();
            Ok(seen)
        }
        Source::Collected(collection) => Ok(Some(*collection)),
        Source::Published(_) => {
            Err(Failure::usage(format!("--floor takes images, and {name} holds statistics alone")))
        }
    }
}
