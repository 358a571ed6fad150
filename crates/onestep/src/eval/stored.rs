//! Which images of a data set are judged.

use std::ops::Range;

use rayon::prelude::*;

use super::EvalError;
use super::images::{Images, check_images, identity_of_stored, stored};
use crate::Result;
use crate::data::{Dataset, Pixels, Rounding};

/// Some images of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    #[default]
    All,
    /// The first so many.
    First(usize),
    /// Those of these numbers, counted from 0, in this order.
    Numbers(Vec<u64>),
}

/// Images of a data set: bytes, as they are in its files.
pub struct Stored {
    set: Box<dyn Dataset>,
    selection: Selection,
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
        match &selection {
            Selection::All => {}
            Selection::First(wanted) if *wanted > found => {
                return Err(EvalError::FewerImages { source_name, wanted: *wanted, found });
            }
            Selection::First(_) => {}
            Selection::Numbers(numbers) => {
                if let Some(&number) = numbers.iter().find(|&&number| number >= found as u64) {
                    return Err(EvalError::NoImage { source_name, number, found });
                }
            }
        }
        Ok(Self { set, selection })
    }

    /// The data set.
    pub fn set(&self) -> &dyn Dataset {
        &*self.set
    }

    /// Which of its images.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    fn numbers(&self) -> Option<&[u64]> {
        match &self.selection {
            Selection::Numbers(numbers) => Some(numbers),
            Selection::All | Selection::First(_) => None,
        }
    }
}

impl Images for Stored {
    fn n_images(&self) -> usize {
        match &self.selection {
            Selection::All => self.set.len(),
            Selection::First(n) => *n,
            Selection::Numbers(numbers) => numbers.len(),
        }
    }

    fn pixels(&self, range: Range<usize>, _rounding: Rounding) -> Result<Vec<Pixels>> {
        let numbers = self.numbers();
        let index = |place: usize| numbers.map_or(place, |numbers| numbers[place] as usize);
        range.into_par_iter().map(|place| stored(&*self.set, index(place))).collect()
    }

    fn identity(&self, _rounding: Rounding) -> Result<Option<String>> {
        Ok(Some(identity_of_stored(&*self.set, self.numbers())))
    }
}
