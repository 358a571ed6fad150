//! `onestep eval`: images, or those that a model draws, judged beside real ones.

mod chart;
pub(super) mod collecting;
mod curve;
mod distance;
mod likelihood;
mod merge;
pub(super) mod reference;
mod report;
pub(super) mod samples;

use std::process::ExitCode;

use burn::tensor::Device;
use onestep::eval::reference::Source;
use onestep::eval::{Collection, FeatureNetwork, Metric, Protocol, Reference, Subject, check_metrics, score};

use crate::args::{EvalArgs, EvalCommand, MetricName};
use crate::failure::{Failure, Outcome, code};
use crate::signals::StopFlag;
use crate::{device, features};
use collecting::{Collecting, End};
use report::{Floor, Report};
use samples::Samples;

/// Runs the command.
pub fn run(args: EvalArgs, quiet: bool) -> Outcome<ExitCode> {
    match &args.command {
        Some(EvalCommand::Merge(args)) => merge::run(args, quiet),
        Some(EvalCommand::Curve(args)) => curve::run(args, quiet),
        Some(EvalCommand::Likelihood(args)) => likelihood::run(args, quiet),
        Some(EvalCommand::Distance(args)) => distance::run(args, quiet),
        None => compare(&args, quiet),
    }
}

/// The metrics asked for, each once.
fn metrics(names: &[MetricName]) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for metric in names.iter().map(|name| name.metric()) {
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    metrics
}

/// How many images are to be kept one by one for some metrics.
fn kept(metrics: &[Metric], protocol: &Protocol) -> usize {
    if metrics.iter().any(|metric| metric.needs_rows()) { protocol.kept } else { 0 }
}

/// A network that is opened when something has to be looked at, and not before.
pub(super) struct LazyNetwork<'a> {
    name: &'a str,
    protocol: &'a Protocol,
    device: &'a Device,
    opened: std::cell::OnceCell<Box<dyn FeatureNetwork>>,
}

impl<'a> LazyNetwork<'a> {
    pub(super) fn new(name: &'a str, protocol: &'a Protocol, device: &'a Device) -> Self {
        Self { name, protocol, device, opened: std::cell::OnceCell::new() }
    }

    pub(super) fn get(&self) -> Outcome<&dyn FeatureNetwork> {
        if self.opened.get().is_none() {
            let _ = self.opened.set(features::open(self.name, self.protocol, self.device)?);
        }
        Ok(self.opened.get().expect("just set").as_ref())
    }
}

fn compare(args: &EvalArgs, quiet: bool) -> Outcome<ExitCode> {
    let metrics = metrics(&args.metrics);
    if args.reference.is_none() && args.stats_out.is_none() && metrics != [Metric::InceptionScore] {
        return Err(Failure::usage("there is nothing to compare with")
            .hint("name a reference after the samples: real images, or published statistics")
            .hint("or keep what is seen with --stats-out, to be a reference itself later"));
    }
    let device = device::open(args.sampler.with.device)?;
    let stop = StopFlag::listen()?;
    let samples = Samples::open(args, &device)?;
    let protocol = samples.protocol(args.network.protocol.as_deref())?;
    if !args.network.fewer {
        protocol.check_count(samples.n())?;
    }
    // Everything that can be wrong is found out before the long work begins.
    let other = args.reference.as_ref().map(|source| reference::find(source, args.image_size)).transpose()?;
    let floor = args.floor.as_ref().map(|source| reference::find(source, args.image_size)).transpose()?;
    collecting::create_parent(args.stats_out.as_deref())?;
    collecting::create_parent(args.out.as_deref())?;
    let network = LazyNetwork::new(&args.network.features, &protocol, &device);
    let work = Collecting { stop, quiet, batch: args.network.feature_batch as usize };
    let described = samples.describe();
    let collection = match samples {
        Samples::Collected { collection, .. } => *collection,
        samples => match see(args, &samples, &metrics, &protocol, &network, &work)? {
            Ok(collection) => collection,
            Err(stopped) => return Ok(stopped),
        },
    };
    if let Some(shard) = args.shard {
        if !quiet {
            let n = collection.n_done();
            eprintln!(
                "part {} of {}: {n} of {} images are in",
                shard.index + 1,
                shard.n,
                collection.subject().n
            );
        }
        args.stats_out.iter().for_each(|file| println!("{}", file.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let compared = Compared { protocol: &protocol, metrics, network, work, described, collection };
    let kept = kept(&compared.metrics, &protocol);
    let wanted = |source, numbers| reference::Wanted { source, numbers, kept };
    match (args.reference.as_deref(), other) {
        (Some(name), Some(source)) => {
            let wanted_floor = args.floor.as_deref().map(|name| wanted(name, None));
            let floor = wanted_floor.zip(floor);
            let wanted = wanted(name, args.reference_images.as_ref());
            compared.beside(args, (wanted, source), floor, quiet)
        }
        _ => compared.alone(args),
    }
}

/// Lets the network see the samples; the exit code if somebody asked to stop meanwhile.
fn see(
    args: &EvalArgs,
    samples: &Samples,
    metrics: &[Metric],
    protocol: &Protocol,
    network: &LazyNetwork<'_>,
    work: &Collecting,
) -> Outcome<Result<Collection, ExitCode>> {
    let keep = args.stats_out.as_deref();
    let seen_by = network.get()?;
    check_metrics(metrics, seen_by.name(), seen_by.widths(), samples.n(), protocol.neighbors)?;
    let identity = samples.identity(protocol);
    let subject = Subject::new(seen_by, identity, samples.n(), protocol, kept(metrics, protocol));
    let mut collection = collecting::begin(subject, keep, work.quiet)?;
    let blocks = match args.shard {
        Some(shard) => collection.subject().shard(shard.index, shard.n),
        None => 0..collection.subject().n_blocks(),
    };
    let images = samples.images(protocol, network.device);
    match work.collect("samples", &*images, seen_by, &mut collection, blocks, keep)? {
        End::Done { .. } => Ok(Ok(collection)),
        End::Stopped => Ok(Err(collecting::stopped(&collection, keep))),
    }
}

/// Samples that are all seen, and what they are to be judged by.
struct Compared<'a> {
    protocol: &'a Protocol,
    metrics: Vec<Metric>,
    network: LazyNetwork<'a>,
    work: Collecting,
    described: String,
    collection: Collection,
}

/// What is asked of real images, and where they are.
type RealImages<'a> = (reference::Wanted<'a>, Source);

impl Compared<'_> {
    /// Without another side: the Inception Score, or nothing but the file.
    fn alone(self, args: &EvalArgs) -> Outcome<ExitCode> {
        self.collection.check_whole()?;
        args.stats_out.iter().for_each(|file| println!("{}", file.display()));
        if self.metrics != [Metric::InceptionScore] {
            return Ok(ExitCode::SUCCESS);
        }
        let scores = score(&self.metrics, &self.collection, &Reference::default(), self.protocol)?;
        Report::new(&self.collection, self.described, None, scores).show(args.json, args.out.as_deref())
    }

    /// Beside a reference, and beside other real images where asked.
    fn beside(
        self,
        args: &EvalArgs,
        (wanted, source): RealImages<'_>,
        floor: Option<RealImages<'_>>,
        quiet: bool,
    ) -> Outcome<ExitCode> {
        let Self { protocol, metrics, network, work, described, collection } = self;
        collection.check_whole()?;
        let stopped = || Ok(collecting::stopped(&collection, args.stats_out.as_deref()));
        let Some(opened) = reference::open(source, &wanted, &network, protocol, &work)? else {
            return stopped();
        };
        opened.check_network(&collection)?;
        let scores = score(&metrics, &collection, &opened.reference, protocol)?;
        let mut report = Report::new(&collection, described, Some(&opened), scores);
        if let (Some(value), true) = (opened.reference.floor()?, metrics.contains(&Metric::Frechet)) {
            report.floors.push(Floor::halves(value, &opened, &collection));
        }
        if let Some((wanted, source)) = floor {
            let n = collection.subject().n;
            let Some(real) = reference::collect_floor(source, &wanted, n, &network, protocol, &work)? else {
                return stopped();
            };
            let of = |score| Floor { score, of: wanted.source.to_owned() };
            report.floors.extend(score(&metrics, &real, &opened.reference, protocol)?.into_iter().map(of));
        }
        if !quiet && opened.was_seen_now && opened.reference.n.is_some_and(|n| n >= 5000) {
            let source = wanted.source;
            eprintln!(
                "hint: keep what was seen of the reference: onestep eval {source} --stats-out reference.safetensors"
            );
        }
        report.show(args.json, args.out.as_deref())
    }
}

/// What cannot be judged by looking at it.
pub(super) fn refuse_points(what: &str, channels: usize) -> Outcome {
    if matches!(channels, 1 | 3) {
        return Ok(());
    }
    Err(Failure::new(code::USAGE, format!("{what} holds points with {channels} coordinates, not images"))
        .hint("feature networks look at images; `onestep sample` draws a picture of the points"))
}
