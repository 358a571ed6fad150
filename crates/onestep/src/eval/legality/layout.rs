//! Which number of what is seen in an image stands for what.

use std::ops::Range;
use std::sync::LazyLock;

use onestep_portraits::Attribute;

/// What images are looked at by, beside every number.
pub const NAME: &str = "nearest portrait of builtin:portraits";

/// Levels of 255 that an image may be off and still count as legal; the first is what rounding makes.
pub const WITHIN: [u8; 3] = [1, 8, 16];
/// Whether it is a legal combination that is held out; 1 or 0, as all but the two differences.
pub const HELD_OUT: usize = WITHIN.len();
/// Whether it is a training image.
pub const REPEATS: usize = HELD_OUT + 1;
/// The largest difference of a value from the nearest portrait's, in levels of 255.
pub const LARGEST: usize = REPEATS + 1;
/// The mean of the squared differences, in levels squared over 255, which keeps black images within what can be summed.
pub const SQUARE: usize = LARGEST + 1;
/// Whose part is worst, one place for each attribute; all 0 where the image is legal.
pub const FAILS: Range<usize> = SQUARE + 1..SQUARE + 1 + Attribute::ALL.len();

/// Where the values of each attribute stand: a 1 at the value that it has, 0 at the others.
#[derive(Debug)]
pub struct Layout {
    starts: [usize; Attribute::ALL.len()],
    width: usize,
}

impl Layout {
    /// The only one.
    pub fn get() -> &'static Self {
        static LAYOUT: LazyLock<Layout> = LazyLock::new(|| {
            let mut width = FAILS.end;
            let starts = Attribute::ALL.map(|attribute| {
                let start = width;
                width += attribute.n_values();
                start
            });
            Layout { starts, width }
        });
        &LAYOUT
    }

    /// Numbers an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The numbers of an attribute's values.
    pub fn values(&self, attribute: Attribute) -> Range<usize> {
        let start = self.starts[attribute as usize];
        start..start + attribute.n_values()
    }
}
