//! Classes of a model by what people call them.

use super::Model;
use crate::sample::{SampleError, class_number};

impl Model {
    /// The number of a class that is called by its name, its number, or the beginning of its name.
    ///
    /// The rule is that of [`class_number`].
    ///
    /// # Errors
    ///
    /// - [`SampleError::NoClasses`] for an unconditional model.
    /// - [`SampleError::NoSuchClass`] and [`SampleError::ClassUnknown`] for a number and a name that it does not have,
    ///   [`SampleError::ClassesUnnamed`] where no class has a name.
    /// - [`SampleError::ClassUnclear`] for what several names are in other capitals, or begin with.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let model = onestep::open("runs/emoji-cd")?;
    /// let flags = model.class_number("flags")?;
    /// let samples = model.draw().seeds(0..8).classes([flags]).run()?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn class_number(&self, called: &str) -> Result<usize, SampleError> {
        let n_classes = self.n_classes().ok_or(SampleError::NoClasses)?;
        class_number(called, self.class_names(), n_classes)
    }
}
