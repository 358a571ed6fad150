//! The networks that images are judged by, and images for them to look at.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::Device;
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open as open_data};
use onestep::eval::features::{BUILTIN, INCEPTION, Inception, OpenOptions, Resize, open};
use onestep::eval::{Activations, FeatureNetwork};
use onestep::interop::NamedArrays;
use onestep::noise::{Purpose, Stream};
use safetensors::tensor::Dtype;

use super::dump::write_arrays;
use super::error::{Result, create_folder};
use super::passes::{self, Measured};

/// Feature networks by name.
pub const NAMES: [&str; 2] = [INCEPTION, BUILTIN];

/// Whether this is the name or the file of a feature network.
pub fn is_feature_network(network: &str) -> bool {
    NAMES.contains(&network) || network.ends_with(".pt") || network.ends_with(".pth")
}

/// The built-in emoji: images with something in them, and no file to look for.
///
/// # Errors
///
/// None that were seen: they are part of the program.
pub fn images(count: usize) -> Result<Vec<Pixels>> {
    let emoji = open_data(&DataSpec::new("builtin:emoji"))?;
    let shape: ImageShape = emoji.shape();
    (0..count)
        .map(|index| {
            let sample = emoji.sample(index * 7 % emoji.len())?;
            Ok(Pixels::from_values(&sample.values, shape, Rounding::Edm)?)
        })
        .collect()
}

/// Opens a feature network by name or file; Inception gets random weights, the same on every run.
///
/// # Errors
///
/// As [`onestep::eval::features::open()`].
pub fn network(name: &str) -> Result<Box<dyn FeatureNetwork>> {
    resizing(name, Resize::Tf1)
}

/// Lets the network look at images for so many seconds.
///
/// # Errors
///
/// Whatever the network meets.
pub fn measure(network: &dyn FeatureNetwork, images: &[Pixels], seconds: f64) -> Result<Measured> {
    passes::measure(
        &Device::flex(),
        seconds,
        || Ok(()),
        |()| {
            black_box(network.activations(images)?);
            Ok(())
        },
    )
}

fn resizing(name: &str, resize: Resize) -> Result<Box<dyn FeatureNetwork>> {
    let device = Device::flex();
    if name == INCEPTION {
        return Ok(Box::new(Inception::from_named(random_weights(), resize, &device)?));
    }
    let options = OpenOptions { resize, cache: None, device: &device };
    Ok(open(name, &options)?)
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
///
/// # Errors
///
/// [`BenchError::CreateFolder`](crate::BenchError::CreateFolder) and [`BenchError::Write`](crate::BenchError::Write), and
/// whatever the network meets.
pub fn dump(folder: &Path, name: &str, images: &[Pixels]) -> Result {
    create_folder(folder)?;
    if name == INCEPTION {
        let arrays = random_weights().into_iter();
        let arrays: Vec<_> =
            arrays.map(|(name, (shape, values))| (name, Dtype::F32, shape, floats(&values))).collect();
        write_arrays(&folder.join("weights.safetensors"), &arrays)?;
    }
    let shape = images[0].shape();
    let bytes = images.iter().flat_map(|image| image.bytes()).copied().collect();
    let mut arrays =
        vec![("images".to_owned(), Dtype::U8, vec![images.len(), shape.height, shape.width, 3], bytes)];
    let resizes = [("tf1", Resize::Tf1), ("pytorch", Resize::PyTorch), ("bicubic", Resize::PilBicubic)];
    for (key, resize) in if name == BUILTIN { &resizes[2..] } else { &resizes } {
        let seen = resizing(name, *resize)?.activations(images)?;
        let Activations { pooled, spatial, logits } = seen;
        for (part, values) in [("pooled", Some(pooled)), ("spatial", spatial), ("logits", logits)] {
            if let Some(values) = values {
                let shape = vec![images.len(), values.len() / images.len()];
                arrays.push((format!("{key}.{part}"), Dtype::F32, shape, floats(&values)));
            }
        }
    }
    write_arrays(&folder.join("case.safetensors"), &arrays)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
