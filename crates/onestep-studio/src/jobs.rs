//! The jobs of a studio: those that wait, in order and no more than a limit, and those that are over, for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;

use crate::job::{Job, Status};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::work::Work;

/// Names of jobs that can be had no more, to say so.
const REMEMBERED: usize = 10_000;

/// Jobs that are over and still listed.
const LISTED: usize = 100;

/// Images that are drawn together for several jobs.
const TOGETHER: usize = 64;

#[derive(Default)]
struct Inner {
    known: HashMap<String, Arc<Job>>,
    /// Oldest first, with the bytes of their results.
    over: VecDeque<(Arc<Job>, usize)>,
    over_bytes: usize,
    waiting: VecDeque<Arc<Job>>,
    running: Vec<Arc<Job>>,
    /// What was asked with a key, so that it is asked once: the body's digest, and the job.
    keys: HashMap<String, (String, String)>,
    gone: VecDeque<String>,
    closed: bool,
}

/// The jobs of a studio.
pub(crate) struct Jobs {
    inner: Mutex<Inner>,
    came: Condvar,
    limits: Limits,
}

impl Jobs {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self { inner: Mutex::default(), came: Condvar::new(), limits }
    }

    /// Takes a job in; refuses one more than may wait.
    pub fn add(&self, job: Arc<Job>) -> Result<Arc<Job>, Refusal> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "closing", "the server is stopping"));
        }
        if job.live {
            // The latest wins: what the hand has left behind is not computed.
            let client = job.request.client.as_deref();
            let stale = |other: &Arc<Job>| other.live && other.request.client.as_deref() == client;
            let (old, rest): (Vec<_>, Vec<_>) = inner.waiting.drain(..).partition(stale);
            inner.waiting = rest.into();
            for job in old {
                job.cancel();
                retire(&mut inner, job);
            }
        }
        if inner.waiting.len() >= self.limits.waiting_jobs {
            let message =
                format!("{} jobs wait, which is all that may; ask again later", inner.waiting.len());
            return Err(Refusal::busy(message, 1));
        }
        inner.known.insert(job.id.clone(), job.clone());
        if job.live {
            let behind = inner.waiting.iter().take_while(|other| other.live).count();
            inner.waiting.insert(behind, job.clone());
        } else {
            inner.waiting.push_back(job.clone());
        }
        self.sweep_in(&mut inner);
        drop(inner);
        self.came.notify_one();
        Ok(job)
    }

    /// The job that was asked with a key before, or the right to ask it now, which is given to one alone; refuses a key that something
    /// else was asked with.
    pub fn claim(&self, key: &str, digest: &str) -> Result<Option<Arc<Job>>, Refusal> {
        let mut inner = self.lock();
        match inner.keys.get(key).cloned() {
            Some((known, _)) if known != digest => {
                let message = "something else was asked with this Idempotency-Key";
                Err(Refusal::new(StatusCode::CONFLICT, "key_used", message))
            }
            Some((_, id)) if id.is_empty() => {
                let message = "this is being asked with this Idempotency-Key just now; ask again";
                let refusal = Refusal::new(StatusCode::CONFLICT, "key_in_use", message);
                Err(Refusal { retry_after: Some(1), ..refusal })
            }
            Some((_, id)) => Ok(inner.known.get(&id).cloned()),
            None => {
                inner.keys.insert(key.to_owned(), (digest.to_owned(), String::new()));
                Ok(None)
            }
        }
    }

    /// What came of a claim: the job that was taken in, or nothing.
    pub fn settle(&self, key: &str, job: Option<&Job>) {
        let mut inner = self.lock();
        match job {
            Some(job) => {
                if let Some((_, id)) = inner.keys.get_mut(key) {
                    job.id.clone_into(id);
                }
            }
            None => {
                inner.keys.remove(key);
            }
        }
    }

    /// The job of a name: 404 where there was none, 410 where it can be had no more.
    pub fn find(&self, id: &str) -> Result<Arc<Job>, Refusal> {
        let mut inner = self.lock();
        self.sweep_in(&mut inner);
        match inner.known.get(id) {
            Some(job) => Ok(job.clone()),
            None if inner.gone.iter().any(|gone| gone == id) => {
                let message =
                    "the results of this job are not here any more; they are kept where `keep` is true";
                Err(Refusal::new(StatusCode::GONE, "gone", message))
            }
            None => Err(Refusal::not_found("there is no such job")),
        }
    }

    /// Those that are not over, in order, and the latest of those that are.
    pub fn list(&self) -> Vec<Arc<Job>> {
        let mut inner = self.lock();
        self.sweep_in(&mut inner);
        let over = inner.over.iter().rev().take(LISTED).map(|(job, _)| job);
        inner.running.iter().chain(&inner.waiting).chain(over).cloned().collect()
    }

    /// How many wait before a job; none where it does not wait.
    pub fn position(&self, job: &Job) -> Option<usize> {
        self.lock().waiting.iter().position(|waiting| waiting.id == job.id)
    }

    /// How many wait, and how many are computed.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.waiting.len(), inner.running.len())
    }

    /// Gives a job up.
    pub fn cancel(&self, id: &str) -> Result<Arc<Job>, Refusal> {
        let job = self.find(id)?;
        match job.cancel() {
            true => {
                let mut inner = self.lock();
                let before = inner.waiting.len();
                inner.waiting.retain(|waiting| waiting.id != job.id);
                if inner.waiting.len() < before {
                    retire(&mut inner, job.clone());
                }
                Ok(job)
            }
            false if job.status() == Status::Cancelled => Ok(job),
            false => {
                Err(Refusal::new(StatusCode::CONFLICT, "over", "this job is over and cannot be cancelled"))
            }
        }
    }

    /// Waits for the next jobs to compute: one, or several that are drawn in the same way. None when the studio closes.
    pub fn next(&self) -> Option<Vec<Arc<Job>>> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            if let Some(first) = inner.waiting.pop_front() {
                let mut batch = vec![first];
                self.gather(&mut inner, &mut batch);
                inner.running = batch.clone();
                return Some(batch);
            }
            inner = self.came.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes along what waits and is drawn in the same way, as long as all of it fits together.
    fn gather(&self, inner: &mut Inner, batch: &mut Vec<Arc<Job>>) {
        let key = |job: &Arc<Job>| {
            job.peek(|work| match work {
                Some(Work::Draw(work)) => Some((work.key(), work.seeds.len())),
                _ => None,
            })
        };
        let Some((wanted, mut n)) = key(&batch[0]).filter(|_| !batch[0].live) else { return };
        let (mut rest, mut full) = (VecDeque::new(), false);
        for job in inner.waiting.drain(..) {
            match key(&job) {
                // In order: what does not fit any more is not passed by what came later.
                Some((other, more)) if !full && !job.live && other == wanted => {
                    full = n + more > TOGETHER;
                    if full {
                        rest.push_back(job);
                    } else {
                        n += more;
                        batch.push(job);
                    }
                }
                _ => rest.push_back(job),
            }
        }
        inner.waiting = rest;
    }

    /// What was computed is over.
    pub fn done(&self) {
        let mut inner = self.lock();
        for job in std::mem::take(&mut inner.running) {
            retire(&mut inner, job);
        }
        self.sweep_in(&mut inner);
    }

    /// No more jobs: those that wait are given up, and what is computed is cancelled.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        for job in std::mem::take(&mut inner.waiting) {
            job.cancel();
            retire(&mut inner, job);
        }
        inner.running.iter().for_each(|job| {
            job.cancel();
        });
        drop(inner);
        self.came.notify_all();
    }

    /// Forgets what has been over for long, or is too much.
    fn sweep_in(&self, inner: &mut Inner) {
        while let Some((oldest, bytes)) = inner.over.front() {
            let is_old = oldest.over_since().is_some_and(|age| age > self.limits.result_time());
            if !is_old && inner.over_bytes <= self.limits.result_bytes && inner.over.len() <= REMEMBERED {
                break;
            }
            let (id, bytes) = (oldest.id.clone(), *bytes);
            inner.over.pop_front();
            inner.over_bytes -= bytes;
            inner.known.remove(&id);
            inner.keys.retain(|_, (_, other)| *other != id);
            inner.gone.push_back(id);
            if inner.gone.len() > REMEMBERED {
                inner.gone.pop_front();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a job among those that are over.
fn retire(inner: &mut Inner, job: Arc<Job>) {
    let bytes = job.result_bytes();
    inner.over_bytes += bytes;
    inner.over.push_back((job, bytes));
}
