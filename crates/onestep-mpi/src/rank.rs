//! A rank by MPI.

use std::sync::mpsc::{Receiver, RecvError, Sender, channel};

use onestep::distributed::{Communicator, DistributedError};

use crate::Settings;
use crate::engine::{self, Call, Order};

/// A rank of an MPI world.
///
/// All calls of MPI are made by one thread, which this hands its orders to. Where another rank is lost the process ends, by
/// [`Settings::on_lost`], whatever it is doing; no call returns an error for it.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    size: usize,
    orders: Sender<Order>,
}

/// MPI cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MpiError {
    /// It was begun before in this process.
    #[error("MPI was begun already in this process")]
    Begun,
    /// No thread for it could be started.
    #[error("no thread for MPI: {0}")]
    Thread(#[from] std::io::Error),
    /// Its thread has ended.
    #[error("the thread of MPI has ended")]
    Ended(#[from] RecvError),
}

impl Mpi {
    /// Begins MPI.
    ///
    /// Until somebody says otherwise ([`Communicator::takes_long`]), all ranks are taken to be getting ready, which may take long.
    ///
    /// # Errors
    ///
    /// [`MpiError`].
    pub fn start(settings: Settings) -> Result<Self, MpiError> {
        let (orders, taken) = channel();
        let (answer, answered) = channel();
        std::thread::Builder::new()
            .name("mpi".into())
            .spawn(move || engine::run(settings, &taken, &answer))?;
        let (rank, size) = answered.recv()?.ok_or(MpiError::Begun)?;
        Ok(Self { rank, size, orders })
    }

    /// A second way to the same rank, to end it by when all is done.
    pub fn ending(&self) -> Ending {
        Ending(self.orders.clone())
    }

    fn order<T>(&self, call: impl FnOnce(Sender<T>) -> Call) -> Result<T, DistributedError> {
        let (answer, answered) = channel();
        let lost =
            || DistributedError::Lost { rank: self.rank, reason: "the thread of MPI has ended".into() };
        self.orders.send(Order::Call(call(answer))).map_err(|_| lost())?;
        answered.recv().map_err(|_| lost())
    }
}

/// The orderly end of a rank.
#[derive(Debug)]
pub struct Ending(Sender<Order>);

impl Ending {
    /// Waits for all ranks and ends MPI. Without this a launcher takes the process for one that has failed, and ends the others: right
    /// where it has.
    pub fn end(self) {
        let (answer, answered): (Sender<()>, Receiver<()>) = channel();
        if self.0.send(Order::End(answer)).is_ok() {
            let _ = answered.recv();
        }
    }
}

impl Drop for Mpi {
    /// A panic that takes its rank away ends the process, with code 101: MPI would go on, and the others wait for it, for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::exit(101);
        }
    }
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange(&mut self, partner: usize, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        self.order(|answer| Call::Exchange { partner, values, answer })
    }

    fn all_gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError> {
        self.order(|answer| Call::Gather { bytes, answer })
    }

    fn fast_sum(&mut self, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        self.order(|answer| Call::Sum { values, answer })
    }

    fn takes_long(&mut self, long: bool) {
        // Where the thread has ended, the next call says so.
        let _ = self.orders.send(Order::TakesLong(long));
    }
}
