//! Portraits by their attributes.

use std::error::Error;
use std::fmt;

use crate::art::{Art, Layer};
use crate::attribute::{Attribute, Place};
use crate::census::Census;
use crate::choices::Choices;
use crate::paint::Palette;
use crate::pixels::{N_PIXELS, SIDE};

/// A portrait that can be drawn from the part set.
///
/// Equal pictures are equal portraits: what is not seen is `none`, and of parts that look the same where they are seen, it has
/// the first (a mouth, for one, can cover all that tells one beard from another).
///
/// # Examples
///
/// ```
/// use onestep_portraits::{Attribute, Portrait};
///
/// let portrait = Portrait::at(7);
/// assert_eq!(portrait, Portrait::at(7));
/// assert_eq!(portrait.render().len(), 16 * 16 * 3);
/// let hat = portrait.value(Attribute::Hat);
/// assert_eq!(portrait.name(Attribute::Hat), Attribute::Hat.names()[hat]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Portrait(Choices);

impl Portrait {
    /// The portrait of these choices, settled.
    pub(crate) fn new(choices: Choices) -> Self {
        Self(choices.settled(Art::get()))
    }

    /// The portrait with these values, in the order of [`Attribute::ALL`].
    ///
    /// Values for what is not seen may be any: they become what an equal picture has.
    ///
    /// # Errors
    ///
    /// - [`PortraitError::OutOfRange`] for a value that an attribute does not have.
    /// - [`PortraitError::Missing`] for a color that is `none` though it is seen, and for hair that is `none` though no hat hides
    ///   it: there are no bald heads.
    pub fn from_values(values: [usize; 16]) -> Result<Self, PortraitError> {
        let mut choices = Choices { parts: [1; 9], ..Choices::default() };
        for (attribute, value) in Attribute::ALL.into_iter().zip(values) {
            if value >= attribute.n_values() {
                return Err(PortraitError::OutOfRange { attribute, value });
            }
            let number = attribute.number_from_value(value);
            match attribute.place() {
                Place::Part(layer) => choices.parts[layer as usize] = number,
                Place::Color(palette) => choices.colors[palette as usize] = number,
            }
        }
        if choices.part(Layer::Hair) == 0 && !can_hide_hair(choices.part(Layer::Hat)) {
            return Err(PortraitError::Missing { attribute: Attribute::Hair });
        }
        // With every color there, settling takes away those that are not seen and no other.
        let is_seen = Choices { colors: [1; 8], ..choices }.settled(Art::get());
        let is_missing = |attribute: &Attribute| match attribute.place() {
            Place::Color(palette) => choices.color(palette) == 0 && is_seen.color(palette) > 0,
            Place::Part(_) => false,
        };
        match Attribute::ALL.into_iter().find(is_missing) {
            Some(attribute) => Err(PortraitError::Missing { attribute }),
            None => Ok(Self::new(choices)),
        }
    }

    /// The value of an attribute, an index into its [`names`](Attribute::names).
    pub fn value(&self, attribute: Attribute) -> usize {
        let number = match attribute.place() {
            Place::Part(layer) => self.0.part(layer),
            Place::Color(palette) => self.0.color(palette),
        };
        attribute.value_from_number(number)
    }

    /// The name of an attribute's value; `none` for what is not seen.
    pub fn name(&self, attribute: Attribute) -> &'static str {
        &attribute.names()[self.value(attribute)]
    }

    /// The values of all attributes, in the order of [`Attribute::ALL`].
    pub fn values(&self) -> [usize; 16] {
        Attribute::ALL.map(|attribute| self.value(attribute))
    }

    /// Draws it on white.
    ///
    /// # Shapes
    ///
    /// - returns: `[16, 16, 3]`, row by row from the top left, red, green and blue from 0 to 255.
    pub fn render(&self) -> [u8; N_PIXELS * 3] {
        let mut bytes = [0; N_PIXELS * 3];
        bytes.copy_from_slice(self.0.draw(Art::get()).as_flattened());
        bytes
    }

    /// Draws it twice as large: every pixel of [`render`](Portrait::render) becomes four.
    ///
    /// # Shapes
    ///
    /// - returns: `[32, 32, 3]`.
    pub fn render_doubled(&self) -> [u8; N_PIXELS * 12] {
        let picture = self.0.draw(Art::get());
        let mut bytes = [0; N_PIXELS * 12];
        for (pixel, value) in bytes.chunks_exact_mut(3).enumerate() {
            let (row, column) = (pixel / (2 * SIDE), pixel % (2 * SIDE));
            value.copy_from_slice(&picture[row / 2 * SIDE + column / 2]);
        }
        bytes
    }

    /// Whose part is seen in a pixel: the attribute of the form of the uppermost part that touches it, or the skin where none does,
    /// which has the background, too.
    ///
    /// # Panics
    ///
    /// If `row` or `column` is 16 or more.
    pub fn attribute_at(&self, row: usize, column: usize) -> Attribute {
        assert!(row < SIDE && column < SIDE, "pixel ({row}, {column}) of 16x16");
        let pixel = u8::try_from(row * SIDE + column).expect("fewer than 256 pixels");
        let art = Art::get();
        let touches = |layer: &Layer| {
            art.part(*layer, self.0.part(*layer)).is_some_and(|part| part.touched.contains(pixel))
        };
        let uppermost = Layer::CHOSEN.into_iter().rev().find(touches);
        let of_layer = |attribute: &Attribute| uppermost.map(Place::Part) == Some(attribute.place());
        Attribute::ALL.into_iter().find(of_layer).unwrap_or(Attribute::Skin)
    }

    /// The number of different portraits: about 4 · 10^15.
    pub fn n_different() -> u128 {
        Census::get().n_portraits
    }

    pub(crate) fn choices(&self) -> &Choices {
        &self.0
    }

    pub(crate) fn with_clothing_color(self, color: u8) -> Self {
        let mut choices = self.0;
        choices.colors[Palette::Clothing as usize] = color;
        Self(choices)
    }
}

/// Whether some hair is out of sight under a hat.
fn can_hide_hair(hat: u8) -> bool {
    let art = Art::get();
    let Some(hat) = art.part(Layer::Hat, hat) else { return false };
    art.parts(Layer::Hair).iter().any(|hair| hair.touched.minus(hat.covered).is_empty())
}

/// Values that no portrait has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortraitError {
    /// An attribute has fewer values.
    OutOfRange {
        /// Which it is.
        attribute: Attribute,
        /// The value it was given.
        value: usize,
    },
    /// Something is seen and has no value.
    Missing {
        /// What it is.
        attribute: Attribute,
    },
}

impl fmt::Display for PortraitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { attribute, value } => {
                write!(f, "`{attribute}` has the values 0 to {}, got {value}", attribute.n_values() - 1)
            }
            Self::Missing { attribute } => {
                write!(f, "`{attribute}` is seen in this portrait and cannot be `none`; choose a value")
            }
        }
    }
}

impl Error for PortraitError {}
