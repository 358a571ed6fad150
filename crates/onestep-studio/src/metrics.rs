//! Counters, as Prometheus reads them.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::job::Status;

/// Upper ends of the ranges that seconds of jobs are counted in.
const SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

/// Counters since the studio opened.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Images made.
    pub images: AtomicU64,
    /// Network evaluations of them.
    pub evaluations: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    /// Answers by the hundred of their status, from 1xx on.
    answers: [AtomicU64; 5],
    /// Jobs that took no longer than each of the ends.
    took: [AtomicU64; SECONDS.len()],
    /// Microseconds of all jobs.
    took_micros: AtomicU64,
    jobs: AtomicU64,
}

/// What is so at the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that are computed.
    pub running: usize,
    /// Bytes of open models.
    pub model_bytes: u64,
    /// Connections that are open.
    pub connections: usize,
    /// Seconds since the studio opened.
    pub seconds: f64,
}

impl Metrics {
    /// A job is over.
    pub fn job(&self, status: Status, took: Duration) {
        let counter = match status {
            Status::Done => &self.done,
            Status::Cancelled => &self.cancelled,
            _ => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(1, Ordering::Relaxed);
        self.took_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
        for (end, counter) in SECONDS.iter().zip(&self.took) {
            if took.as_secs_f64() <= *end {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A request was answered.
    pub fn answer(&self, status: u16) {
        if let Some(counter) = self.answers.get((status / 100).saturating_sub(1) as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them as text.
    pub fn text(&self, gauges: Gauges) -> String {
        let mut text = String::new();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut head = |name: &str, kind: &str, help: &str, lines: &[String]| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            lines.iter().for_each(|line| {
                let _ = writeln!(text, "{line}");
            });
        };
        let one = |name: &str, value: f64| vec![format!("{name} {value}")];
        head(
            "onestep_images_total",
            "counter",
            "Images made.",
            &one("onestep_images_total", read(&self.images) as f64),
        );
        let evaluations = read(&self.evaluations) as f64;
        head(
            "onestep_evaluations_total",
            "counter",
            "Network evaluations.",
            &one("onestep_evaluations_total", evaluations),
        );
        let jobs = [("done", &self.done), ("failed", &self.failed), ("cancelled", &self.cancelled)];
        let jobs = jobs
            .map(|(status, counter)| format!("onestep_jobs_total{{status=\"{status}\"}} {}", read(counter)));
        head("onestep_jobs_total", "counter", "Jobs that are over.", &jobs);
        let answers: Vec<String> = (1..)
            .zip(&self.answers)
            .map(|(hundred, counter)| {
                format!("onestep_http_responses_total{{status=\"{hundred}xx\"}} {}", read(counter))
            })
            .collect();
        head("onestep_http_responses_total", "counter", "Answers by status.", &answers);
        let mut took: Vec<String> = SECONDS
            .iter()
            .zip(&self.took)
            .map(|(end, counter)| format!("onestep_job_seconds_bucket{{le=\"{end}\"}} {}", read(counter)))
            .collect();
        took.push(format!("onestep_job_seconds_bucket{{le=\"+Inf\"}} {}", read(&self.jobs)));
        took.push(format!("onestep_job_seconds_sum {}", read(&self.took_micros) as f64 / 1e6));
        took.push(format!("onestep_job_seconds_count {}", read(&self.jobs)));
        head("onestep_job_seconds", "histogram", "Seconds that jobs were computed.", &took);
        head(
            "onestep_jobs_waiting",
            "gauge",
            "Jobs that wait.",
            &one("onestep_jobs_waiting", gauges.waiting as f64),
        );
        head(
            "onestep_jobs_running",
            "gauge",
            "Jobs that are computed.",
            &one("onestep_jobs_running", gauges.running as f64),
        );
        let bytes = gauges.model_bytes as f64;
        head("onestep_model_bytes", "gauge", "Bytes of open models.", &one("onestep_model_bytes", bytes));
        let connections = gauges.connections as f64;
        head("onestep_connections", "gauge", "Open connections.", &one("onestep_connections", connections));
        head(
            "onestep_uptime_seconds",
            "gauge",
            "Seconds since the start.",
            &one("onestep_uptime_seconds", gauges.seconds),
        );
        text
    }
}
