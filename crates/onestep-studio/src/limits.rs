//! What one request, and all of them together, may ask for.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// What one request, and all of them together, may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Limits {
    /// Jobs that may wait; one more is answered 429.
    pub waiting_jobs: usize,
    /// Images of one job.
    pub images: usize,
    /// Steps of one job.
    pub steps: usize,
    /// Images between two ends.
    pub frames: usize,
    /// Bytes of a body of JSON.
    pub json_bytes: usize,
    /// Bytes of a body with pictures.
    pub upload_bytes: usize,
    /// Pixels of a picture.
    pub pixels: usize,
    /// Bytes of all pictures that came in and are kept; one more is answered 507.
    pub input_bytes: u64,
    /// Seconds that a job may compute.
    pub job_seconds: u64,
    /// Seconds that results which are not kept on disk can be had; then they are answered 410.
    pub result_seconds: u64,
    /// Bytes of such results in all; the oldest go first.
    pub result_bytes: usize,
    /// Bytes of memory for open models; the one that was asked longest ago goes first.
    pub model_bytes: u64,
    /// Connections at a time.
    pub connections: usize,
    /// Seconds for a request to arrive, its head and its body each.
    pub arrival_seconds: u64,
    /// Seconds for what goes on to end when the server stops.
    pub farewell_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_jobs: 64,
            images: 64,
            steps: 1000,
            frames: 64,
            json_bytes: 1 << 20,
            upload_bytes: 20 << 20,
            pixels: 1 << 24,
            input_bytes: 2 << 30,
            job_seconds: 600,
            result_seconds: 600,
            result_bytes: 256 << 20,
            model_bytes: 4 << 30,
            connections: 256,
            arrival_seconds: 10,
            farewell_seconds: 10,
        }
    }
}

impl Limits {
    /// How long results can be had.
    pub(crate) fn result_time(&self) -> Duration {
        Duration::from_secs(self.result_seconds)
    }

    /// How long a request may take to arrive.
    pub(crate) fn arrival_time(&self) -> Duration {
        Duration::from_secs(self.arrival_seconds)
    }
}
