//! `onestep bench inception`: the networks that images are judged by.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use burn::tensor::Device;
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open as open_data};
use onestep::eval::features::{BUILTIN, INCEPTION, Inception, OpenOptions, Resize, open};
use onestep::eval::{Activations, FeatureNetwork};
use onestep::interop::NamedArrays;
use onestep::noise::{Purpose, Stream};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::report::{digits, speed_json, table, without_small};
use super::{BATCH, SECONDS};
use crate::args::{BenchArgs, PassName, PrecisionName};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::measure::{Measured, by_kind, passes};

/// Feature networks by name.
pub const NAMES: [&str; 2] = [INCEPTION, BUILTIN];

/// Whether this is the name or the file of a feature network.
pub fn is_feature_network(network: &str) -> bool {
    NAMES.contains(&network) || network.ends_with(".pt") || network.ends_with(".pth")
}

/// Measures and prints it.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    let only_forward = matches!(args.what, PassName::All | PassName::Forward);
    if !args.settings.is_empty() || !only_forward || args.precision != PrecisionName::F32 {
        let message = "feature networks are measured forward and in f32: no --set, --what and --precision";
        return Err(Failure::usage(message));
    }
    let images = images(args.batch.map_or(BATCH, |batch| batch as usize))?;
    let network = network(&args.network, Resize::Tf1)?;
    if let Some(folder) = &args.dump {
        dump(folder, &args.network, &images)?;
        if !quiet {
            eprintln!("wrote {}", folder.display());
        }
    }
    let seconds = args.seconds.unwrap_or(SECONDS);
    let (conditions, measured) = Conditions::around(args.precision, seconds, || {
        passes::measure(
            seconds,
            || Ok(()),
            |()| {
                black_box(network.activations(&images).map_err(onestep::Error::from)?);
                Ok(())
            },
        )
    })?;
    let report = Report { name: network.name(), images: images.len(), conditions, measured };
    if args.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text(args.operators));
    }
    Ok(())
}

/// The built-in emoji: images with something in them, and no file to look for.
fn images(count: usize) -> Outcome<Vec<Pixels>> {
    let emoji = open_data(&DataSpec::new("builtin:emoji"))?;
    let shape: ImageShape = emoji.shape();
    (0..count)
        .map(|index| {
            let sample = emoji.sample(index * 7 % emoji.len())?;
            Ok(Pixels::from_values(&sample.values, shape, Rounding::Edm)?)
        })
        .collect()
}

fn network(name: &str, resize: Resize) -> Outcome<Box<dyn FeatureNetwork>> {
    let device = Device::flex();
    if name == INCEPTION {
        let network =
            Inception::from_named(random_weights(), resize, &device).map_err(onestep::Error::from)?;
        return Ok(Box::new(network));
    }
    let options = OpenOptions { resize, cache: None, device: &device };
    Ok(open(name, &options).map_err(onestep::Error::from)?)
}

/// Weights under which all layers have something to tell, the same on every run.
fn random_weights() -> NamedArrays {
    let mut named = NamedArrays::new();
    for (place, (name, shape)) in Inception::arrays().into_iter().enumerate() {
        let mut stream = Stream::new(0, Purpose::Test, place as u64, 0);
        let fan_in: usize = shape.iter().skip(1).product();
        // As wide as keeps the size of activations under ReLU.
        let [low, high] = match name.rsplit('.').next() {
            Some("weight" | "running_var") if name.contains(".bn.") => [0.5, 1.5],
            Some("weight") => [-1.0, 1.0].map(|side: f64| side * 1.5 * (3.0 / fan_in as f64).sqrt()),
            _ => [-0.1, 0.1],
        };
        let count = shape.iter().product();
        let values = (0..count).map(|_| (low + (high - low) * stream.uniform()) as f32).collect();
        named.insert(name, (shape, values));
    }
    named
}

/// Writes the weights, where they are random, the images, and what is seen in them under each way of resizing.
fn dump(folder: &Path, name: &str, images: &[Pixels]) -> Outcome {
    std::fs::create_dir_all(folder).map_err(|error| io_failure("create the folder", folder, &error))?;
    if name == INCEPTION {
        let arrays = random_weights().into_iter();
        write(
            &folder.join("weights.safetensors"),
            arrays.map(|(name, (shape, values))| (name, shape, floats(&values))),
        )?;
    }
    let shape = images[0].shape();
    let bytes = images.iter().flat_map(|image| image.bytes()).copied().collect();
    let mut arrays =
        vec![("images".to_owned(), Dtype::U8, vec![images.len(), shape.height, shape.width, 3], bytes)];
    let resizes = [("tf1", Resize::Tf1), ("pytorch", Resize::PyTorch), ("bicubic", Resize::PilBicubic)];
    for (key, resize) in if name == BUILTIN { &resizes[2..] } else { &resizes } {
        let seen = network(name, *resize)?.activations(images).map_err(onestep::Error::from)?;
        let Activations { pooled, spatial, logits } = seen;
        for (part, values) in [("pooled", Some(pooled)), ("spatial", spatial), ("logits", logits)] {
            if let Some(values) = values {
                let shape = vec![images.len(), values.len() / images.len()];
                arrays.push((format!("{key}.{part}"), Dtype::F32, shape, floats(&values)));
            }
        }
    }
    write_typed(&folder.join("case.safetensors"), &arrays)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn write(path: &Path, arrays: impl Iterator<Item = (String, Vec<usize>, Vec<u8>)>) -> Outcome {
    let arrays: Vec<_> = arrays.map(|(name, shape, bytes)| (name, Dtype::F32, shape, bytes)).collect();
    write_typed(path, &arrays)
}

fn write_typed(path: &Path, arrays: &[(String, Dtype, Vec<usize>, Vec<u8>)]) -> Outcome {
    let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let file = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|error| Failure::new(code::INTERNAL, format!("the case has no file form: {error}")))?;
    std::fs::write(path, file).map_err(|error| io_failure("write", path, &error))
}

/// What was measured.
struct Report<'a> {
    name: &'a str,
    images: usize,
    conditions: Conditions,
    measured: Measured,
}

impl Report<'_> {
    fn text(&self, every_operator: bool) -> String {
        let Self { name, images, conditions, measured } = self;
        let (median, ceiling) = (measured.timing.median(), conditions.ceiling());
        let mut text = format!("{name}: batch {images} · {}", conditions.text());
        let _ = writeln!(
            text,
            "forward      {} images/s: median {} ms of {} runs, {} at best · {:.1} GFLOP/s, {:.1} % of the ceiling",
            digits(*images as f64 / median),
            digits(1e3 * median),
            measured.timing.runs(),
            digits(1e3 * measured.timing.min()),
            measured.flop / median / 1e9,
            100.0 * measured.flop / median / ceiling,
        );
        if every_operator {
            table(&mut text, "every operator", &measured.rows, measured, ceiling);
        } else {
            let rows = without_small(by_kind(&measured.rows), measured.profiled_seconds);
            table(&mut text, "by operator", &rows, measured, ceiling);
        }
        text
    }

    fn json(&self) -> Value {
        let Self { name, images, conditions, measured } = self;
        let mut object = Map::new();
        object.insert("network".into(), (*name).into());
        object.insert("batch".into(), (*images).into());
        conditions.extend(&mut object);
        object.insert("images_per_second".into(), (*images as f64 / measured.timing.median()).into());
        object.insert("forward".into(), speed_json(&measured.timing, measured.flop, conditions.ceiling()));
        Value::Object(object)
    }
}
