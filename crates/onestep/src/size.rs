//! The height and width of images, square or not.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Height and width of images in pixels.
///
/// In recipes and model files a square is one number, `32`, and any other size `[height, width]`. As text, typed and
/// shown, it is `32` or width first, `64x48`, as people say it.
///
/// # Examples
///
/// ```
/// use onestep::ImageSize;
/// assert_eq!("64x48".parse(), Ok(ImageSize { height: 48, width: 64 }));
/// assert_eq!(ImageSize::from(32).to_string(), "32x32");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageSize {
    /// Whether height and width are equal.
    pub fn is_square(self) -> bool {
        self.height == self.width
    }

    /// The shorter of the two sides.
    pub fn shorter(self) -> usize {
        self.height.min(self.width)
    }

    /// As a recipe has it: `32`, or `[48, 64]` for a height of 48 and a width of 64.
    pub fn typed(self) -> String {
        match self.is_square() {
            true => self.height.to_string(),
            false => format!("[{}, {}]", self.height, self.width),
        }
    }

    /// The largest part of this shape in the middle of an image of size `whole`: top, left, rows, columns.
    pub(crate) fn middle_of(self, whole: Self) -> [usize; 4] {
        // `side * to / of`, rounded to nearest.
        let scaled = |side: usize, to: usize, of: usize| (2 * side * to + of) / (2 * of);
        let rows = scaled(whole.width, self.height, self.width).clamp(1, whole.height);
        let columns = scaled(whole.height, self.width, self.height).clamp(1, whole.width);
        [(whole.height - rows) / 2, (whole.width - columns) / 2, rows, columns]
    }

    /// Where an image of size `whole` lies when it is shrunk or enlarged to fit into the middle of this size: top, left, rows,
    /// columns.
    pub(crate) fn place_of(self, whole: Self) -> [usize; 4] {
        // Which side touches the border is decided without rounding.
        let (rows, columns) = match whole.height * self.width >= whole.width * self.height {
            true => (self.height, (whole.width * self.height).div_ceil(whole.height)),
            false => ((whole.height * self.width).div_ceil(whole.width), self.width),
        };
        [(self.height - rows) / 2, (self.width - columns) / 2, rows, columns]
    }

    /// The size with both sides divided by `factor`, rounded down.
    pub(crate) fn divided(self, factor: usize) -> Self {
        Self { height: self.height / factor, width: self.width / factor }
    }

    /// The size after halving both sides so many times, rounded down.
    pub fn halved(self, times: usize) -> Self {
        Self { height: self.height >> times, width: self.width >> times }
    }
}

impl From<usize> for ImageSize {
    /// A square of so many pixels a side.
    fn from(side: usize) -> Self {
        Self { height: side, width: side }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for ImageSize {
    type Err = String;

    /// Reads `32` or, width first, `64x48`.
    fn from_str(text: &str) -> Result<Self, String> {
        let side = |part: &str| match part.trim().parse() {
            Ok(side @ 1..) => Ok(side),
            _ => Err(format!("`{text}` is no size; write 32, or width and height as 64x48")),
        };
        match text.split_once(['x', 'X', '×']) {
            Some((width, height)) => Ok(Self { height: side(height)?, width: side(width)? }),
            None => side(text).map(Self::from),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of pixels, or [height, width]")]
enum Form {
    Square(usize),
    Sides([usize; 2]),
}

impl Serialize for ImageSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_square() {
            true => Form::Square(self.height),
            false => Form::Sides([self.height, self.width]),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ImageSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Form::deserialize(deserializer).map(|form| match form {
            Form::Square(side) => side.into(),
            Form::Sides([height, width]) => Self { height, width },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_out_and_what_is_put_in_has_the_middle_and_the_shape() {
        let size = |height, width| ImageSize { height, width };
        for (target, whole, middle, place) in [
            (size(8, 8), size(10, 20), [0, 5, 10, 10], [2, 0, 4, 8]),
            (size(8, 8), size(20, 10), [5, 0, 10, 10], [0, 2, 8, 4]),
            (size(3, 4), size(300, 400), [0, 0, 300, 400], [0, 0, 3, 4]),
            (size(3, 4), size(400, 400), [50, 0, 300, 400], [0, 0, 3, 3]),
            (size(4, 3), size(1, 1000), [0, 499, 1, 1], [1, 0, 1, 3]),
        ] {
            assert_eq!(target.middle_of(whole), middle, "{target} of {whole}");
            assert_eq!(target.place_of(whole), place, "{whole} in {target}");
        }
    }

    #[test]
    fn a_square_is_one_number_and_else_height_comes_first() {
        for (size, json) in [(ImageSize::from(32), "32"), (ImageSize { height: 48, width: 64 }, "[48,64]")] {
            assert_eq!(serde_json::to_string(&size).unwrap(), json);
            assert_eq!(serde_json::from_str::<ImageSize>(json).unwrap(), size);
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert!(
            serde_json::from_str::<ImageSize>("[1,2,3]").unwrap_err().to_string().contains("[height, width]")
        );
        for wrong in ["", "0", "64x", "x48", "a", "64x0", "-1"] {
            assert!(wrong.parse::<ImageSize>().unwrap_err().contains("64x48"), "{wrong}");
        }
    }
}
