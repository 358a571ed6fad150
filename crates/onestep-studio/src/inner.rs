//! All that a studio has, which whoever answers and whoever computes share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use crate::history::History;
use crate::input::Inputs;
use crate::job::Job;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::request::JobRequest;
use crate::settings::Settings;
use crate::shelf::Shelf;
use crate::training::Training;

/// All that a studio has.
pub(crate) struct Inner {
    pub settings: Settings,
    pub shelf: Shelf,
    pub jobs: Jobs,
    pub inputs: Inputs,
    pub history: History,
    pub training: Training,
    pub metrics: Metrics,
    pub connections: AtomicUsize,
    pub opened: Instant,
    /// Uploads that are decoded at a time.
    pub decoding: tokio::sync::Semaphore,
}

impl Inner {
    /// Takes pictures away that came in and that nothing needs.
    pub fn sweep(&self) {
        self.inputs.sweep(|input| self.history.needs(input));
    }

    /// Takes in what was asked, if it can be done. Decodes pictures, which takes a while.
    pub fn ask(&self, request: JobRequest, live: bool) -> Result<Arc<Job>, Refusal> {
        let request = request.settled();
        let Self { shelf, inputs, .. } = self;
        // What is wrong is found out before a picture is written.
        let work = request.work(shelf, inputs, &self.settings.limits)?;
        let keeps = !live && request.keep.unwrap_or(true) && request.pictures().next().is_some();
        let (request, work) = if keeps {
            // Read again from the files, so that the results name them.
            let request = request.with_kept_pictures(inputs)?;
            let work = request.work(shelf, inputs, &self.settings.limits)?;
            (request, work)
        } else {
            (request, work)
        };
        self.jobs.add(Job::new(request, work, live))
    }
}
