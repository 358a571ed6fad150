//! What the nearest portrait says of an image, as numbers.

use std::collections::HashSet;
use std::sync::LazyLock;

use onestep_portraits::{Attribute, Nearest, Portrait, Split, likeliest, nearest};
use rayon::prelude::*;

use super::layout::{FAILS, HELD_OUT, LARGEST, Layout, NAME, REPEATS, SQUARE, WITHIN};
use crate::data::{N_TRAINING, Pixels};
use crate::eval::{Activations, EvalError, FeatureNetwork, Widths};

/// Pixels a side, as portraits are drawn.
const SIDE: usize = 16;

/// Looks for the nearest portrait of every image: a feature network without weights, whose features are ones and zeros, and two
/// differences.
///
/// Images are of 16x16 pixels, or of 32x32 as portraits are doubled: then every four pixels count as their mean in the search, and
/// each by itself in how far the image is.
#[derive(Debug, Clone, Copy, Default)]
pub struct NearestPortrait;

impl FeatureNetwork for NearestPortrait {
    fn name(&self) -> &str {
        NAME
    }

    fn widths(&self) -> Widths {
        Widths { pooled: Layout::get().width(), spatial: None, logits: None }
    }

    fn activations(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        let rows = images.par_iter().map(row).collect::<Result<Vec<_>, _>>()?;
        Ok(Activations { pooled: rows.concat(), ..Activations::default() })
    }
}

/// The portraits that models are trained on.
fn training() -> &'static HashSet<Portrait> {
    static TRAINING: LazyLock<HashSet<Portrait>> = LazyLock::new(|| {
        (0..N_TRAINING as u64).into_par_iter().map(|index| Split::Train.portrait(index)).collect()
    });
    &TRAINING
}

/// What is seen in one image.
fn row(image: &Pixels) -> Result<Vec<f32>, EvalError> {
    let shape = image.shape();
    let scale = shape.height / SIDE;
    if shape.channels != 3
        || shape.height != shape.width
        || ![1, 2].contains(&scale)
        || shape.height != scale * SIDE
    {
        let got = format!("an image of {shape}; portraits are of 16x16 or 32x32 pixels in color");
        return Err(EvalError::Images { network: NAME.into(), got });
    }
    let Seen { portrait, likely, difference, square, worst } = seen(image.bytes(), scale);
    let layout = Layout::get();
    let mut row = vec![0.0; layout.width()];
    for (place, levels) in WITHIN.into_iter().enumerate() {
        row[place] = f32::from(u8::from(difference <= f32::from(levels)));
    }
    row[LARGEST] = difference;
    row[SQUARE] = square / 255.0;
    let [rounding, .., most] = WITHIN.map(f32::from);
    if difference > most {
        row[FAILS.start + worst as usize] = 1.0;
    } else if likely.split() == Split::HeldOut {
        row[HELD_OUT] = 1.0;
    }
    if difference <= rounding && training().contains(&portrait) {
        row[REPEATS] = 1.0;
    }
    for attribute in Attribute::ALL {
        row[layout.values(attribute).start + likely.value(attribute)] = 1.0;
    }
    Ok(row)
}

/// The nearest portrait, and how far it is.
struct Seen {
    portrait: Portrait,
    /// What it is most probably, if what it is off by is noise: where it is far from any portrait, the nearest has faint parts, such as
    /// beards, more often than these are drawn.
    likely: Portrait,
    /// The largest difference of a value, in levels of 255.
    difference: f32,
    /// The mean of the squared differences, in levels squared.
    square: f32,
    /// Whose part it is in.
    worst: Attribute,
}

fn seen(bytes: &[u8], scale: usize) -> Seen {
    let at = |row: usize, column: usize, channel: usize| {
        f32::from(bytes[(row * SIDE * scale + column) * 3 + channel])
    };
    let mut small = [0.0; SIDE * SIDE * 3];
    for (place, value) in small.iter_mut().enumerate() {
        let (row, column, channel) = (place / 3 / SIDE, place / 3 % SIDE, place % 3);
        let four = (0..scale * scale)
            .map(|each| at(row * scale + each / scale, column * scale + each % scale, channel));
        *value = four.sum::<f32>() / (scale * scale) as f32;
    }
    let Nearest { portrait, picture, mean_squared_difference, .. } = nearest(&small);
    let (mut worst, mut squares) = ((0.0, 0), 0.0f64);
    for row in 0..SIDE * scale {
        for column in 0..SIDE * scale {
            let pixel = row / scale * SIDE + column / scale;
            for channel in 0..3 {
                let difference = (at(row, column, channel) - f32::from(picture[pixel * 3 + channel])).abs();
                squares += f64::from(difference).powi(2);
                if difference > worst.0 {
                    worst = (difference, pixel);
                }
            }
        }
    }
    let (difference, pixel) = worst;
    let is_exact = difference <= f32::from(WITHIN[0]);
    let likely = match is_exact {
        true => portrait,
        false => likeliest(&small, mean_squared_difference.sqrt() as f32).portrait,
    };
    let square = (squares / bytes.len() as f64) as f32;
    Seen { portrait, likely, difference, square, worst: portrait.attribute_at(pixel / SIDE, pixel % SIDE) }
}
