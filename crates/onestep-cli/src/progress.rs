//! Progress on stderr, and the run's `events.jsonl`.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use onestep::data::{ImageShape, Pixels, Sheet};
use onestep::observer::{Event, Flow, Observer};
use onestep::train::{EVENTS, EventLog};

use crate::failure::{Outcome, io_failure};
use crate::print::say;
use crate::show::ShowName;
use crate::signals::StopFlag;

/// A bar on a terminal; nothing where stderr is no terminal, or where quiet is asked.
pub fn bar(length: u64, unit: &str, quiet: bool) -> ProgressBar {
    let hidden =
        quiet || !std::io::stderr().is_terminal() || std::env::var_os("ONESTEP_NO_PROGRESS").is_some();
    if hidden {
        return ProgressBar::hidden();
    }
    let template = format!("{{bar:30}} {{pos}}/{{len}} {unit} {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Shows how many images are done, and passes on the wish to stop.
pub struct ImageBar {
    bar: ProgressBar,
    stop: StopFlag,
}

impl ImageBar {
    /// A bar that counts in this unit, as [`bar`].
    pub fn new(unit: &str, quiet: bool, stop: &StopFlag) -> Self {
        Self { bar: bar(0, unit, quiet), stop: stop.clone() }
    }

    /// Takes it away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for ImageBar {
    fn observe(&mut self, event: &Event) -> Flow {
        if let &Event::Progress { done, total, .. } = event {
            self.bar.set_length(total as u64);
            self.bar.set_position(done as u64);
        }
        if self.stop.is_set() { Flow::Stop } else { Flow::Continue }
    }
}

/// Watches a training run: shows it, logs it, and passes on the wish to stop.
pub struct Watch {
    bar: ProgressBar,
    log: EventLog,
    stop: StopFlag,
    quiet: bool,
    batch: u64,
    steps: u64,
    place: Arc<Place>,
    write_error: Option<std::io::Error>,
    /// How it goes, for people.
    status: String,
    /// How previews are shown, and the shape of their samples.
    shown: Option<(ShowName, ImageShape)>,
}

/// How far a run is, and how far it is saved: what a second signal would lose.
#[derive(Debug, Default)]
struct Place {
    step: AtomicU64,
    saved: AtomicU64,
}

impl Place {
    fn last_word(&self) -> String {
        let [step, saved] = [&self.step, &self.saved].map(|steps| steps.load(Ordering::Relaxed));
        match step.saturating_sub(saved) {
            0 => format!("ended at once; the checkpoint of step {saved} has everything"),
            lost if saved == 0 => {
                format!("ended at once; {} are lost, none was saved", counted(lost as usize, "step"))
            }
            lost => format!(
                "ended at once; {} since the checkpoint of step {saved} are lost",
                counted(lost as usize, "step")
            ),
        }
    }
}

impl Watch {
    /// Appends to `events.jsonl` in the run's folder.
    pub fn new(folder: &Path, steps: u64, quiet: bool, stop: StopFlag) -> Outcome<Self> {
        let log = EventLog::open(folder, steps)
            .map_err(|error| io_failure("write", &folder.join(EVENTS), &error))?;
        Ok(Self {
            bar: bar(steps, "steps", quiet),
            log,
            stop,
            quiet,
            batch: 0,
            steps,
            place: Arc::default(),
            write_error: None,
            status: String::new(),
            shown: None,
        })
    }

    /// Previews of samples of this shape are shown in the terminal as well.
    pub fn show(self, how: Option<ShowName>, shape: ImageShape) -> Self {
        Self { shown: how.map(|how| (how, shape)), ..self }
    }

    /// Shows the first preview of a step: the one of the fewest evaluations.
    fn preview(&self, step: u64, file: &Path) {
        let Some((how, shape)) = self.shown else { return };
        let shown = self.bar.suspend(|| {
            say!("step {step}: {}", file.display());
            let sheet = Pixels::read(file)?;
            how.print_preview(&Sheet::AUTO.samples(&sheet, shape)?)
        });
        // A picture that cannot be shown is no reason to end a run.
        if let Err(failure) = shown {
            failure.report();
        }
    }

    /// An error of the log, which must not end a run but must not be silent either.
    pub fn log_error(&self) -> Option<&std::io::Error> {
        self.write_error.as_ref()
    }

    /// From the first step on there is something to save.
    fn begin(&mut self, step: u64) {
        let place = self.place.clone();
        place.step.store(step, Ordering::Relaxed);
        place.saved.store(step, Ordering::Relaxed);
        self.stop.heed(self.quiet, "stopping after this step, and saving ...", move || place.last_word());
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| say!("{line}"));
        }
    }

    fn log(&mut self, event: &Event) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        if let Err(error) = self.log.write(event, Instant::now(), time as u64) {
            self.write_error.get_or_insert(error);
        }
    }

    fn step(&mut self, step: u64, images_seen: u64, loss: f64) {
        self.place.step.store(step, Ordering::Relaxed);
        self.bar.set_position(step);
        let left = self.log.speed().map_or(String::new(), |speed| {
            let seconds = (self.steps - step) as f64 * self.batch as f64 / speed;
            format!(" · {speed:.0} img/s · {} left", human_seconds(seconds))
        });
        self.status = format!("· {:.1} kimg · loss {loss:.4}{left}", images_seen as f64 / 1000.0);
        self.bar.set_message(self.status.clone());
    }
}

impl Observer for Watch {
    fn observe(&mut self, event: &Event) -> Flow {
        self.log(event);
        match event {
            Event::Step { step, images_seen, loss, .. } => self.step(*step, *images_seen, *loss),
            other => {
                if let Event::Start { batch, step, .. } = other {
                    self.batch = *batch as u64;
                    self.begin(*step);
                }
                match other {
                    Event::Skipped { step, sigma_low, sigma_high, skipped, .. } => self.say(&format!(
                        "warning: step {step} was skipped: its gradient is not finite (noise levels {sigma_low:.4} to {sigma_high:.4}; {skipped} skipped so far)"
                    )),
                    Event::Changed { key, from, to } => self.say(&format!("{key}: {from} before, {to} from here on")),
                    Event::Repaired { replaced, removed } => self.say(&format!(
                        "the data were repaired: {replaced} bad images replaced, {removed} removed"
                    )),
                    Event::BadImage { source, reason, count } => self.say(&format!(
                        "warning: passed over {source}: {reason} ({count} bad so far)"
                    )),
                    Event::Checkpoint { step, folder } => {
                        self.place.saved.store(*step, Ordering::Relaxed);
                        // Where there is no bar, these lines are all that tells how it goes.
                        self.say(&format!("step {step}: saved {} {}", folder.display(), self.status));
                    }
                    Event::Preview { step, files } => {
                        if let Some(file) = files.first() {
                            self.preview(*step, file);
                        }
                    }
                    Event::End { .. } => self.bar.finish_and_clear(),
                    _ => {}
                }
            }
        }
        if self.stop.is_set() { Flow::Stop } else { Flow::Continue }
    }
}

/// `40s`, `14m`, `3h20m`, `2d4h`.
pub fn human_seconds(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `1 image`, `3 images`.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_word_says_what_is_lost() {
        let word =
            |step, saved| Place { step: AtomicU64::new(step), saved: AtomicU64::new(saved) }.last_word();
        assert_eq!(word(1037, 1000), "ended at once; 37 steps since the checkpoint of step 1000 are lost");
        assert_eq!(word(12, 0), "ended at once; 12 steps are lost, none was saved");
        assert_eq!(word(1000, 1000), "ended at once; the checkpoint of step 1000 has everything");
    }
}
