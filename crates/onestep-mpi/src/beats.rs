//! Heartbeats: what each rank knows of all others, passed on from neighbor to neighbor around a ring.

use std::time::{Duration, Instant};

/// Numbers that are told of each rank.
const TOLD: usize = 2;

/// Ranks that a message tells of: 1.6 kB, which MPI's ways all take without asking.
const RANKS: usize = 100;

/// What one rank knows of all ranks.
///
/// Each rank tells its right neighbor all it knows; what is newer replaces what was known. So a rank that is gone, or behind a cut, falls
/// silent for all ranks that do not hear of it, and they know which one it is.
#[derive(Debug)]
pub struct Beats {
    rank: usize,
    /// Of each rank.
    known: Vec<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// How many times its heart has beaten.
    beats: u64,
    /// How often it has come to the others.
    calls: u64,
    /// Whether it is at something that may take long.
    long: bool,
    /// When the heart was last heard to beat.
    heard: Instant,
}

impl Beats {
    /// What rank `rank` of `size` knows when it begins: nothing, and that getting ready takes everybody long.
    pub fn new(rank: usize, size: usize, now: Instant) -> Self {
        Self { rank, known: vec![Known { beats: 0, calls: 0, long: true, heard: now }; size] }
    }

    /// This rank's heart beats; returns what to tell the neighbor, in messages that are small enough for MPI to take them over at once.
    pub fn beat(&mut self, now: Instant) -> Vec<Vec<u64>> {
        let own = &mut self.known[self.rank];
        own.beats += 1;
        own.heard = now;
        let told = |known: &Known| [known.beats, known.calls << 1 | u64::from(known.long)];
        let message = |(number, ranks): (usize, &[Known])| {
            std::iter::once((number * RANKS) as u64).chain(ranks.iter().flat_map(told)).collect()
        };
        self.known.chunks(RANKS).enumerate().map(message).collect()
    }

    /// Takes over a message of a neighbor, where it is newer; whether it says that a rank has begun or ended something long, which is to be
    /// passed on at once.
    pub fn hear(&mut self, message: &[u64], now: Instant) -> bool {
        let mut news = false;
        let Some((&first, told)) = message.split_first() else { return news };
        let heard = self.known.iter_mut().enumerate().skip(first as usize).zip(told.chunks_exact(TOLD));
        for ((rank, known), told) in heard {
            if rank != self.rank && told[0] > known.beats {
                let long = told[1] & 1 == 1;
                news |= long != known.long;
                *known = Known { beats: told[0], calls: told[1] >> 1, long, heard: now };
            }
        }
        news
    }

    /// This rank has come to the others once more.
    pub fn called(&mut self) {
        self.known[self.rank].calls += 1;
    }

    /// Says whether this rank is at something that may take long.
    pub fn set_long(&mut self, long: bool) {
        self.known[self.rank].long = long;
    }

    /// Whether this rank is at something that may take long.
    pub fn takes_long(&self) -> bool {
        self.known[self.rank].long
    }

    /// A rank that was not heard of for `watchdog`, if there is one, and for how long: the nearest of those that news comes from, for
    /// behind it all fall silent. One that is far away around the ring is given the time that news of it takes: at most two intervals a rank,
    /// for it may have to wait for one, and comes a moment after the next.
    pub fn silent(&self, now: Instant, watchdog: Duration, interval: Duration) -> Option<(usize, Duration)> {
        let size = self.known.len();
        (1..size).find_map(|distance| {
            let rank = (self.rank + size - distance) % size;
            let silence = now.saturating_duration_since(self.known[rank].heard);
            (silence > watchdog + interval * 2 * (distance as u32 - 1)).then_some((rank, silence))
        })
    }

    /// The rank that has come least often.
    pub fn last(&self) -> usize {
        let others = (0..self.known.len()).filter(|rank| *rank != self.rank);
        others.min_by_key(|&rank| self.known[rank].calls).unwrap_or(self.rank)
    }

    /// Whether any other rank is at something that may take long.
    pub fn anyone_takes_long(&self) -> bool {
        self.known.iter().enumerate().any(|(rank, known)| rank != self.rank && known.long)
    }
}
