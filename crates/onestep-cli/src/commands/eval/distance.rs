//! `onestep eval distance`: how different pictures look, two by two.

use std::path::Path;
use std::process::ExitCode;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::{self, DataError, DataSpec, Dataset, Fit, Pixels};
use onestep::perceptual::{PerceptualNetwork, WeightFiles};
use serde_json::json;

use super::refuse_points;
use crate::args::DistanceArgs;
use crate::failure::{Failure, Outcome, code};
use crate::progress::bar;
use crate::signals::StopFlag;
use crate::{device, features};

/// Runs the command.
pub fn run(args: &DistanceArgs, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let stop = StopFlag::listen()?;
    let files = WeightFiles { trunk: args.trunk.clone(), heads: args.heads.clone() };
    let network = features::perceptual(args.distance.kind(), &files, &device).map_err(|failure| {
        let named = args.trunk.is_some() && args.heads.is_some();
        if named { failure } else { failure.hint("here they are named by --trunk and --heads") }
    })?;
    let [a, b] = [Side::open(&args.a, args.image_size)?, Side::open(&args.b, args.image_size)?];
    let n = match args.num_images {
        Some(n) => n as usize,
        None if a.len() != b.len() => {
            let (n, m) = (a.len(), b.len());
            return Err(Failure::usage(format!("{} has {n} images, {} has {m}", args.a, args.b))
                .hint("images are compared two by two; --num-images takes the first so many of both"));
        }
        None => a.len(),
    };
    for (name, side) in [(&args.a, &a), (&args.b, &b)] {
        if side.len() < n {
            let found = side.len();
            return Err(Failure::usage(format!("{name} has {found} images, {n} were asked for")));
        }
    }
    let bar = bar(n as u64, "pairs", quiet);
    let mut distances = Vec::with_capacity(n);
    for index in 0..n {
        if stop.is_set() {
            bar.finish_and_clear();
            eprintln!("stopped after {index} of {n} pairs");
            return Ok(ExitCode::from(code::STOPPED));
        }
        distances.push(between(&network, [a.picture(index)?, b.picture(index)?], &device)?);
        bar.set_position(index as u64 + 1);
    }
    bar.finish_and_clear();
    let mean = distances.iter().sum::<f64>() / n as f64;
    if args.json {
        let report = json!({
            "tool": onestep::TOOL, "distance": network.name(), "a": args.a, "b": args.b, "n": n, "mean": mean,
            "each": distances,
        });
        println!("{report:#}");
    } else {
        let pairs = if n == 1 { String::new() } else { format!(" (mean of {n} pairs)") };
        println!("distance   {mean:.6}{pairs}");
        println!("by         {}", network.name());
        println!("between    {}", args.a);
        println!("and        {}", args.b);
    }
    Ok(ExitCode::SUCCESS)
}

/// One side of the comparison.
enum Side {
    Picture(Pixels),
    Set(Box<dyn Dataset>),
}

impl Side {
    /// Images of any kind; a file that holds no set is taken for a picture.
    fn open(source: &str, image_size: Option<usize>) -> Outcome<Self> {
        let spec = DataSpec { image_size, ..DataSpec::new(source) };
        let picture = || {
            let picture = Pixels::read(Path::new(source))?;
            Ok::<_, DataError>(Self::Picture(picture.fit(image_size.map_or(Fit::Exact, Fit::CenterCrop))))
        };
        match data::open(&spec) {
            Ok(set) => {
                refuse_points(source, set.shape().channels)?;
                Ok(Self::Set(set))
            }
            Err(DataError::Unsupported { .. }) => Ok(picture()?),
            // Whether its name or its contents are wrong, nobody knows.
            Err(error @ DataError::UnknownKind { .. }) => Ok(picture().map_err(|_| error)?),
            Err(error) => Err(error.into()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Picture(_) => 1,
            Self::Set(set) => set.len(),
        }
    }

    /// Values in [-1, 1] in color, with height and width.
    fn picture(&self, index: usize) -> Outcome<([usize; 2], Vec<f32>)> {
        let picture = match self {
            Self::Picture(picture) => picture.clone(),
            Self::Set(set) => {
                Pixels::from_values(&set.sample(index)?.values, set.shape(), data::Rounding::Edm)?
            }
        };
        let picture = picture.into_rgb();
        let shape = picture.shape();
        Ok(([shape.height, shape.width], picture.values()))
    }
}

fn between(
    network: &PerceptualNetwork,
    [(size, a), (other, b)]: [([usize; 2], Vec<f32>); 2],
    device: &Device,
) -> Outcome<f64> {
    let [height, width] = size;
    if size != other {
        let [h, w] = other;
        return Err(Failure::new(
            code::DATA,
            format!("images of {width}x{height} and {w}x{h} cannot be compared"),
        )
        .hint("--image-size brings both to one size"));
    }
    if network.kind().activations(size).is_none() {
        let least = network.kind().smallest();
        return Err(Failure::new(
            code::DATA,
            format!("{} cannot look at images of {width}x{height}", network.name()),
        )
        .hint(format!("it needs {least} pixels a side; --image-size {least} enlarges them")));
    }
    let batch = |values| Tensor::<4>::from_data(TensorData::new(values, [1, height, width, 3]), device);
    let distance = network.between(batch(a), batch(b)).into_data();
    Ok(distance.iter::<f64>().next().expect("one pair"))
}
