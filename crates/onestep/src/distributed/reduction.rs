//! In which order ranks add their gradients.

use std::ops::Range;

use super::DistributedError;

/// In which order the gradients of the ranks are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reduction {
    /// In the tree of the shards: the same bits with any number of ranks.
    #[default]
    Tree,
    /// As the engine is fastest: another number of ranks gives other last bits.
    Fast,
}

/// The sum over `size` ranks, a power of two, as rank `rank` takes part in it.
///
/// Halving: with the neighbor first, then the neighboring pair, each keeps and adds up one half of what it had. Doubling: the same way
/// back, each hands over what it has. 2·(1 - 1/size) times the numbers go each way, where a tree of whole sums would take
/// log2(size) times.
pub(super) fn tree_sum(
    rank: usize,
    size: usize,
    mut values: Vec<f32>,
    mut exchange: impl FnMut(usize, Vec<f32>) -> Result<Vec<f32>, DistributedError>,
) -> Result<Vec<f32>, DistributedError> {
    if !size.is_power_of_two() {
        return Err(DistributedError::WorldSize { size });
    }
    let n_rounds = size.trailing_zeros();
    let mut own = 0..values.len();
    let mut before: Vec<Range<usize>> = Vec::new();
    for round in 0..n_rounds {
        let partner = rank ^ (1 << round);
        let (kept, given) = halves(&own, rank >> round & 1 == 1);
        let theirs = exchange(partner, values[given].to_vec())?;
        check_length(rank, &theirs, kept.len())?;
        // Addition commutes to the bit, so it does not matter whose half stands first.
        for (sum, value) in values[kept.clone()].iter_mut().zip(theirs) {
            *sum += value;
        }
        before.push(std::mem::replace(&mut own, kept));
    }
    for round in (0..n_rounds).rev() {
        let partner = rank ^ (1 << round);
        let whole = before.pop().unwrap_or_default();
        let (_, given) = halves(&whole, rank >> round & 1 == 1);
        let theirs = exchange(partner, values[own].to_vec())?;
        check_length(rank, &theirs, given.len())?;
        values[given].copy_from_slice(&theirs);
        own = whole;
    }
    Ok(values)
}

/// The half of a range that a rank keeps, and the one that it gives away.
fn halves(range: &Range<usize>, upper: bool) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / 2;
    let (low, high) = (range.start..middle, middle..range.end);
    if upper { (high, low) } else { (low, high) }
}

fn check_length(rank: usize, values: &[f32], expected: usize) -> Result<(), DistributedError> {
    match values.len() == expected {
        true => Ok(()),
        false => {
            let reason = format!("{} numbers came where {expected} were due", values.len());
            Err(DistributedError::Lost { rank, reason })
        }
    }
}
