//! The way to the other ranks.

use super::{DistributedError, reduction};

/// One rank's way to all others, who make the same calls in the same order.
///
/// An engine brings two calls, [`exchange`](Communicator::exchange) and [`all_gather`](Communicator::all_gather); the others follow
/// from them, and an engine that knows a shorter way may take it.
pub trait Communicator: Send {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Sends numbers to a partner, who makes the same call, and returns what the partner sends: as many numbers or others.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`] where the partner does not come.
    fn exchange(&mut self, partner: usize, values: Vec<f32>) -> Result<Vec<f32>, DistributedError>;

    /// The bytes that each rank gives, by rank.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`] where a rank does not come.
    fn all_gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError>;

    /// The bytes of rank `root`; what the others give is not looked at.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`] where a rank does not come.
    fn broadcast(&mut self, bytes: Vec<u8>, root: usize) -> Result<Vec<u8>, DistributedError> {
        let given = if self.rank() == root { bytes } else { Vec::new() };
        Ok(self.all_gather(given)?.swap_remove(root))
    }

    /// The sum over all ranks of as many numbers on each, added in the tree of the ranks: (0+1)+(2+3), and so on. The number of
    /// ranks is a power of two.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`] where a rank does not come; [`DistributedError::WorldSize`] for another number of ranks.
    fn tree_sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        let (rank, size) = (self.rank(), self.size());
        reduction::tree_sum(rank, size, values, |partner, values| self.exchange(partner, values))
    }

    /// The same sum in whatever order this engine is fastest at: the same bits on all ranks, but not for another number of them.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`] where a rank does not come.
    fn fast_sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        self.tree_sum(values)
    }

    /// Says that this rank is about to do something alone that may take long, or that it has done it: until then nobody who waits
    /// for it shall take it for lost. An engine that waits for ever need not know.
    fn takes_long(&mut self, _long: bool) {}
}
