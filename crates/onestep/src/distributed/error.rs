//! What can go wrong between ranks.

/// A world of ranks that cannot work together, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DistributedError {
    /// Another rank is gone, or does not answer.
    #[error("rank {rank} has lost the others: {reason}")]
    Lost {
        /// This rank.
        rank: usize,
        /// What is known.
        reason: String,
    },
    /// Shards are shared by powers of two alone.
    #[error("{size} processes cannot share a batch: take a power of two, up to the recipe's train.shards")]
    WorldSize {
        /// How many there are.
        size: usize,
    },
    /// There are more ranks than parts of a batch.
    #[error(
        "a batch is cut into {shards} shards (`train.shards`), and {size} processes were started: take {shards} or fewer"
    )]
    TooFewShards {
        /// Parts of a batch.
        shards: usize,
        /// Processes.
        size: usize,
    },
    /// The batch cannot be cut for so many ranks.
    #[error(
        "a batch of {batch} cannot be cut into equal shards for {size} processes: make train.batch a multiple of {size}"
    )]
    Batch {
        /// Images in one update.
        batch: usize,
        /// Processes.
        size: usize,
    },
    /// Two ranks hold different things where they must hold the same.
    #[error("rank {rank} and rank 0 differ in {what}: {reason}")]
    Differs {
        /// The first rank that is not like rank 0.
        rank: usize,
        /// In what.
        what: &'static str,
        /// What to do.
        reason: &'static str,
    },
}
