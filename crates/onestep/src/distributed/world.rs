//! A communicator with what is decided about it.

use std::fmt;
use std::ops::Range;

use super::{Communicator, DistributedError, Local, Reduction};

/// Shards of a batch where a recipe names no number and several ranks share it: enough for eight ranks, and for one to follow them.
const USUAL_SHARDS: usize = 8;

/// Steps between two comparisons of what the ranks hold.
const COMPARED_EVERY: u64 = 100;

/// The ranks that take the steps of a run together, as one of them sees them; [`World::default`] is a rank by itself.
pub struct World {
    communicator: Box<dyn Communicator>,
    reduction: Reduction,
    compared_every: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rank {} of {} ({:?})", self.rank(), self.size(), self.reduction)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(Local::world(1).remove(0))
    }
}

impl World {
    /// The world that a communicator leads to, which adds in the tree of the shards.
    pub fn new(communicator: impl Communicator + 'static) -> Self {
        Self {
            communicator: Box::new(communicator),
            reduction: Reduction::default(),
            compared_every: COMPARED_EVERY,
        }
    }

    /// Adds gradients in this order.
    #[must_use]
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Compares the weights of all ranks every so many steps, 100 unless said; 0 for never.
    #[must_use]
    pub fn compared_every(mut self, steps: u64) -> Self {
        self.compared_every = steps;
        self
    }

    /// The number of this rank, from 0. Rank 0 writes, the others do not.
    pub fn rank(&self) -> usize {
        self.communicator.rank()
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.communicator.size()
    }

    /// Whether this is a rank by itself.
    pub fn is_alone(&self) -> bool {
        self.size() == 1
    }

    /// Whether this rank writes the run's files.
    pub fn writes(&self) -> bool {
        self.rank() == 0
    }

    /// How many shards a batch is cut into where the recipe does not say: none for a rank by itself.
    ///
    /// # Errors
    ///
    /// [`DistributedError::WorldSize`], and [`DistributedError::Batch`] where the batch cannot be cut for so many ranks.
    pub fn usual_shards(&self, batch: usize) -> Result<Option<usize>, DistributedError> {
        let size = self.size();
        if self.is_alone() {
            return Ok(None);
        }
        if !size.is_power_of_two() {
            return Err(DistributedError::WorldSize { size });
        }
        let mut shards = USUAL_SHARDS.max(size);
        while !batch.is_multiple_of(shards) {
            shards /= 2;
        }
        if shards < size { Err(DistributedError::Batch { batch, size }) } else { Ok(Some(shards)) }
    }

    /// The shards of a batch that are this rank's.
    ///
    /// # Errors
    ///
    /// [`DistributedError::WorldSize`] and [`DistributedError::TooFewShards`] where the ranks cannot share so many.
    pub fn own_shards(&self, shards: usize) -> Result<Range<usize>, DistributedError> {
        let (rank, size) = (self.rank(), self.size());
        if !size.is_power_of_two() {
            return Err(DistributedError::WorldSize { size });
        }
        if size > shards {
            return Err(DistributedError::TooFewShards { shards, size });
        }
        let each = shards / size;
        Ok(rank * each..(rank + 1) * each)
    }

    /// The sum over all ranks.
    ///
    /// # Errors
    ///
    /// As [`Communicator::tree_sum`].
    pub fn sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        match self.reduction {
            _ if self.is_alone() => Ok(values),
            Reduction::Tree => self.communicator.tree_sum(values),
            Reduction::Fast => self.communicator.fast_sum(values),
        }
    }

    /// As [`Communicator::all_gather`].
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`].
    pub fn all_gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError> {
        if self.is_alone() { Ok(vec![bytes]) } else { self.communicator.all_gather(bytes) }
    }

    /// What rank 0 has; `value` is asked there alone.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`].
    pub fn of_rank_0(&mut self, value: impl FnOnce() -> String) -> Result<String, DistributedError> {
        let own = if self.writes() { value() } else { String::new() };
        if self.is_alone() {
            return Ok(own);
        }
        Ok(String::from_utf8_lossy(&self.communicator.broadcast(own.into_bytes(), 0)?).into_owned())
    }

    /// Whether any rank says so: the same answer on all of them.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`].
    pub fn any(&mut self, own: bool) -> Result<bool, DistributedError> {
        Ok(self.all_gather(vec![u8::from(own)])?.iter().any(|said| said == &[1]))
    }

    /// Waits until all ranks are here.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Lost`].
    pub fn meet(&mut self) -> Result<(), DistributedError> {
        self.all_gather(Vec::new()).map(drop)
    }

    /// Refuses a world whose ranks do not have the same `own`; `what` it is, and what to do about it, stand in the error of all ranks.
    ///
    /// # Errors
    ///
    /// [`DistributedError::Differs`] with the first rank that is not like rank 0.
    pub fn compare(
        &mut self,
        own: &[u8],
        what: &'static str,
        reason: &'static str,
    ) -> Result<(), DistributedError> {
        let all = self.all_gather(own.to_vec())?;
        match all.iter().position(|other| *other != all[0]) {
            Some(rank) => Err(DistributedError::Differs { rank, what, reason }),
            None => Ok(()),
        }
    }

    /// Whether the ranks compare what they hold after `step` updates.
    pub fn compares_after(&self, step: u64) -> bool {
        !self.is_alone() && self.compared_every > 0 && step.is_multiple_of(self.compared_every)
    }

    /// As [`Communicator::takes_long`].
    pub fn takes_long(&mut self, long: bool) {
        self.communicator.takes_long(long);
    }
}
