//! Affine maps of images: what augmentation does to pixels.

use super::ImageShape;

/// An affine map of the plane, x' = a·x + b·y + c and y' = d·x + e·y + f, as `[[a, b, c], [d, e, f]]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [[f64; 3]; 2]);

impl Affine {
    /// Scales each axis.
    pub fn scale(x: f64, y: f64) -> Self {
        Self([[x, 0.0, 0.0], [0.0, y, 0.0]])
    }

    /// Turns by an angle.
    pub fn rotate(angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }

    /// Moves.
    pub fn translate(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    /// First `self`, then `next`.
    pub fn then(self, next: Self) -> Self {
        let (Self(p), Self(q)) = (self, next);
        let entry = |row: usize, column: usize| {
            q[row][0] * p[0][column] + q[row][1] * p[1][column] + if column == 2 { q[row][2] } else { 0.0 }
        };
        Self([0, 1].map(|row| [0, 1, 2].map(|column| entry(row, column))))
    }

    /// The map that undoes this one; its determinant must not be 0.
    pub fn inverse(self) -> Self {
        let Self([[a, b, c], [d, e, f]]) = self;
        let determinant = a * e - b * d;
        let [[a, b], [d, e]] = [[e / determinant, -b / determinant], [-d / determinant, a / determinant]];
        Self([[a, b, -(a * c + b * f)], [d, e, -(d * c + e * f)]])
    }
}

/// Moves every point of an image by `map`, whose origin is the middle of the image and whose unit is a pixel.
///
/// What comes from outside is the mirrored image. Between pixels values are those of a cubic (Catmull and Rom), so an
/// image that is not moved, or moved by whole pixels, keeps its values to the bit.
///
/// # Shapes
///
/// `values`: `[height, width, channels]`, as `shape` says; so is the result.
pub fn warp(values: &[f32], shape: ImageShape, map: Affine) -> Vec<f32> {
    let ImageShape { height, width, channels } = shape;
    let Affine([[a, b, c], [d, e, f]]) = map.inverse();
    let (middle_x, middle_y) = (0.5 * (width as f64 - 1.0), 0.5 * (height as f64 - 1.0));
    let mut warped = vec![0.0; values.len()];
    for (pixel, out) in warped.chunks_exact_mut(channels).enumerate() {
        let x = (pixel % width) as f64 - middle_x;
        let y = (pixel / width) as f64 - middle_y;
        let (columns, column_weights) = taps(a * x + b * y + c + middle_x, width);
        let (rows, row_weights) = taps(d * x + e * y + f + middle_y, height);
        for (row, row_weight) in rows.into_iter().zip(row_weights) {
            for (column, column_weight) in columns.into_iter().zip(column_weights) {
                let weight = row_weight * column_weight;
                if weight != 0.0 {
                    let from = &values[(row * width + column) * channels..][..channels];
                    out.iter_mut().zip(from).for_each(|(out, value)| *out += weight * value);
                }
            }
        }
    }
    warped
}

/// The four pixels around a position and their weights.
fn taps(position: f64, n: usize) -> ([usize; 4], [f32; 4]) {
    let floor = position.floor();
    let t = position - floor;
    // Rounding of sines and cosines must not blur an image that is turned by nothing.
    let t = if t < 1e-9 { 0.0 } else { t };
    let weights = [
        0.5 * t * (-1.0 + t * (2.0 - t)),
        1.0 + 0.5 * t * t * (-5.0 + 3.0 * t),
        0.5 * t * (1.0 + t * (4.0 - 3.0 * t)),
        0.5 * t * t * (t - 1.0),
    ];
    ([-1, 0, 1, 2].map(|offset| mirrored(floor as i64 + offset, n)), weights.map(|weight| weight as f32))
}

/// An index outside 0..n, mirrored at the middles of the first and the last pixel.
fn mirrored(index: i64, n: usize) -> usize {
    let last = n as i64 - 1;
    if last == 0 {
        return 0;
    }
    let place = index.rem_euclid(2 * last);
    place.min(2 * last - place) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The map that changes nothing.
    const IDENTITY: Affine = Affine([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    const SHAPE: ImageShape = ImageShape { height: 5, width: 4, channels: 3 };

    fn image() -> Vec<f32> {
        (0..SHAPE.n_values()).map(|i| ((i * i * 7 + 3) % 11) as f32 / 11.0).collect()
    }

    #[test]
    fn nothing_and_a_mirror_keep_every_bit() {
        assert_eq!(warp(&image(), SHAPE, IDENTITY), image());
        let mut mirror = image();
        crate::data::flip_horizontal(&mut mirror, SHAPE);
        assert_eq!(warp(&image(), SHAPE, Affine::scale(-1.0, 1.0)), mirror);
    }

    #[test]
    fn a_pixel_goes_where_the_map_says() {
        let shape = ImageShape { height: 9, width: 9, channels: 1 };
        let mut dot = vec![0.0; 81];
        dot[4 * 9 + 6] = 1.0;
        // Two pixels right of the middle, turned by a quarter: two pixels below it (y points down).
        let turned = warp(&dot, shape, Affine::rotate(std::f64::consts::FRAC_PI_2));
        let place = turned.iter().position(|&value| value > 0.99).expect("a dot");
        assert_eq!((place / 9, place % 9), (6, 4));
        let moved = warp(&dot, shape, Affine::translate(1.0, -2.0));
        assert_eq!(moved[2 * 9 + 7], 1.0);
    }

    #[test]
    fn a_map_and_its_inverse_cancel() {
        let map = Affine::rotate(0.7).then(Affine::scale(1.3, 0.6)).then(Affine::translate(0.4, -2.0));
        let Affine(back) = map.then(map.inverse());
        for (row, expected) in back.iter().zip(IDENTITY.0) {
            row.iter().zip(expected).for_each(|(got, expected)| assert!((got - expected).abs() < 1e-12));
        }
    }

    #[test]
    fn a_linear_ramp_is_interpolated_exactly() {
        let shape = ImageShape { height: 1, width: 12, channels: 1 };
        let ramp: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let moved = warp(&ramp, shape, Affine::translate(0.25, 0.0));
        for (moved, exact) in moved.iter().zip(&ramp).skip(2).take(8) {
            assert!((moved - (exact - 0.25)).abs() < 1e-5);
        }
    }
}
