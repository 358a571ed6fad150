//! Whether data can be trained on, before the first step.

use crate::data::{BadSample, Dataset, OnError, check_headers};
use crate::train::TrainError;

/// Refuses data of which some images cannot be read, as far as their headers tell, unless such images are to be passed over.
///
/// # Errors
///
/// [`TrainError::BadImage`].
pub(super) fn check(data: &dyn Dataset, on_error: OnError) -> Result<(), TrainError> {
    if on_error == OnError::Skip {
        return Ok(());
    }
    let bad = check_headers(data).bad;
    let n = bad.len();
    match bad.into_iter().next() {
        Some(BadSample { index, error, .. }) => Err(TrainError::BadImage { n, index, reason: error }),
        None => Ok(()),
    }
}
