//! How well a model fills in, colors and enlarges images it has never seen, against the plainest ways to do so.
//!
//! ```text
//! cargo run --release -p onestep --example edit_quality -- MODEL DATA [images] [GALLERY.png] [key=levels ...]
//! ```
//!
//! `DATA` is a data set, with `:test` behind it for its test part; 189 images unless given. For each task and number of
//! network evaluations it prints the mean peak signal-to-noise ratio in dB (higher is better), and how far the result lies from
//! the original in the features of EfficientNet-Lite0, as a share of how far two of the originals lie apart (lower is better). Of
//! portraits of 16x16 it is also told how far the result lies from the nearest portrait that can be drawn, in levels of 255, which
//! share is within 16 of it everywhere, and in which share of its attributes it is the original.
//! `inpaint=80,5,0.8` tries other levels for a task. Classes are those of the data, where the model takes any.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use onestep::Model;
use onestep::data::picture::{Grid, write_png};
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open};
use onestep::edit::{Colorize, Editing, Inpaint, Start, SuperResolve, Task};
use onestep::eval::FeatureNetwork;
use onestep::eval::features::EfficientNetLite0;
use onestep::noise::{Purpose, SamplingLevels, Stream};
use onestep_portraits::{Attribute, nearest};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

/// A task by what it is called, and the images with what it leaves of them.
type Named = (String, Task, Start);

/// Network evaluations that are compared.
const STEPS: [usize; 4] = [1, 2, 4, 10];

/// Values of a portrait.
const PORTRAIT: usize = 16 * 16 * 3;

/// Images in the gallery.
const SHOWN: usize = 12;

struct Subject {
    model: Model,
    features: EfficientNetLite0,
    shape: ImageShape,
    images: Vec<f32>,
    labels: Option<Vec<usize>>,
    n: usize,
    seen: Vec<f32>,
    spread: f64,
    is_of_portraits: bool,
}

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (settings, plain): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|a| a.contains('='));
    let [model, data, rest @ ..] = &plain[..] else { return Err("name a model and a data set".into()) };
    let n = rest.first().map_or(Ok(189), |n| n.parse::<usize>())?;
    let subject = Subject::open(Path::new(model), data, n)?;
    let more = if subject.is_of_portraits {
        [" from a portrait | legal | attributes |", "---|---|---|"]
    } else {
        [""; 2]
    };
    println!("| task | way | evaluations | PSNR, dB | feature distance |{}", more[0]);
    println!("|---|---|---|---|---|{}", more[1]);
    let mut gallery = vec![Vec::new(); SHOWN.min(subject.n)];
    for (name, task, start) in subject.tasks()? {
        let given: Vec<f32> = start.origin().into_iter().flat_map(|images| values(images.clone())).collect();
        let way = match task {
            Task::Inpaint => "mean fill",
            Task::Colorize => "grey",
            _ => "large pixels",
        };
        subject.report(&name, way, "0", &given)?;
        subject.show(&mut gallery, &given);
        if task == Task::SuperResolve {
            let bicubic = subject.smoothly_enlarged(&given)?;
            subject.report(&name, "bicubic", "0", &bicubic)?;
            subject.show(&mut gallery, &bicubic);
        }
        for steps in STEPS {
            let typed = settings.iter().filter_map(|s| s.split_once('='));
            let mut typed = typed
                .filter(|(key, _)| *key == task.name() || *key == name)
                .map(|(_, levels)| levels.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>());
            let levels = match typed.find(|levels| levels.as_ref().is_ok_and(|l| l.len() == steps)) {
                Some(levels) => SamplingLevels::new(levels?)?,
                None => task.levels(steps, &subject.model.range(), subject.model.profile().rho)?,
            };
            let edited = subject.edit(&start, &levels)?;
            subject.report(&name, "model", &steps.to_string(), &edited)?;
            if matches!(steps, 1 | 4) {
                subject.show(&mut gallery, &edited);
            }
        }
    }
    if let Some(path) = rest.get(1) {
        let originals = subject.pictures(&subject.images)?;
        let spread = (0..gallery.len()).map(|row| originals[row * subject.n / gallery.len()].clone());
        let originals: Vec<Pixels> = spread.collect();
        for (row, original) in gallery.iter_mut().zip(originals) {
            row.insert(0, original);
        }
        let columns = gallery[0].len();
        let grid = Grid { columns, scale: 2 }.arrange(&gallery.concat())?;
        write_png(Path::new(path), &grid, None)?;
    }
    Ok(())
}

fn values(images: Tensor<4>) -> Vec<f32> {
    images.into_data().iter::<f32>().collect()
}

impl Subject {
    fn open(model: &Path, data: &str, n: usize) -> Anything<Self> {
        let model = onestep::open(model)?;
        let size = model.shape().size();
        let set = open(&DataSpec { image_size: Some(size), ..DataSpec::named(data) })?;
        let shape = set.shape();
        let n = n.min(set.len());
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for index in 0..n {
            // Spread over the set, which may be sorted.
            let sample = set.sample(index * set.len() / n)?;
            images.extend(sample.values);
            labels.extend(sample.label);
        }
        let labels = model.n_classes().map(|_| labels);
        let features = EfficientNetLite0::builtin(model.device())?;
        let is_of_portraits = data.starts_with("builtin:portraits") && shape.n_values() == PORTRAIT;
        let (seen, spread) = (Vec::new(), 1.0);
        let mut subject = Self { model, features, shape, images, labels, n, seen, spread, is_of_portraits };
        subject.seen = subject.features_of(&subject.images)?;
        let width = subject.seen.len() / n;
        let rotated: Vec<f32> = subject.seen[width..].iter().chain(&subject.seen[..width]).copied().collect();
        subject.spread = mean_distance(&subject.seen, &rotated, n);
        Ok(subject)
    }

    /// Every task with what is left of the images.
    fn tasks(&self) -> Anything<Vec<Named>> {
        let ImageShape { height, width, channels } = self.shape;
        let (device, dims) = (self.model.device(), [self.n, height, width, channels]);
        let images = Tensor::<4>::from_data(TensorData::new(self.images.clone(), dims), device);
        let mask = |known: &dyn Fn(usize, usize) -> bool| -> Anything<Start> {
            let places = (0..height * width).map(|i| f32::from(u8::from(known(i / width, i % width))));
            let mask = Inpaint::new(&places.collect::<Vec<_>>(), [height, width], device)?;
            Ok(Start::of(mask, images.clone())?)
        };
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let coins: Vec<bool> = (0..height * width).map(|_| stream.uniform() < 0.5).collect();
        let middle = Start::of(Inpaint::middle(height, 0.5, device), images.clone())?;
        let factor = self.factor();
        let mut tasks = vec![
            ("inpaint, right half".into(), Task::Inpaint, mask(&|_, x| x < width / 2)?),
            ("inpaint, centre".into(), Task::Inpaint, middle),
            ("inpaint, random half".into(), Task::Inpaint, mask(&|y, x| coins[y * width + x])?),
            ("colorize".into(), Task::Colorize, Start::of(Colorize::default(), images.clone())?),
            (
                format!("super-resolve by {factor}"),
                Task::SuperResolve,
                Start::of(SuperResolve::new(factor), images.clone())?,
            ),
        ];
        if self.is_of_portraits {
            let eyes = mask(&|y, x| !((5..9).contains(&y) && (3..13).contains(&x)))?;
            tasks.insert(0, ("inpaint, eyes".into(), Task::Inpaint, eyes));
        }
        Ok(tasks)
    }

    /// How many times images are enlarged: of a portrait a fourth would leave nothing.
    fn factor(&self) -> usize {
        if self.is_of_portraits { 2 } else { 4 }
    }

    fn edit(&self, start: &Start, levels: &SamplingLevels) -> Anything<Vec<f32>> {
        let seeds: Vec<u64> = (0..self.n as u64).collect();
        let editing = Editing {
            model: self.model.denoiser(),
            shape: self.shape,
            start,
            levels,
            seeds: &seeds,
            labels: self.labels.as_deref(),
            batch: 64,
            device: self.model.device(),
        };
        Ok(editing.run(0..self.n, &mut ())?.values)
    }

    /// Large pixels shrunk to small ones, and enlarged again by a cubic.
    fn smoothly_enlarged(&self, start: &[f32]) -> Anything<Vec<f32>> {
        let (ImageShape { height, width, .. }, factor) = (self.shape, self.factor());
        let pictures = self.pictures(start)?;
        let large = pictures.into_iter().map(|picture| {
            // One pixel of each: large pixels are of one color.
            let small: Vec<u8> = (0..height / factor)
                .flat_map(|y| (0..width / factor).map(move |x| (factor * y, factor * x)))
                .flat_map(|(y, x)| picture.cropped(y, x, 1, 1).into_bytes())
                .collect();
            let shape = ImageShape { height: height / factor, width: width / factor, ..picture.shape() };
            Ok(Pixels::new(shape, small)?.resized(height, width).values())
        });
        Ok(large.collect::<Anything<Vec<_>>>()?.concat())
    }

    fn pictures(&self, values: &[f32]) -> Anything<Vec<Pixels>> {
        let picture = |image: &[f32]| Ok(Pixels::from_values(image, self.shape, Rounding::Edm)?.into_rgb());
        values.chunks_exact(self.shape.n_values()).map(picture).collect()
    }

    fn features_of(&self, values: &[f32]) -> Anything<Vec<f32>> {
        let mut all = Vec::new();
        for images in self.pictures(values)?.chunks(16) {
            all.extend(self.features.activations(images)?.pooled);
        }
        Ok(all)
    }

    fn report(&self, task: &str, way: &str, steps: &str, edited: &[f32]) -> Anything<()> {
        let n_values = self.shape.n_values();
        let ratios = edited.chunks_exact(n_values).zip(self.images.chunks_exact(n_values)).map(|(a, b)| {
            let error = a.iter().zip(b).map(|(a, b)| f64::from(a.clamp(-1.0, 1.0) - b).powi(2)).sum::<f64>();
            // The range of values is 2; a perfect copy counts as 60 dB.
            (10.0 * (4.0 * n_values as f64 / error.max(1e-12)).log10()).min(60.0)
        });
        let ratio = ratios.sum::<f64>() / self.n as f64;
        let distance = mean_distance(&self.features_of(edited)?, &self.seen, self.n) / self.spread;
        let more = if self.is_of_portraits { self.as_portraits(edited) } else { String::new() };
        println!("| {task} | {way} | {steps} | {ratio:.2} | {distance:.3} |{more}");
        Ok(())
    }

    /// What edited images are as portraits: their difference from the nearest, the share that is legal, and the share of attributes that
    /// are the original's.
    fn as_portraits(&self, edited: &[f32]) -> String {
        let levels = |image: &[f32]| {
            let mut levels = [0.0; PORTRAIT];
            levels
                .iter_mut()
                .zip(image)
                .for_each(|(level, value)| *level = (value.clamp(-1.0, 1.0) + 1.0) * 127.5);
            levels
        };
        let (mut square, mut legal, mut same) = (0.0, 0, 0);
        for (result, original) in edited.chunks_exact(PORTRAIT).zip(self.images.chunks_exact(PORTRAIT)) {
            let [found, original] = [result, original].map(|image| nearest(&levels(image)));
            square += found.mean_squared_difference;
            legal += usize::from(found.largest_difference <= 16.5);
            let is_same = |attribute: &&Attribute| {
                found.portrait.value(**attribute) == original.portrait.value(**attribute)
            };
            same += Attribute::ALL.iter().filter(is_same).count();
        }
        let share = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
        format!(
            " {:.1} | {:.0} % | {:.0} % |",
            (square / self.n as f64).sqrt(),
            share(legal, self.n),
            share(same, self.n * Attribute::ALL.len())
        )
    }

    fn show(&self, gallery: &mut [Vec<Pixels>], edited: &[f32]) {
        let n_values = self.shape.n_values();
        for (row, pictures) in gallery.iter_mut().enumerate() {
            let at = row * self.n / SHOWN.min(self.n);
            if let Ok(picture) = self.pictures(&edited[at * n_values..(at + 1) * n_values]) {
                pictures.extend(picture);
            }
        }
    }
}

/// The mean Euclidean distance of rows.
fn mean_distance(a: &[f32], b: &[f32], n: usize) -> f64 {
    let width = a.len() / n;
    let distance =
        |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    a.chunks_exact(width).zip(b.chunks_exact(width)).map(distance).sum::<f64>() / n as f64
}
