//! Every method on two moons at equal images seen: how far samples of one and of two steps lie from the data.
//!
//! ```text
//! cargo run --release -p onestep --example family -- [images] [method ...] [key.path=value ...] [PICTURE.png]
//! ```
//!
//! Trains the small recipes one after the other with as many images each (1,024,000 unless given; a teacher's are not
//! counted), settings applied to the methods named, and prints a table. The distance is the squared energy distance between
//! 8,192 samples and 8,192 points of the data, 2E‖X-Y‖ - E‖X-X'‖ - E‖Y-Y'‖ without bias; its floor is that of the data
//! against other points of the data. The picture has three panels a row: the data, the diffusion model with 35 evaluations, and
//! one step of each other method in the order of the table.

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use onestep::data::picture::{Grid, write_png};
use onestep::data::{Dataset, ImageShape, Pixels, Sheet, open};
use onestep::model::{Preconditioned, Preconditioning};
use onestep::noise::SamplingLevels;
use onestep::sample::{Drawing, OdeOptions, Plan, Sampler, generate};
use onestep::train::{Event, Objective, Recipe, Trainer, builtin_recipe};

const N_POINTS: usize = 8192;

/// Points in a panel of the picture.
const SHOWN: usize = 2500;

/// Half of the images for mid-training, half for the tuning that goes on from it.
const CMT_ECT: &str = "cmt-ect";

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1);
    let images: u64 = arguments.next().map_or(Ok(1_024_000), |text| text.parse())?;
    let (settings, chosen): (Vec<String>, Vec<String>) = arguments.partition(|text| text.contains('='));
    let (pictures, chosen): (Vec<String>, Vec<String>) =
        chosen.into_iter().partition(|text| text.ends_with(".png"));
    let device = Device::flex();
    let data = open(&Recipe::parse(builtin_recipe("toy2d-edm")?, &[])?.data)?;
    let sets: Vec<Vec<[f64; 2]>> =
        (0..data.len() / N_POINTS).map(|set| points_of(data.as_ref(), set)).collect::<Result<_, _>>()?;
    let floor: Vec<f64> = sets[1..].iter().map(|other| energy_distance(&sets[0], other)).collect();
    let largest = floor.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    println!("| method | one step | two steps | many | training |");
    println!("|---|---|---|---|---|");
    println!("| data against data | ±{largest:.5} | ±{largest:.5} | | |");

    let mut panels = vec![panel(&sets[0])?];
    let mut teacher = None;
    for method in ["edm", "cd", "ct", "ict", "ect", "pd", "scd", "sct", "cmt", CMT_ECT] {
        let wanted = chosen.is_empty() || chosen.iter().any(|name| name == method);
        if !(wanted || method == "edm") {
            continue;
        }
        let settings: &[String] = if wanted { &settings } else { &[] };
        let started = Instant::now();
        let (recipe, models) = if method == CMT_ECT {
            let begun = train(&with_images("toy2d-cmt", images / 2, settings)?, teacher.clone(), &device)?;
            let recipe = with_images("toy2d-ect", images / 2, settings)?;
            let models = train(&recipe, begun.into_iter().next_back().map(|stage| stage.model), &device)?;
            (recipe, models)
        } else {
            let recipe = with_images(&format!("toy2d-{method}"), images, settings)?;
            let models = train(&recipe, teacher.clone(), &device)?;
            (recipe, models)
        };
        let seconds = started.elapsed().as_secs_f64();
        let draw = |(model, plan): (&Preconditioned, Plan)| -> Anything<Vec<[f64; 2]>> {
            let seeds: Vec<u64> = (0..N_POINTS as u64).collect();
            let shape = ImageShape { height: 1, width: 1, channels: 2 };
            let (plan, seeds, batch, device) = (&plan, &seeds, N_POINTS, &device);
            let drawing = Drawing { model, shape, plan, seeds, labels: None, batch, device };
            let samples = generate(&drawing, &mut ())?;
            Ok(samples.values.chunks_exact(2).map(|p| [f64::from(p[0]), f64::from(p[1])]).collect())
        };
        let distance = |points: &[[f64; 2]]| format!("{:.5}", energy_distance(points, &sets[0]));
        let mut shown = draw(plan(&recipe, &models, 1)?)?;
        let one = distance(&shown);
        let two = distance(&draw(plan(&recipe, &models, 2)?)?);
        let many = match models.last() {
            Some(model) if method == "edm" => {
                let levels = SamplingLevels::karras(18, 0.002, 80.0, 7.0)?;
                shown = draw((&model.model, Plan::Ode { levels, options: OdeOptions::default() }))?;
                distance(&shown)
            }
            _ => String::new(),
        };
        panels.push(panel(&shown)?);
        println!("| {method} | {one} | {two} | {many} | {seconds:.0} s |");
        if method == "edm" {
            teacher = models.into_iter().next_back().map(|stage| stage.model);
        }
    }
    for picture in pictures {
        write_png(Path::new(&picture), &Grid { columns: 3, scale: 1 }.arrange(&panels)?, None)?;
    }
    Ok(())
}

/// The first points as dots.
fn panel(points: &[[f64; 2]]) -> Anything<Pixels> {
    let values: Vec<f32> = points.iter().take(SHOWN).flatten().map(|&value| value as f32).collect();
    let plot = Sheet::AUTO.draw(&values, ImageShape { height: 1, width: 1, channels: 2 })?;
    // The moons lie in the middle of the plane.
    Ok(plot.cropped(128, 64, 256, 384))
}

/// What a run leaves: its last model, and for progressive distillation the last of every stage.
struct Stage {
    intervals: Option<usize>,
    model: Preconditioned,
}

/// The recipe with its length, and that of its stages, set by images.
fn with_images(name: &str, images: u64, more: &[String]) -> Anything<Recipe> {
    let text = builtin_recipe(name)?;
    let published = Recipe::parse(text, &[])?;
    let points = match &published.objective {
        // A point of a path counts as an image.
        Objective::MidTraining(settings) => settings.path_steps,
        _ => 1,
    };
    let steps = images / (published.train.batch * points) as u64;
    let mut settings = vec![format!("train.steps={steps}")];
    match name {
        "toy2d-pd" => settings.push(format!("objective.steps_per_stage={}", steps.div_ceil(8))),
        "toy2d-ect" => settings.push(format!("objective.images_per_stage={}", images.div_ceil(8))),
        _ => {}
    }
    settings.extend_from_slice(more);
    Ok(Recipe::parse(text, &settings)?)
}

fn train(recipe: &Recipe, teacher: Option<Preconditioned>, device: &Device) -> Anything<Vec<Stage>> {
    let teacher = teacher.filter(|_| recipe.needs_teacher());
    let mut trainer = Trainer::new(recipe.clone(), open(&recipe.data)?, teacher, device)?;
    let mut models = Vec::new();
    for step in 1..=recipe.train.steps {
        if let Event::Skipped { step, .. } = trainer.step()? {
            eprintln!("{}: step {step} was skipped", recipe.name);
        }
        let now = match &recipe.objective {
            Objective::ProgressiveDistillation(settings) => Some(settings.stage(step - 1)),
            _ => None,
        };
        let ends = now.is_some_and(|now| step == now.first_step + now.n_steps);
        if ends || step == recipe.train.steps {
            models.push(Stage { intervals: now.map(|now| now.n_intervals), model: trainer.best() });
        }
    }
    Ok(models)
}

/// The model and the sampler of `n` network evaluations.
fn plan<'a>(recipe: &Recipe, models: &'a [Stage], n: usize) -> Anything<(&'a Preconditioned, Plan)> {
    let noise = &recipe.noise;
    let made_for = models.iter().find(|stage| stage.intervals == Some(n));
    let stage = made_for.or(models.last()).ok_or("no model")?;
    let grid = SamplingLevels::karras(n + 1, noise.sigma_min, noise.sigma_max, noise.rho)?;
    let plan = match (stage.intervals, stage.model.preconditioning()) {
        // A diffusion model, and a student of progressive distillation: n steps of Euler's method.
        (Some(_), _) | (None, Preconditioning::Edm) => Sampler::Progressive.plan(grid, 0.0)?,
        _ => recipe.profile(recipe.train.steps)?.plan(Some(n))?,
    };
    Ok((&stage.model, plan))
}

fn points_of(data: &dyn Dataset, set: usize) -> Anything<Vec<[f64; 2]>> {
    (set * N_POINTS..(set + 1) * N_POINTS)
        .map(|index| {
            let values = data.sample(index)?.values;
            Ok([f64::from(values[0]), f64::from(values[1])])
        })
        .collect()
}

/// The squared energy distance of two sets of points of one size, without bias.
///
/// # Source
///
/// Székely and Rizzo 2013, "Energy statistics: a class of statistics based on distances".
fn energy_distance(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    let sum = |from: &[[f64; 2]], to: &[[f64; 2]]| -> f64 {
        let distance = |p: &[f64; 2], q: &[f64; 2]| ((p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)).sqrt();
        from.iter().map(|p| to.iter().map(|q| distance(p, q)).sum::<f64>()).sum()
    };
    let n = a.len() as f64;
    2.0 * sum(a, b) / (n * n) - (sum(a, a) + sum(b, b)) / (n * (n - 1.0))
}
