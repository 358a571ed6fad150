//! Distributed training: several processes, or threads, that take the steps of one run together.
//!
//! 1. A [`Communicator`] is the way to the others: [`Local`] between threads of one process, MPI in a crate of its own.
//! 2. A [`World`] is a communicator with what is decided about it: in which order gradients are added ([`Reduction`]), and how often
//!    the ranks compare what they hold.
//! 3. [`TreeSum`] adds up what comes one after the other in the order of a tree.
//!
//! # Equal bits
//!
//! A batch is cut into shards, a number of the recipe's (`train.shards`), and the gradients of the shards are added in one fixed
//! binary tree: neighbors first, then pairs of pairs. However many ranks share the shards, the sum has the same bits, and with it
//! everything that a run keeps. Random numbers are functions of a sample's number in the run and of nothing else.
//!
//! # Source
//!
//! The collective is the reduce-scatter by recursive halving followed by the gather by recursive doubling of Rabenseifner 2004
//! (Optimization of collective reduction operations), with neighbors first, so that every number is added in the order of that tree.

mod communicator;
mod error;
mod local;
mod reduction;
mod tree_sum;
mod world;

pub use communicator::Communicator;
pub use error::DistributedError;
pub use local::Local;
pub use reduction::Reduction;
pub use tree_sum::TreeSum;
pub use world::World;
