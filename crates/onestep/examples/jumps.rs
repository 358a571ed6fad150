//! Where a consistency model errs: how far its jump from each noise level lies from where the diffusion model's path ends.
//!
//! ```text
//! cargo run --release -p onestep --example jumps -- TEACHER DATA MODEL ...
//! ```
//!
//! 64 images of `DATA` (`:test` behind it for its test part), each with noise of its own, at ten levels. For every model, the
//! teacher's single estimate among them, two numbers: the root mean square distance of a value (images are in [-1, 1]) from the
//! end of the teacher's path, and the grain: root mean square difference between neighboring pixels, as a share of that of the
//! end of the path. Below 1 is blur, above 1 are specks.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::ImageSize;
use onestep::checkpoint::{Which, load_model};
use onestep::data::{DataSpec, open};
use onestep::edit::GivenNoise;
use onestep::model::{Condition, Denoiser, Preconditioned};
use onestep::noise::{Purpose, SamplingLevels, Stream};
use onestep::sample::{OdeOptions, Request, sample_ode};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

/// Images that are looked at.
const N_IMAGES: usize = 64;

/// Standard deviations of the noise.
const SIGMAS: [f64; 10] = [0.02, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 80.0];

/// Levels of the teacher's path.
const N_LEVELS: usize = 18;

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [teacher, data, models @ ..] = &arguments[..] else {
        return Err("name a diffusion model, a data set, and models".into());
    };
    let device = Device::flex();
    let open_model = |path: &String| load_model(Path::new(path), &Which::Best)?.into_model(&device);
    let path_of = open_model(teacher)?;
    let models = models.iter().map(open_model).collect::<Result<Vec<Preconditioned>, _>>()?;
    let [height, width, _] = path_of.network().image();
    let set = open(&DataSpec { image_size: Some(ImageSize { height, width }), ..DataSpec::named(data) })?;
    let shape = set.shape();
    let n = N_IMAGES.min(set.len());
    let (mut clean, mut labels) = (Vec::new(), Vec::new());
    for index in 0..n {
        // Spread over the set, which may be sorted.
        let sample = set.sample(index * set.len() / n)?;
        clean.extend(sample.values);
        labels.extend(sample.label);
    }
    let labels = path_of.network().n_classes().map(|_| labels);
    let condition = Condition::of_labels(labels);
    let dims = [n, shape.height, shape.width, shape.channels];
    let tensor = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, dims), &device);
    let seeds: Vec<u64> = (0..n as u64).collect();
    let names = std::iter::once("teacher's estimate").chain(arguments[2..].iter().map(String::as_str));
    println!("| σ | {} |", names.collect::<Vec<_>>().join(" | "));
    println!("|{}", "---|".repeat(models.len() + 2));
    for sigma in SIGMAS {
        let noise = Stream::new(0, Purpose::Test, 0, 0).standard_normal(clean.len());
        let noisy: Vec<f32> =
            clean.iter().zip(noise).map(|(value, noise)| value + sigma as f32 * noise).collect();
        let range = path_of.range();
        let levels = SamplingLevels::karras(N_LEVELS, range.sigma_min, sigma, 7.0)?;
        let start = noisy.iter().map(|value| value / sigma as f32).collect();
        let request = Request {
            shape: dims,
            condition: &condition,
            clamp: true,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let noise = &mut GivenNoise::new(start, &seeds);
        let end = values(sample_ode(&path_of, &levels, &OdeOptions::default(), noise, request)?);
        let mut row = format!("| {sigma} |");
        for model in std::iter::once(&path_of).chain(&models) {
            let jump = model.denoise(tensor(noisy.clone()), &vec![sigma; n], &condition)?;
            let jump = values(jump.clamp(-1.0, 1.0));
            let grain = grain(&jump, dims) / grain(&end, dims);
            row += &format!(" {:.3}, {grain:.2} |", distance(&jump, &end));
        }
        println!("{row}");
    }
    Ok(())
}

fn values(images: Tensor<4>) -> Vec<f32> {
    images.into_data().iter::<f32>().collect()
}

/// Root mean square distance of two values.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / a.len() as f64).sqrt()
}

/// Root mean square difference of horizontal neighbors.
fn grain(images: &[f32], [_, _, width, channels]: [usize; 4]) -> f64 {
    let rows = images.chunks_exact(width * channels);
    let squares =
        rows.flat_map(|row| row.iter().zip(&row[channels..])).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / images.len() as f64).sqrt()
}
