//! Ranks that are threads of one process.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{Communicator, DistributedError};

/// A rank among threads of this process: for tests, and for devices that one process drives.
///
/// # Examples
///
/// ```
/// use onestep::distributed::{Communicator, Local};
///
/// let sums: Vec<Vec<f32>> = std::thread::scope(|scope| {
///     let ranks = Local::world(4).into_iter();
///     let threads = ranks.map(|mut rank| scope.spawn(move || rank.tree_sum(vec![rank.rank() as f32, 1.0])));
///     threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
/// });
/// assert_eq!(sums, vec![vec![6.0, 4.0]; 4]);
/// ```
#[derive(Debug)]
pub struct Local {
    rank: usize,
    size: usize,
    post: Arc<Post>,
}

/// What is on its way between the ranks.
#[derive(Debug)]
struct Post {
    boxes: Mutex<Boxes>,
    came: Condvar,
}

#[derive(Debug)]
struct Boxes {
    /// From rank `from` to rank `to`, at `from * size + to`.
    letters: Vec<VecDeque<Letter>>,
    /// Whether each rank is gone.
    gone: Vec<bool>,
}

#[derive(Debug)]
enum Letter {
    Values(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Local {
    /// All ranks of a world of `size`, in order.
    pub fn world(size: usize) -> Vec<Self> {
        let letters = (0..size * size).map(|_| VecDeque::new()).collect();
        let boxes = Mutex::new(Boxes { letters, gone: vec![false; size] });
        let post = Arc::new(Post { boxes, came: Condvar::new() });
        (0..size).map(|rank| Self { rank, size, post: post.clone() }).collect()
    }

    fn boxes(&self) -> MutexGuard<'_, Boxes> {
        self.post.boxes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn send(&self, to: usize, letter: Letter) {
        self.boxes().letters[self.rank * self.size + to].push_back(letter);
        self.post.came.notify_all();
    }

    fn receive(&self, from: usize) -> Result<Letter, DistributedError> {
        let mut boxes = self.boxes();
        loop {
            if let Some(letter) = boxes.letters[from * self.size + self.rank].pop_front() {
                return Ok(letter);
            }
            if boxes.gone[from] {
                let reason = format!("rank {from} has ended");
                return Err(DistributedError::Lost { rank: self.rank, reason });
            }
            boxes = self.post.came.wait(boxes).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn other_call(&self, from: usize) -> DistributedError {
        DistributedError::Lost { rank: self.rank, reason: format!("rank {from} makes another call") }
    }
}

impl Communicator for Local {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn exchange(&mut self, partner: usize, values: Vec<f32>) -> Result<Vec<f32>, DistributedError> {
        self.send(partner, Letter::Values(values));
        match self.receive(partner)? {
            Letter::Values(values) => Ok(values),
            Letter::Bytes(_) => Err(self.other_call(partner)),
        }
    }

    fn all_gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, DistributedError> {
        for to in 0..self.size {
            self.send(to, Letter::Bytes(bytes.clone()));
        }
        let receive = |from| match self.receive(from)? {
            Letter::Bytes(bytes) => Ok(bytes),
            Letter::Values(_) => Err(self.other_call(from)),
        };
        (0..self.size).map(receive).collect()
    }
}

impl Drop for Local {
    /// Whoever waits for a rank that is gone is told.
    fn drop(&mut self) {
        self.boxes().gone[self.rank] = true;
        self.post.came.notify_all();
    }
}
