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
