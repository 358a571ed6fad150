//! Whether data can be trained on, before the first step.

use crate::data::{Dataset, OnError};
use crate::train::TrainError;

/// Refuses data whose first image cannot be read, unless such images are to be passed over.
///
/// # Errors
///
/// [`TrainError::BadImage`].
pub(super) fn check(data: &dyn Dataset, on_error: OnError) -> Result<(), TrainError> {
    match (data.sample(0), on_error) {
        (Err(reason), OnError::Stop) => Err(TrainError::BadImage { index: 0, reason }),
        _ => Ok(()),
    }
}
