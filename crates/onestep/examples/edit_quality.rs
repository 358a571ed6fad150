//! How well a model fills in, colors and enlarges images it has never seen, against the plainest ways to do so.
//!
//! ```text
//! cargo run --release -p onestep --example edit_quality -- MODEL DATA [images] [GALLERY.png] [key=levels ...]
//! ```
//!
//! `DATA` is a data set, with `:test` behind it for its test part; 189 images unless given. For each task and number of
//! network evaluations it prints the mean peak signal-to-noise ratio in dB (higher is better), and how far the result lies from
//! the original in the features of EfficientNet-Lite0, as a share of how far two of the originals lie apart (lower is better).
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

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

/// A task by what it is called, and the images with what it leaves of them.
type Named = (String, Task, Start);

/// Network evaluations that are compared.
const STEPS: [usize; 4] = [1, 2, 4, 10];

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
}

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (settings, plain): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|a| a.contains('='));
    let [model, data, rest @ ..] = &plain[..] else { return Err("name a model and a data set".into()) };
    let n = rest.first().map_or(Ok(189), |n| n.parse::<usize>())?;
    let subject = Subject::open(Path::new(model), data, n)?;
    println!("| task | way | evaluations | PSNR, dB | feature distance |");
    println!("|---|---|---|---|---|");
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
        let mut subject = Self { model, features, shape, images, labels, n, seen: Vec::new(), spread: 1.0 };
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
        Ok(vec![
            ("inpaint, right half".into(), Task::Inpaint, mask(&|_, x| x < width / 2)?),
            ("inpaint, centre".into(), Task::Inpaint, middle),
            ("inpaint, random half".into(), Task::Inpaint, mask(&|y, x| coins[y * width + x])?),
            ("colorize".into(), Task::Colorize, Start::of(Colorize::default(), images.clone())?),
            (
                "super-resolve by 4".into(),
                Task::SuperResolve,
                Start::of(SuperResolve::new(4), images.clone())?,
            ),
        ])
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
        let ImageShape { height, width, .. } = self.shape;
        let pictures = self.pictures(start)?;
        let large = pictures.into_iter().map(|picture| {
            // Every fourth pixel: large pixels are of one color.
            let small: Vec<u8> = (0..height / 4)
                .flat_map(|y| (0..width / 4).map(move |x| (4 * y, 4 * x)))
                .flat_map(|(y, x)| picture.cropped(y, x, 1, 1).into_bytes())
                .collect();
            let shape = ImageShape { height: height / 4, width: width / 4, ..picture.shape() };
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
        println!("| {task} | {way} | {steps} | {ratio:.2} | {distance:.3} |");
        Ok(())
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
