//! How long a rank waits for another that lives but does not come.

use std::time::Duration;

/// How many times longer than it took itself a rank waits for the others.
const TIMES: u32 = 10;

/// How long a rank waits for one that is known to be at something long: writing a checkpoint, drawing previews, getting ready.
const LONG: Duration = Duration::from_secs(3600);

/// How long this rank waits for others: they do what it does, so that how long it took itself tells how long they may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    least: Duration,
    longest: Duration,
}

impl Patience {
    /// Never less than twice the watchdog: one that is not heard of is found before.
    pub fn new(watchdog: Duration) -> Self {
        Self { least: watchdog * 2, longest: Duration::ZERO }
    }

    /// This rank has taken so long from one meeting to the next.
    pub fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    /// Whether having waited so long is too long.
    pub fn is_over(&self, waited: Duration, anyone_takes_long: bool) -> bool {
        let limit = self.least.max(self.longest * TIMES);
        waited > if anyone_takes_long { limit.max(LONG) } else { limit }
    }
}
