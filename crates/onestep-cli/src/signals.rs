//! Stopping: a first Ctrl-C, SIGTERM or SIGHUP ends what is at hand and saves, a second one ends at once; each says so.
//!
//! Before there is anything to save, and while nobody could look whether it was asked to stop (a network is built, data are opened), the
//! first ends at once, too. Windows has Ctrl-C and SIGTERM only; the rest is Unix.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Failure, Outcome, code, io_failure};
use crate::print::say;

/// How soon a signal is answered.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long a last word may take where standard error is stuck.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What asks to stop.
fn stopping() -> Vec<i32> {
    #[cfg(unix)]
    {
        let mut signals = vec![SIGINT, SIGTERM, signal_hook::consts::SIGUSR1];
        // `nohup` has its way.
        if !is_ignored(signal_hook::consts::SIGHUP) {
            signals.push(signal_hook::consts::SIGHUP);
        }
        signals
    }
    #[cfg(not(unix))]
    vec![SIGINT, SIGTERM]
}

/// Whether this process was started with a signal ignored; told where Linux tells it.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

/// What would end the process where an error tells more: a file size limit then fails the write, with a message.
#[cfg(unix)]
const UNHEEDED: [i32; 1] = [signal_hook::consts::SIGXFSZ];
#[cfg(not(unix))]
const UNHEEDED: [i32; 0] = [];

/// What is said when a signal comes.
struct Words {
    first: String,
    second: Box<dyn Fn() -> String + Send>,
    quiet: bool,
}

/// Set once a signal has asked to stop.
#[derive(Clone)]
pub struct StopFlag {
    asked: Arc<AtomicBool>,
    /// Of the work that looks at the flag; none while nobody does.
    words: Arc<Mutex<Option<Words>>>,
    /// Whether it was said what the first signal leads to.
    said: Arc<AtomicBool>,
}

impl StopFlag {
    /// Listens for Ctrl-C, SIGTERM and, where there are such, SIGHUP and SIGUSR1.
    pub fn listen() -> Outcome<Self> {
        let flag = Self { asked: Arc::default(), words: Arc::default(), said: Arc::default() };
        let came = Arc::new(AtomicBool::new(false));
        for signal in stopping() {
            for set in [&flag.asked, &came] {
                signal_hook::flag::register(signal, set.clone()).map_err(|error| not_listening(&error))?;
            }
        }
        for signal in UNHEEDED {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
                .map_err(|error| not_listening(&error))?;
        }
        let watched = flag.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || watched.watch(&came))
            .map_err(|error| not_listening(&error))?;
        Ok(flag)
    }

    /// From now on somebody looks at the flag: `first` says what a first signal leads to, `second` what a second one loses.
    pub fn heed(&self, quiet: bool, first: impl Into<String>, second: impl Fn() -> String + Send + 'static) {
        let words = Words { first: first.into(), second: Box::new(second), quiet };
        *self.words() = Some(words);
    }

    /// Whether a signal has asked to stop.
    pub fn is_set(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            // Work may look sooner than the thread that answers.
            self.say_first(&self.words());
        }
        asked
    }

    /// Answers signals as they come.
    fn watch(&self, came: &AtomicBool) {
        let mut before = false;
        loop {
            std::thread::sleep(PATIENCE);
            if !came.swap(false, Ordering::Relaxed) {
                continue;
            }
            let words = self.words();
            match &*words {
                None => end("stopped before anything was begun".into()),
                Some(words) if before => end((words.second)()),
                Some(_) => self.say_first(&words),
            }
            before = true;
        }
    }

    fn words(&self) -> MutexGuard<'_, Option<Words>> {
        self.words.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn say_first(&self, words: &Option<Words>) {
        if let Some(Words { first, quiet: false, .. }) = words
            && !self.said.swap(true, Ordering::Relaxed)
        {
            say_in_time(first.clone());
        }
    }
}

fn end(last: String) -> ! {
    say_in_time(last);
    std::process::exit(i32::from(code::STOPPED))
}

/// Says something, but does not wait for ever where whoever should hear it does not take it.
pub fn say_in_time(line: String) {
    let (said, wait) = mpsc::channel();
    std::thread::spawn(move || {
        say!("{line}");
        let _ = said.send(());
    });
    let _ = wait.recv_timeout(LAST_WORD);
}

fn not_listening(error: &std::io::Error) -> Failure {
    io_failure("listen for signals for", std::path::Path::new("this process"), error)
}
