//! Jobs and runs as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::view::JobView;
use crate::encoding::FileFormat;
use crate::job::{Job, Partial, Status};
use crate::studio::Studio;

/// An event of a stream.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes the lines of an event, which are written as such")]
pub(super) struct ServerSentEvent {
    /// What happened.
    event: String,
    /// More about it, as JSON.
    data: String,
}

/// An event of this name.
pub(super) fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// A stream of events that goes on as long as something tells of changes.
pub(super) fn stream<F>(
    news: watch::Receiver<u64>,
    next: F,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    F: FnMut() -> (Vec<Event>, bool) + Send + 'static,
{
    struct Listening<F> {
        news: watch::Receiver<u64>,
        next: F,
        ready: VecDeque<Event>,
        over: bool,
    }
    let listening = Listening { news, next, ready: VecDeque::new(), over: false };
    let events = unfold(listening, |mut listening| async move {
        loop {
            if let Some(event) = listening.ready.pop_front() {
                return Some((Ok(event), listening));
            }
            if listening.over {
                return None;
            }
            listening.news.mark_unchanged();
            let (ready, over) = (listening.next)();
            listening.ready = ready.into();
            listening.over = over;
            if listening.ready.is_empty() && !over && listening.news.changed().await.is_err() {
                return None;
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// A picture inside JSON.
pub(super) fn data_url(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// An image after one of its steps.
fn partial_event(partial: &Partial) -> Option<Event> {
    let png = FileFormat::Png.encode(&partial.pixels, 100, None).ok()?;
    Some(event("partial", &json!({ "index": partial.index, "step": partial.step, "image": data_url(&png) })))
}

/// Every change of a job, until it is over.
pub(super) fn of_job(studio: Studio, job: Arc<Job>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let news = job.listen();
    let (mut n_partials, mut told) = (0, None);
    stream(news, move || {
        let mut ready = Vec::new();
        let (status, done, total, partials, problem) = {
            let progress = job.progress();
            let new: Vec<Partial> = progress.partials.iter().skip(n_partials).cloned().collect();
            n_partials = progress.partials.len();
            (progress.status, progress.done, progress.total, new, progress.problem.clone())
        };
        ready.extend(partials.iter().filter_map(partial_event));
        if told != Some((status, done)) {
            told = Some((status, done));
            ready.push(match status {
                Status::Queued => event("queued", &json!({ "position": studio.inner.jobs.position(&job) })),
                Status::Running => event("running", &json!({ "done": done, "total": total })),
                Status::Done => {
                    let view = JobView::of(&job, &studio.inner.jobs);
                    event("done", &serde_json::to_value(view).unwrap_or_default())
                }
                Status::Failed => {
                    event("failed", &json!({ "error": problem.map(|refusal| refusal.problem) }))
                }
                Status::Cancelled => event("cancelled", &json!({})),
            });
        }
        (ready, status.is_over())
    })
}
