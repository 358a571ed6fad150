//! What is new in a run that goes on, and what becomes of its schedules.

use std::fmt;

/// A key of a recipe whose value is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Its value before.
    pub from: String,
    /// Its value now.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was {} and is now {}", self.key, self.from, self.to)
    }
}

/// What becomes of schedules that span the run when the run gets another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extend {
    /// They are stretched over the new length: the learning rate and the number of levels jump to where they are on the
    /// longer way.
    Schedule,
    /// They end where they would have ended, and the run goes on at the values of their end.
    End,
}

/// Where the schedules of a run are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SchedulePoint {
    /// The learning rate.
    pub learning_rate: f64,
    /// The number of levels, where the method has a grid.
    pub n_levels: Option<usize>,
}

impl fmt::Display for SchedulePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a rate of {:.3e}", self.learning_rate)?;
        self.n_levels.map_or(Ok(()), |n_levels| write!(f, " and {n_levels} levels"))
    }
}
