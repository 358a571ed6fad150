//! `onestep tour`: what consistency models do on this machine, as a page.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use indicatif::ProgressBar;
use onestep::data::{Outputs, write_whole};
use onestep::observer::{Event, Flow, Observer};
use onestep_tour::{Stop, Tour, Visitor};

use crate::args::TourArgs;
use crate::failure::{Outcome, code, io_failure};
use crate::print::{answer, say};
use crate::progress::{bar, human_seconds};
use crate::signals::StopFlag;

/// The name of the page in its folder.
const PAGE: &str = "index.html";

/// Runs the command.
pub fn run(args: &TourArgs, quiet: bool) -> Outcome<ExitCode> {
    let stop = StopFlag::listen()?;
    let path = args.out.join(PAGE);
    // What cannot be written is found out before the tour.
    let outputs = Outputs::default().overwrite(args.overwrite);
    outputs.check(&path)?;
    std::fs::create_dir_all(&args.out).map_err(|error| io_failure("create the folder", &args.out, &error))?;
    stop.heed(quiet, "leaving the tour ...", || "left; nothing was written".into());
    let started = Instant::now();
    let mut guest = Guest { bar: bar(0, "", quiet), stop, quiet };
    let page = Tour::builtin()?.run(&mut guest)?;
    guest.bar.finish_and_clear();
    let Some(page) = page else {
        say!("left the tour; nothing was written");
        return Ok(ExitCode::from(code::STOPPED));
    };
    let html = page.html()?;
    outputs.check(&path)?;
    write_whole(&path, |file| file.write_all(html.as_bytes()))?;
    answer!("{}", path.display());
    if !quiet {
        let took = human_seconds(started.elapsed().as_secs_f64());
        say!("the tour took {took}; open {} in a browser", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Who goes along: tells of every stop, shows how far it is, and leaves when a signal comes.
struct Guest {
    bar: ProgressBar,
    stop: StopFlag,
    quiet: bool,
}

impl Observer for Guest {
    fn observe(&mut self, event: &Event) -> Flow {
        match *event {
            Event::Progress { done, total, .. } => {
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            Event::Step { .. } => self.bar.inc(1),
            _ => {}
        }
        if self.stop.is_set() { Flow::Stop } else { Flow::Continue }
    }
}

impl Visitor for Guest {
    fn arrives(&mut self, stop: Stop) {
        let number = Stop::ALL.iter().position(|&other| other == stop).unwrap_or_default() + 1;
        self.bar.set_position(0);
        if !self.quiet {
            self.bar.suspend(|| say!("{number} of {}: {}", Stop::ALL.len(), stop.name()));
        }
    }
}
