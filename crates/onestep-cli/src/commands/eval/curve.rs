//! `onestep eval curve`: quality against cost, the picture by which samplers and models are chosen.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use onestep::checkpoint::stage_models;
use onestep::data::write_whole;
use onestep::digest;
use onestep::eval::{Generated, Metric, Protocol, Reference, Subject, score};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chart::{Curve, Panel, svg};
use super::collecting::{self, Collecting, End};
use super::report::digits;
use super::samples::{protocol_of, require_model};
use super::{LazyNetwork, reference, refuse_points};
use crate::args::{CurveArgs, SamplerArgs, SamplerName};
use crate::device;
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::lists::Seeds;
use crate::old_model::{self as model, Opened};
use crate::old_sampling::Sampling;
use crate::signals::StopFlag;

/// One measured point.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Point {
    model: String,
    sampler: String,
    steps: u32,
    nfe: usize,
    seconds_per_image: f64,
    metric: String,
    value: f64,
    n: usize,
}

/// A model that was named; of a run of progressive distillation, one of those it has kept.
struct Named<'a> {
    name: &'a str,
    opened: Opened,
}

/// One point to be measured.
struct Task<'a> {
    model: &'a Named<'a>,
    sampler: SamplerName,
    steps: u32,
}

/// How long the images of a point took so far, beside its statistics.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Took {
    seconds: f64,
    n: usize,
}

/// Runs the command.
pub fn run(args: &CurveArgs, quiet: bool) -> Outcome<ExitCode> {
    let Some((source, models)) = args.paths.split_last() else {
        return Err(Failure::usage("name the models, and after them the reference"));
    };
    let protocol = protocol_of(args.network.protocol.as_deref())?;
    if !args.network.fewer {
        protocol.check_count(args.num_samples as usize)?;
    }
    if args.out.extension().is_none_or(|extension| extension != "svg") {
        return Err(Failure::usage(format!("the picture is an .svg, not {}", args.out.display())));
    }
    if args.samplers.contains(&SamplerName::Multistep) {
        return Err(Failure::usage(
            "--samplers are for diffusion models; consistency models take --steps alone",
        ));
    }
    let device = device::open(args.with.device)?;
    let stop = StopFlag::listen()?;
    let mut opened = Vec::new();
    for name in models {
        opened.extend(open_models(name, args, &device)?);
    }
    let folders = args.points.iter().map(PathBuf::as_path).chain(args.out.parent());
    for folder in folders.filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| io_failure("create the folder", folder, &error))?;
    }
    let network = LazyNetwork::new(&args.network.features, &protocol, &device);
    let work = Collecting { stop, quiet, batch: args.network.feature_batch as usize };
    let wanted = reference::Wanted { source, numbers: None, kept: 0 };
    let found = reference::find(source, args.image_size)?;
    let Some(real) = reference::open(found, &wanted, &network, &protocol, &work)? else {
        return Ok(stopped(args));
    };
    let mut points = Vec::new();
    let tasks = tasks(args, &opened);
    for (number, task) in tasks.iter().enumerate() {
        match measure(task, args, &network, &protocol, &real.reference, &work, &device)? {
            Some(point) => {
                if !quiet {
                    let (at, n, value) = (number + 1, tasks.len(), digits(point.value));
                    eprintln!(
                        "{at} of {n}: {}, {}, {} evaluations: {value}",
                        point.model, point.sampler, point.nfe
                    );
                }
                points.push(point);
            }
            None => return Ok(stopped(args)),
        }
    }
    let floor = real.reference.floor()?.map(|value| {
        let n = real.reference.n.unwrap_or_default();
        (value, format!("half of the reference against the other: {} and {} images", n - n / 2, n / 2))
    });
    show(
        args,
        &points,
        floor.as_ref().map(|(value, name)| (*value, name.as_str())),
        network.get()?.name(),
        protocol.name,
        source,
    )
}

fn open_models<'a>(name: &'a str, args: &CurveArgs, device: &Device) -> Outcome<Vec<Named<'a>>> {
    let path = require_model(name)?;
    let stages = stage_models(path)?.into_iter().filter(|(n, _)| args.steps.0.contains(&(*n as u32)));
    let mut paths: Vec<PathBuf> = stages.map(|(_, folder)| folder).collect();
    if paths.is_empty() {
        paths.push(path.to_path_buf());
    }
    let open = |path: PathBuf| {
        let opened = model::open_with(&path, &args.with, device)?;
        let [.., channels] = opened.model.network().image();
        refuse_points(name, channels)?;
        Ok(Named { name, opened })
    };
    paths.into_iter().map(open).collect()
}

/// Every model with every sampler and number of steps that is for its kind.
fn tasks<'a>(args: &CurveArgs, models: &'a [Named<'a>]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for model in models {
        let header = &model.opened.header;
        if let Some(steps) = header.profile().made_for_steps() {
            tasks.push(Task { model, sampler: SamplerName::Progressive, steps: steps as u32 });
            continue;
        }
        let (samplers, steps) = if header.kind != onestep::model::ModelKind::Consistency {
            (args.samplers.as_slice(), &args.ode_steps)
        } else {
            (&[SamplerName::Multistep][..], &args.steps)
        };
        for &sampler in samplers {
            tasks.extend(steps.0.iter().map(|&steps| Task { model, sampler, steps }));
        }
    }
    tasks
}

/// Draws the images of a point and compares them; none if somebody asked to stop.
fn measure(
    task: &Task<'_>,
    args: &CurveArgs,
    network: &LazyNetwork<'_>,
    protocol: &Protocol,
    reference: &Reference,
    work: &Collecting,
    device: &Device,
) -> Outcome<Option<Point>> {
    let typed = SamplerArgs {
        steps: Some(task.steps),
        levels: None,
        indices: None,
        sampler: Some(task.sampler),
        churn: 0.0,
        classes: None,
        batch: args.batch,
        with: args.with.clone(),
    };
    let Task { model: Named { name, opened }, steps, .. } = task;
    let sampling = Sampling::choose(&typed, opened)?;
    let plan = sampling.plan()?;
    let seeds = Seeds((0..u64::from(args.num_samples)).collect());
    let identity = json!({
        "model_sha256": opened.sha256, "sampling": sampling, "precision": args.with.precision,
        "seeds": seeds.to_string(), "classes": null, "rounding": format!("{:?}", protocol.rounding),
    });
    let subject = Subject::new(network.get()?, identity.to_string(), seeds.0.len(), protocol, 0);
    let kept = args.points.as_ref().map(|folder| {
        // Whatever changes the point changes the name of its file.
        let told = digest::hex(serde_json::to_string(&subject).unwrap_or_default().as_bytes());
        folder.join(format!("{}-{}-{}.safetensors", sampling.sampler, steps, &told[..12]))
    });
    let mut collection = collecting::begin(subject, kept.as_deref(), true)?;
    let [height, width, channels] = opened.model.network().image();
    let labels = onestep::sample::classes_of_seeds(&seeds.0, opened.model.network().n_classes());
    let images = Generated {
        drawing: onestep::sample::Drawing {
            model: &opened.model,
            shape: onestep::data::ImageShape { height, width, channels },
            plan: &plan,
            seeds: &seeds.0,
            labels: labels.as_deref(),
            batch: args.batch as usize,
            device,
        },
        rounding: protocol.rounding,
    };
    let blocks = 0..collection.subject().n_blocks();
    let mut took = kept.as_deref().map_or_else(Took::default, Took::read);
    match work.collect("images", &images, network.get()?, &mut collection, blocks, kept.as_deref())? {
        End::Done { seconds, n } => took.add(seconds, n, kept.as_deref())?,
        End::Stopped => return Ok(None),
    }
    let scores = score(&[Metric::Frechet], &collection, reference, protocol)?;
    let found = scores.into_iter().next().ok_or_else(|| Failure::new(code::INTERNAL, "no score"))?;
    Ok(Some(Point {
        model: (*name).into(),
        sampler: sampling.sampler,
        steps: *steps,
        nfe: plan.nfe(),
        seconds_per_image: took.seconds / took.n.max(1) as f64,
        metric: found.metric,
        value: found.value,
        n: found.n,
    }))
}

impl Took {
    fn read(statistics: &Path) -> Self {
        let text = std::fs::read_to_string(statistics.with_extension("json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn add(&mut self, seconds: f64, n: usize, statistics: Option<&Path>) -> Outcome {
        *self = Self { seconds: self.seconds + seconds, n: self.n + n };
        let Some(path) = statistics else { return Ok(()) };
        let text = serde_json::to_string(self).unwrap_or_default();
        Ok(write_whole(&path.with_extension("json"), |file| {
            std::io::Write::write_all(file, text.as_bytes())
        })?)
    }
}

/// Table, JSON and picture.
fn show(
    args: &CurveArgs,
    points: &[Point],
    floor: Option<(f64, &str)>,
    network: &str,
    protocol: &str,
    reference: &str,
) -> Outcome<ExitCode> {
    let metric = points.first().map_or("", |point| point.metric.as_str());
    let report = json!({
        "tool": onestep::TOOL, "reference": reference, "network": network, "protocol": protocol,
        "points": points, "floor": floor.map(|(value, of)| json!({ "metric": metric, "value": value, "of": of })),
        "threads": device::threads(), "batch": args.batch, "precision": args.with.precision,
    });
    let beside = args.out.with_extension("json");
    write_whole(&beside, |file| std::io::Write::write_all(file, format!("{report:#}\n").as_bytes()))?;
    let title = format!("{metric} against {reference}, {} images a point", args.num_samples);
    let panels = [
        panel("network evaluations an image", points, &|point| point.nfe as f64),
        panel(&format!("seconds an image ({} threads)", device::threads()), points, &|point| {
            point.seconds_per_image
        }),
    ];
    let picture = svg(&title, metric, &panels, floor);
    write_whole(&args.out, |file| std::io::Write::write_all(file, picture.as_bytes()))?;
    if args.json {
        println!("{report:#}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", header(metric));
    points.iter().for_each(|point| println!("{}", line(point)));
    if let Some((value, of)) = floor {
        println!("{:>11}  {of}", digits(value));
    }
    println!("reference  {reference}\nnetwork    {network}\nprotocol   {protocol}");
    println!("{}\n{}", args.out.display(), beside.display());
    Ok(ExitCode::SUCCESS)
}

/// A curve for each model and sampler.
fn panel(x_label: &str, points: &[Point], x: &dyn Fn(&Point) -> f64) -> Panel {
    let mut curves: Vec<Curve> = Vec::new();
    for point in points {
        let name = format!("{}, {}", point.model, point.sampler);
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

fn header(metric: &str) -> String {
    format!("{metric:>11}  {:>5}  {:>10}  {:>8}  {:<10}  model", "NFE", "s/image", "images", "sampler")
}

fn line(point: &Point) -> String {
    format!(
        "{:>11}  {:>5}  {:>10}  {:>8}  {:<10}  {}",
        digits(point.value),
        point.nfe,
        digits(point.seconds_per_image),
        point.n,
        point.sampler,
        point.model
    )
}

fn stopped(args: &CurveArgs) -> ExitCode {
    match &args.points {
        Some(folder) => {
            eprintln!(
                "stopped; the points so far are in {}: the same command goes on from there",
                folder.display()
            );
        }
        None => eprintln!("stopped; with --points FOLDER, the same command would go on from here"),
    }
    ExitCode::from(code::STOPPED)
}
