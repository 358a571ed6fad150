//! Memorization: how near images lie to those that a model has learned from, beside real ones that it has not seen.

use rayon::prelude::*;

use super::EvalError;
use super::images::Images;
use crate::Result;
use crate::data::{Pixels, Rounding, flip_horizontal};
use crate::observer::{Observer, Work, tell};

/// Images of training that are held in memory at a time.
const BLOCK: usize = 1024;

/// Values that are compared before it is asked whether an image can still be among the nearest.
const STRETCH: usize = 256;

/// An image is a copy if its nearest image of training is this many times nearer than the second.
const COPY: f64 = 3.0;

/// One of the images of training that lie nearest to an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Its number among them.
    pub index: usize,
    /// Whether it is nearer with left and right exchanged.
    pub mirrored: bool,
    /// Root mean square of the differences of values, in levels of 255.
    pub distance: f64,
}

/// The images of training that lie nearest to each of some images, the nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Of each image as many as were asked for, or all that there are.
    pub neighbors: Vec<Vec<Neighbor>>,
}

/// How a set lies to the images of training beside one that the model has not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearer {
    /// Share of the pairs of an image of each set in which the first is nearer to training; pairs that are equally near count half.
    pub share: f64,
    /// The same in standard deviations of what it would be if both sets were of one kind: below zero the first is nearer.
    pub z: f64,
}

/// Finds the `k` images of training that are nearest to each of some pictures, as they are or mirrored; none if the observer wants to
/// stop before the end.
///
/// Distances are those of bytes, exact, so a picture of the training set is at zero. Every picture is compared with every image.
///
/// # Errors
///
/// - [`EvalError::Setting`] if there is no picture or no image of training, `k` is zero, or sizes differ.
/// - Whatever reading the images of training meets.
pub fn nearest(
    pictures: &[Pixels],
    training: &dyn Images,
    k: usize,
    observer: &mut dyn Observer,
) -> Result<Option<Nearest>> {
    let setting = |setting, reason| Err(EvalError::Setting { setting, reason }.into());
    let Some(size) = pictures.first().map(Pixels::size) else {
        return setting("pictures", "must be at least one".into());
    };
    let n_training = training.n_images();
    if k == 0 || n_training == 0 {
        return setting(
            "neighbors",
            format!("must be at least 1 of a set that is not empty, got {k} of {n_training}"),
        );
    }
    if let Some(other) = pictures.iter().map(Pixels::size).find(|&other| other != size) {
        return setting("pictures", format!("must be of one size, got {size} and {other}"));
    }
    let pictures: Vec<[Vec<u8>; 2]> = pictures
        .iter()
        .map(|picture| {
            let picture = picture.clone().into_rgb();
            let turned = mirrored(&picture);
            [picture.into_bytes(), turned]
        })
        .collect();
    let mut found: Vec<Candidates> = pictures.iter().map(|_| Candidates { k, nearest: Vec::new() }).collect();
    for first in (0..n_training).step_by(BLOCK) {
        let last = (first + BLOCK).min(n_training);
        let block = training.pixels(first..last, Rounding::Edm)?;
        if let Some(other) = block.iter().map(Pixels::size).find(|&other| other != size) {
            return setting(
                "images of training",
                format!("must be of the pictures' size, {size}, got {other}"),
            );
        }
        let block: Vec<Vec<u8>> = block.into_iter().map(Pixels::into_bytes).collect();
        found.par_iter_mut().zip(&pictures).for_each(|(candidates, picture)| {
            for (place, image) in block.iter().enumerate() {
                for (bytes, mirrored) in picture.iter().zip([false, true]) {
                    candidates.compare(bytes, image, first + place, mirrored);
                }
            }
        });
        if !tell(observer, Work::Judging, last, n_training) {
            return Ok(None);
        }
    }
    let n_values = (size.height * size.width * 3) as f64;
    let neighbors = found.into_iter().map(|candidates| candidates.neighbors(n_values)).collect();
    Ok(Some(Nearest { neighbors }))
}

impl Nearest {
    /// The distance of each image to the nearest of training.
    pub fn distances(&self) -> Vec<f64> {
        self.neighbors.iter().filter_map(|neighbors| Some(neighbors.first()?.distance)).collect()
    }

    /// The distance that this share of the images lies within, from 0, the nearest of all, to 1.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut distances = self.distances();
        distances.sort_by(f64::total_cmp);
        let place = share.clamp(0.0, 1.0) * (distances.len().max(1) - 1) as f64;
        let [low, high] = [place.floor(), place.ceil()].map(|place| distances.get(place as usize).copied());
        match (low, high) {
            (Some(low), Some(high)) => low + (high - low) * place.fract(),
            _ => f64::NAN,
        }
    }

    /// How many images lie within a distance of one of training: repeats of it.
    pub fn n_within(&self, distance: f64) -> usize {
        self.distances().iter().filter(|&&nearest| nearest <= distance).count()
    }

    /// How many images are copies: three times as near to one image of training as to any other.
    ///
    /// Images of training that are there twice hide their copies from this, and [`Nearest::n_within`] finds them; blurred images, which lie
    /// near to many, are none.
    ///
    /// # Source
    ///
    /// Yoon et al. 2023, "Diffusion Probabilistic Models Generalize when They Fail to Memorize", and Gu et al. 2023 (arXiv:2310.02664),
    /// section 2, who have the distance below a third of the second.
    pub fn n_copies(&self) -> usize {
        self.suspicion().iter().filter(|&&ratio| ratio <= 1.0 / COPY).count()
    }

    /// Of each image its distance to the nearest of training as a share of that to the second: the lower, the more likely a copy.
    fn suspicion(&self) -> Vec<f64> {
        let ratio = |neighbors: &Vec<Neighbor>| match neighbors[..] {
            [nearest, second, ..] if second.distance > 0.0 => nearest.distance / second.distance,
            // Where training holds it twice, or once and nothing else.
            [nearest, ..] if nearest.distance == 0.0 => 0.0,
            _ => 1.0,
        };
        self.neighbors.iter().map(ratio).collect()
    }

    /// The numbers of the images in the order of suspicion: those first that lie nearest to an image of training, measured by how far off
    /// the second is.
    pub fn most_suspicious(&self) -> Vec<usize> {
        let ratios = self.suspicion();
        let mut order: Vec<usize> = (0..ratios.len()).collect();
        order.sort_by(|&one, &other| ratios[one].total_cmp(&ratios[other]));
        order
    }

    /// The most suspicious of the pictures, each followed by its neighbors, turned as they are nearest: in RGB, row by row.
    ///
    /// # Errors
    ///
    /// Whatever reading the images of training meets.
    pub fn examples(&self, pictures: &[Pixels], training: &dyn Images, n: usize) -> Result<Vec<Pixels>> {
        let mut rows = Vec::new();
        for place in self.most_suspicious().into_iter().take(n) {
            rows.push(pictures[place].clone().into_rgb());
            for &Neighbor { index, mirrored: turned, .. } in &self.neighbors[place] {
                for image in training.pixels(index..index + 1, Rounding::Edm)? {
                    rows.push(if turned { Pixels::new(image.shape(), mirrored(&image))? } else { image });
                }
            }
        }
        Ok(rows)
    }

    /// Whether these images lie nearer to training than others that the model has not seen: a model that copies does. One whose images are
    /// blurred does, too, since what has little contrast is near to everything.
    ///
    /// # Source
    ///
    /// The test of Mann and Whitney on distances to training, as Meehan, Chaudhuri and Dasgupta 2020 (arXiv:2004.05675), section 3, have it
    /// for one cell; ties take the mean of their ranks.
    pub fn nearer_than(&self, unseen: &Self) -> Nearer {
        let (own, others) = (self.distances(), unseen.distances());
        let (n, m) = (own.len() as f64, others.len() as f64);
        let mut sorted = others;
        sorted.sort_by(f64::total_cmp);
        let pairs: f64 = own
            .iter()
            .map(|distance| {
                let below = sorted.partition_point(|other| other < distance);
                let not_above = sorted.partition_point(|other| other <= distance);
                (sorted.len() - not_above) as f64 + 0.5 * (not_above - below) as f64
            })
            .sum();
        let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
        Nearer { share: pairs / (n * m), z: (0.5 * n * m - pairs) / deviation }
    }
}

/// What is nearest to a picture so far, in squared differences.
struct Candidates {
    k: usize,
    nearest: Vec<(u64, usize, bool)>,
}

impl Candidates {
    fn compare(&mut self, picture: &[u8], image: &[u8], index: usize, mirrored: bool) {
        // The same image the other way round takes one place.
        let own = self.nearest.iter().position(|&(_, other, _)| other == index);
        let limit = match own {
            Some(place) => self.nearest[place].0,
            None if self.nearest.len() < self.k => u64::MAX,
            None => self.nearest.last().map_or(u64::MAX, |&(squared, ..)| squared),
        };
        let Some(squared) = squared_difference(picture, image, limit) else { return };
        match own {
            Some(place) => {
                self.nearest.remove(place);
            }
            None if self.nearest.len() == self.k => {
                self.nearest.pop();
            }
            None => {}
        }
        let place = self.nearest.partition_point(|&(other, ..)| other <= squared);
        self.nearest.insert(place, (squared, index, mirrored));
    }

    fn neighbors(self, n_values: f64) -> Vec<Neighbor> {
        let neighbor = |(squared, index, mirrored)| Neighbor {
            index,
            mirrored,
            distance: (squared as f64 / n_values).sqrt(),
        };
        self.nearest.into_iter().map(neighbor).collect()
    }
}

/// The sum of the squared differences, if it is below a limit.
fn squared_difference(one: &[u8], other: &[u8], limit: u64) -> Option<u64> {
    let mut sum = 0;
    for (one, other) in one.chunks(STRETCH).zip(other.chunks(STRETCH)) {
        let squares = one.iter().zip(other).map(|(&a, &b)| {
            let difference = i32::from(a) - i32::from(b);
            (difference * difference) as u32
        });
        sum += u64::from(squares.sum::<u32>());
        if sum >= limit {
            return None;
        }
    }
    Some(sum)
}

/// The bytes of a picture with left and right exchanged.
fn mirrored(picture: &Pixels) -> Vec<u8> {
    let mut bytes = picture.bytes().to_vec();
    flip_horizontal(&mut bytes, picture.shape());
    bytes
}
