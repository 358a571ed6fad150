//! Evaluation: metrics and networks against the numbers of the original implementations, and what they promise.

mod features;
mod metrics;
mod weight_rule;

use onestep::eval::{BLOCK, Moments, Rows};

use crate::golden::Array;

/// An array as activations.
pub fn rows(array: &Array) -> Rows {
    Rows::new(array.shape[1], array.f32()).expect("finite rows")
}

/// The moments of all rows.
pub fn moments(rows: &Rows) -> Moments {
    let mut moments = Moments::new(rows.width());
    for block in rows.values().chunks(BLOCK * rows.width()) {
        moments.add_block(block).expect("finite rows");
    }
    moments
}
