//! Sheets: a whole set of samples as one picture, images as a grid and points as a scatter plot.

use std::path::Path;

use super::picture::{Grid, write_png};
use super::{DataError, ImageShape, Pixels, Rounding};

/// Pixels a side of a scatter plot at scale 1.
const PLOT_SIDE: usize = 512;

/// Points are drawn from -PLOT_RANGE to PLOT_RANGE; toy distributions have a deviation of about 0.5.
const PLOT_RANGE: f32 = 2.0;

/// How samples are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sheet {
    /// Columns of the grid; without it, close to a square.
    pub columns: Option<usize>,
    /// Every pixel becomes a square of this many pixels a side; without it, 1 or what makes small images visible.
    pub scale: Option<usize>,
}

impl Sheet {
    /// A sheet that looks after itself.
    pub const AUTO: Self = Self { columns: None, scale: None };

    /// Draws the samples.
    ///
    /// # Shapes
    ///
    /// `values`: `[n, height, width, channels]`, flat; images in [-1, 1], or points (1x1 with two channels).
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for an empty set, or a picture that would be too large.
    pub fn draw(&self, values: &[f32], shape: ImageShape) -> Result<Pixels, DataError> {
        if is_point(shape) {
            return scatter(values, self.scale.unwrap_or(1));
        }
        let pictures = values
            .chunks_exact(shape.n_values())
            .map(|image| Pixels::from_values(image, shape, Rounding::Truncate))
            .collect::<Result<Vec<_>, _>>()?;
        self.grid(pictures.len(), shape).arrange(&pictures)
    }

    /// Takes samples of this shape out of a sheet that was drawn with the same settings, row by row; where its last row is shorter,
    /// the places behind it are white. Points are one picture: the sheet itself.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for a picture that is no such sheet: its sides are not those of a grid of such samples.
    pub fn samples(&self, sheet: &Pixels, shape: ImageShape) -> Result<Vec<Pixels>, DataError> {
        if is_point(shape) {
            return Ok(vec![sheet.clone()]);
        }
        self.grid(1, shape).take_apart(sheet, shape.size())
    }

    /// Refuses a picture of so many samples that would be too large, before there are any.
    ///
    /// # Errors
    ///
    /// As [`Grid::sides`]; points are dots of one picture, however many they are.
    pub fn check(&self, n: usize, shape: ImageShape) -> Result<(), DataError> {
        if is_point(shape) { Ok(()) } else { self.grid(n, shape).sides(n, shape).map(drop) }
    }

    fn grid(&self, n: usize, shape: ImageShape) -> Grid {
        let columns = self.columns.unwrap_or_else(|| Grid::square_columns(n)).max(1);
        // Eight 32-pixel images in a row are 270 pixels: too small to judge on today's screens.
        let scale = self.scale.unwrap_or_else(|| (64 / shape.width.max(1)).clamp(1, 8));
        Grid { columns, scale }
    }

    /// Draws the samples into a PNG that carries `parameters`, creating its folder where needed.
    ///
    /// # Errors
    ///
    /// As [`Sheet::draw`]; [`DataError::Write`] where the file cannot be written.
    pub fn write(
        &self,
        path: &Path,
        values: &[f32],
        shape: ImageShape,
        parameters: Option<&str>,
    ) -> Result<(), DataError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| DataError::Write { path: folder.to_path_buf(), source })?;
        }
        write_png(path, &self.draw(values, shape)?, parameters)
    }
}

fn is_point(shape: ImageShape) -> bool {
    (shape.height, shape.width, shape.channels) == (1, 1, 2)
}

/// Points of the plane as dots that darken where they are many.
fn scatter(points: &[f32], scale: usize) -> Result<Pixels, DataError> {
    let side = PLOT_SIDE * scale.max(1);
    let mut hits = vec![0u32; side * side];
    let place = |value: f32| {
        let position = (value / PLOT_RANGE + 1.0) * 0.5 * side as f32;
        (position >= 0.0 && position < side as f32).then_some(position as usize)
    };
    let radius = 2 * scale.max(1) as isize;
    for point in points.chunks_exact(2) {
        let (Some(x), Some(y)) = (place(point[0]), place(-point[1])) else { continue };
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                let (x, y) = (x as isize + dx, y as isize + dy);
                if dx * dx + dy * dy <= radius * radius
                    && (0..side as isize).contains(&x)
                    && (0..side as isize).contains(&y)
                {
                    hits[y as usize * side + x as usize] += 1;
                }
            }
        }
    }
    let shape = ImageShape { height: side, width: side, channels: 3 };
    let bytes = hits
        .into_iter()
        .flat_map(|n| {
            // White paper, blue ink; each further dot takes a third of what light is left.
            let light = (2.0f32 / 3.0).powi(n.min(30) as i32);
            [30.0, 80.0, 160.0].map(|ink: f32| (ink + (255.0 - ink) * light) as u8)
        })
        .collect();
    Pixels::new(shape, bytes)
}
