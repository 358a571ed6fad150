//! The log of a run: its events as lines of JSON, few enough to read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::observer::Event;
use super::run::EVENTS;

/// How far back speed looks: recent steps say more than the warm-up.
const WINDOW: Duration = Duration::from_secs(30);

/// Lines that tell the story of a run of any length.
const LINES: u64 = 4000;

/// Appends the events of a run to its `events.jsonl`, with the times that whoever watches reads: steps so seldom that a few
/// thousand lines tell of a run of any length, each with the mean loss since the last (`mean_loss`), all else at once.
#[derive(Debug)]
pub struct EventLog {
    file: BufWriter<File>,
    steps: u64,
    log_every: u64,
    recent: VecDeque<(Instant, u64)>,
    losses: f64,
    n_losses: u64,
}

impl EventLog {
    /// Opens the log in the folder of a run of so many steps; what is in it stays.
    ///
    /// # Errors
    ///
    /// Whatever opening the file meets.
    pub fn open(folder: impl AsRef<Path>, steps: u64) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(folder.as_ref().join(EVENTS))?;
        Ok(Self {
            file: BufWriter::new(file),
            steps,
            log_every: (steps / LINES).max(1),
            recent: VecDeque::new(),
            losses: 0.0,
            n_losses: 0,
        })
    }

    /// Takes an event that was told at `now`, `unix_millis` milliseconds after 1970.
    ///
    /// # Errors
    ///
    /// Whatever writing meets; it should not end a run.
    pub fn write(&mut self, event: &Event, now: Instant, unix_millis: u64) -> io::Result<()> {
        let mut more = json!({ "unix_millis": unix_millis });
        if let &Event::Step { step, images_seen, loss, .. } = event {
            self.recent.push_back((now, images_seen));
            while self.recent.len() > 2 && now.duration_since(self.recent[1].0) > WINDOW {
                self.recent.pop_front();
            }
            self.losses += loss;
            self.n_losses += 1;
            if !step.is_multiple_of(self.log_every) && step != self.steps {
                return Ok(());
            }
            more["mean_loss"] = json!(self.losses / self.n_losses as f64);
            (self.losses, self.n_losses) = (0.0, 0);
        }
        more["images_per_second"] = json!(self.speed());
        let mut line = serde_json::to_value(event)?;
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        writeln!(self.file, "{line}")?;
        self.file.flush()
    }

    /// Images a second over the last half minute.
    pub fn speed(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.recent.front()?, self.recent.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (to - from) as f64 / seconds)
    }
}
