//! Pictures that are kept: each job a record and its files, there whole or not at all, so that nothing that was finished is lost.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onestep::data::{DataError, write_whole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job::{CurveView, Job, Outcome};
use crate::refusal::Refusal;
use crate::request::JobRequest;

/// An image of a job, as answers name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImageView {
    /// What it is called.
    pub id: String,
    /// Where it can be had, as a PNG.
    pub url: String,
    /// Its seed.
    pub seed: u64,
    /// What its class is called.
    #[serde(default)]
    pub class: Option<String>,
}

/// A job that was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryEntry {
    /// The job.
    pub id: String,
    /// When it was asked, in milliseconds since 1970.
    pub created_at: u64,
    /// What was asked, so that it can be asked again.
    pub request: JobRequest,
    /// Its images.
    pub images: Vec<ImageView>,
    /// Addresses of what went into an edit, as the model sees it.
    pub before: Vec<String>,
    /// Network evaluations an image.
    pub evaluations: usize,
    /// How long it took.
    pub milliseconds: f64,
    /// The curve that was measured.
    #[serde(default)]
    pub curve: Option<CurveView>,
}

/// Where an image can be had.
pub(crate) fn image_url(id: &str) -> String {
    format!("/api/v1/images/{id}")
}

/// What the images of a job are called.
pub(crate) fn image_id(job: &str, index: usize) -> String {
    format!("{job}-{index}")
}

/// What the pictures that went into an edit are called.
pub(crate) fn before_id(job: &str, index: usize) -> String {
    format!("{job}-before-{index}")
}

/// The images of a job that is done, as answers name them.
pub(crate) fn image_views(job: &str, outcome: &Outcome) -> Vec<ImageView> {
    let view = |(index, made): (usize, &crate::job::Made)| {
        let id = image_id(job, index);
        ImageView { url: image_url(&id), id, seed: made.seed, class: made.class.clone() }
    };
    outcome.made.iter().enumerate().map(view).collect()
}

/// Jobs that were kept.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    /// By time, then by name.
    known: Mutex<BTreeSet<(u64, String)>>,
    /// Pictures that came in and that they need.
    inputs: Mutex<BTreeSet<String>>,
}

impl History {
    /// Those in a folder that exists. What cannot be read is passed over; it stays where it is.
    pub fn open(folder: PathBuf) -> Self {
        let history = Self { folder, known: Mutex::default(), inputs: Mutex::default() };
        for entry in fs::read_dir(&history.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(id) = name.strip_suffix(".json") else { continue };
            if let Some(found) = history.read(id) {
                history.index(&found);
            }
        }
        history
    }

    fn index(&self, entry: &HistoryEntry) {
        lock(&self.known).insert((entry.created_at, entry.id.clone()));
        lock(&self.inputs).extend(entry.request.pictures().map(str::to_owned));
    }

    /// Keeps a job: its pictures first, its record last, so that a record always has its pictures.
    pub fn keep(&self, job: &Arc<Job>, outcome: &Outcome) -> onestep::Result<()> {
        let write = |name: String, bytes: &[u8]| {
            write_whole(&self.folder.join(name), |file| file.write_all(bytes)).map_err(onestep::Error::from)
        };
        for (index, made) in outcome.made.iter().enumerate() {
            write(format!("{}.png", image_id(&job.id, index)), &made.png)?;
        }
        for (index, png) in outcome.before.iter().enumerate() {
            write(format!("{}.png", before_id(&job.id, index)), png)?;
        }
        let entry = HistoryEntry {
            id: job.id.clone(),
            created_at: job.created,
            request: job.request.clone(),
            images: image_views(&job.id, outcome),
            before: (0..outcome.before.len()).map(|index| image_url(&before_id(&job.id, index))).collect(),
            evaluations: outcome.evaluations,
            milliseconds: outcome.milliseconds,
            curve: outcome.curve.clone(),
        };
        let json = serde_json::to_vec_pretty(&entry).map_err(|error| DataError::Setting {
            setting: "record",
            reason: format!("has no JSON form: {error}"),
        })?;
        write(format!("{}.json", job.id), &json)?;
        self.index(&entry);
        Ok(())
    }

    /// The newest, up to `n`, of those that are older than `before` (milliseconds since 1970), and whether there are more.
    pub fn list(&self, before: Option<u64>, n: usize) -> (Vec<HistoryEntry>, bool) {
        let known = lock(&self.known);
        let older = |(created, _): &&(u64, String)| before.is_none_or(|before| *created < before);
        let names: Vec<String> =
            known.iter().rev().filter(older).take(n + 1).map(|(_, id)| id.clone()).collect();
        drop(known);
        let more = names.len() > n;
        (names.iter().take(n).filter_map(|id| self.read(id)).collect(), more)
    }

    /// One of them.
    pub fn find(&self, id: &str) -> Result<HistoryEntry, Refusal> {
        self.read(id).ok_or_else(|| Refusal::not_found("nothing of this name was kept"))
    }

    /// Takes one away for good, record first.
    pub fn remove(&self, id: &str) -> Result<(), Refusal> {
        let entry = self.find(id)?;
        let _ = fs::remove_file(self.folder.join(format!("{id}.json")));
        for index in 0..entry.images.len() {
            let _ = fs::remove_file(self.folder.join(format!("{}.png", image_id(id, index))));
        }
        for index in 0..entry.before.len() {
            let _ = fs::remove_file(self.folder.join(format!("{}.png", before_id(id, index))));
        }
        lock(&self.known).remove(&(entry.created_at, entry.id));
        Ok(())
    }

    /// A kept image by its name.
    pub fn image(&self, id: &str) -> Option<Vec<u8>> {
        is_name(id).then(|| fs::read(self.folder.join(format!("{id}.png"))).ok()).flatten()
    }

    /// Whether a kept job needs a picture that came in.
    pub fn needs(&self, input: &str) -> bool {
        lock(&self.inputs).contains(input)
    }

    fn read(&self, id: &str) -> Option<HistoryEntry> {
        if !is_name(id) {
            return None;
        }
        serde_json::from_slice(&fs::read(self.folder.join(format!("{id}.json"))).ok()?).ok()
    }
}

/// Whether a name is one that is given here: no path is.
pub(crate) fn is_name(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
