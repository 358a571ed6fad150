//! Which images of a data set are judged.

use std::ops::Range;

use rayon::prelude::*;

use super::EvalError;
use super::images::{Images, check_images, identity_of_stored, number_ranges, stored};
use crate::Result;
use crate::data::{Dataset, Pixels, Rounding, spread};
use crate::size::ImageSize;

/// Some images of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// So many, spread over the set ([`spread`]), so that they are of all classes in whatever order it is.
    Spread(usize),
    /// Those of these numbers, counted from 0, in this order.
    Numbers(Vec<u64>),
}

/// Images of a data set: bytes, as they are in its files.
pub struct Stored {
    set: Box<dyn Dataset>,
    selection: Selection,
    /// The numbers of the images, where they are not all.
    numbers: Option<Vec<u64>>,
}

impl Stored {
    /// Some images of a set; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// - [`EvalError::Points`] if the set holds no images.
    /// - [`EvalError::NoImage`] and [`EvalError::FewerImages`] if it does not have those that are chosen.
    pub fn new(set: Box<dyn Dataset>, name: &str, selection: Selection) -> Result<Self, EvalError> {
        check_images(name, set.shape().channels)?;
        let (source_name, found) = (name.to_owned(), set.len());
        let numbers = match &selection {
            Selection::All => None,
            Selection::Spread(wanted) if *wanted > found => {
                return Err(EvalError::FewerImages { source_name, wanted: *wanted, found });
            }
            Selection::Spread(wanted) if *wanted == found => None,
            Selection::Spread(wanted) => Some(spread(found, *wanted).into_iter().map(|n| n as u64).collect()),
            Selection::Numbers(numbers) => {
                if let Some(&number) = numbers.iter().find(|&&number| number >= found as u64) {
                    return Err(EvalError::NoImage { source_name, number, found });
                }
                Some(numbers.clone())
            }
        };
        Ok(Self { set, selection, numbers })
    }

    /// The data set.
    pub fn set(&self) -> &dyn Dataset {
        &*self.set
    }

    /// Which of its images.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
}

impl Images for Stored {
    fn n_images(&self) -> usize {
        self.numbers.as_ref().map_or(self.set.len(), Vec::len)
    }

    fn pixels(&self, range: Range<usize>, _rounding: Rounding) -> Result<Vec<Pixels>> {
        let index = |place: usize| self.numbers.as_ref().map_or(place, |numbers| numbers[place] as usize);
        range.into_par_iter().map(|place| stored(&*self.set, index(place))).collect()
    }

    fn identity(&self, _rounding: Rounding) -> Result<Option<String>> {
        let images = match &self.selection {
            Selection::Numbers(numbers) => number_ranges(numbers),
            Selection::Spread(n) if *n < self.set.len() => "spread".into(),
            Selection::All | Selection::Spread(_) => "all".into(),
        };
        Ok(Some(identity_of_stored(&*self.set, &images)))
    }

    fn size(&self) -> Option<ImageSize> {
        Some(self.set.shape().size())
    }
}
