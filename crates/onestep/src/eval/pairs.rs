//! How different pictures look, two by two.

use std::path::Path;

use burn::tensor::Device;

use super::EvalError;
use super::images::Images;
use super::stored::{Selection, Stored};
use crate::Result;
use crate::data::{self, DataError, DataSpec, Pixels, Rounding, tensor_from_pixels};
use crate::observer::{Observer, Work, tell};
use crate::perceptual::PerceptualNetwork;

/// Images of any kind; a file that holds no set is taken for a picture.
///
/// # Errors
///
/// As [`data::open`], [`Pixels::read`] and [`Stored::new`].
pub fn open_images(spec: &DataSpec) -> Result<Box<dyn Images>, EvalError> {
    let picture = || -> Result<Box<dyn Images>, DataError> {
        let picture = Pixels::read(Path::new(&spec.source))?;
        let picture = match spec.image_size {
            Some(size) => picture.fit(spec.fit, size),
            None => picture,
        };
        Ok(Box::new(vec![picture]))
    };
    match data::open(spec) {
        Ok(set) => Ok(Box::new(Stored::new(set, &spec.source, Selection::All)?)),
        Err(DataError::Unsupported { .. }) => Ok(picture()?),
        // Whether its name or its contents are wrong, nobody knows.
        Err(error @ DataError::UnknownKind { .. }) => Ok(picture().map_err(|_| error)?),
        Err(error) => Err(error.into()),
    }
}

/// The perceptual distances of the first `n` pairs of two sets of images, in their order.
///
/// The observer is told after every pair; when it wants to stop, what is done by then is returned.
///
/// # Errors
///
/// - [`EvalError::Sizes`] for a pair of two sizes, [`EvalError::TooSmall`] for pictures that the network cannot look at.
/// - Whatever reading or making the images meets.
pub fn pair_distances(
    network: &PerceptualNetwork,
    [a, b]: [&dyn Images; 2],
    n: usize,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Vec<f64>> {
    let [settled_a, settled_b] = [a.settled()?, b.settled()?];
    let [a, b] = [settled_a.as_deref().unwrap_or(a), settled_b.as_deref().unwrap_or(b)];
    let mut distances = Vec::with_capacity(n);
    for index in 0..n {
        let one = |side: &dyn Images| side.pixels(index..index + 1, Rounding::Edm);
        distances.push(between(network, &one(a)?, &one(b)?, device)?);
        if !tell(observer, Work::Judging, distances.len(), n) {
            break;
        }
    }
    Ok(distances)
}

/// The distance of one pair.
fn between(network: &PerceptualNetwork, a: &[Pixels], b: &[Pixels], device: &Device) -> Result<f64> {
    let [first, second] = [a, b].map(|side| side[0].shape()).map(|shape| [shape.height, shape.width]);
    if first != second {
        return Err(EvalError::Sizes { a: first, b: second }.into());
    }
    if network.kind().activations(first).is_none() {
        let (network, least) = (network.name().to_owned(), network.kind().smallest());
        return Err(EvalError::TooSmall { network, size: first, least }.into());
    }
    let distance = network.between(tensor_from_pixels(a, device)?, tensor_from_pixels(b, device)?);
    Ok(distance.into_data().iter::<f64>().next().expect("one pair"))
}
