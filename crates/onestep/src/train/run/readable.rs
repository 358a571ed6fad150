//! Whether data can be trained on, before the first step.

use crate::Result;
use crate::data::{BadSample, Dataset, OnError, check_headers};
use crate::train::TrainError;
use crate::train::trainer::{Parts, unreadable};

/// Refuses data of which some images cannot be read, as far as their headers tell, unless such images are to be passed over.
///
/// # Errors
///
/// [`TrainError::BadImage`].
pub(super) fn check(data: &dyn Dataset, on_error: OnError) -> std::result::Result<(), TrainError> {
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

/// The same for all ranks: rank 0 looks, the others read what they train on, and all end together where it finds something.
///
/// # Errors
///
/// [`TrainError::BadImage`]; what befalls the ranks meanwhile.
pub(super) fn check_for_all(parts: &mut Parts, on_error: OnError) -> Result<()> {
    let verdict = if parts.world.writes() { check(parts.data.as_ref(), on_error) } else { Ok(()) };
    let found = match &verdict {
        Err(TrainError::BadImage { n, index, .. }) => format!("{n} {index}"),
        _ => String::new(),
    };
    let found = parts.world.of_rank_0(|| found)?;
    verdict?;
    match found.split_once(' ').map(|(n, index)| (n.parse(), index.parse())) {
        Some((Ok(n), Ok(index))) => Err(unreadable(parts.data.as_ref(), n, index)),
        _ => Ok(()),
    }
}
