//! The models of a studio: by name, opened when they are asked for, and closed again where memory is short.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use onestep::checkpoint::{ModelHeader, USUAL_MODEL, Which, builtin_models, read_header};
use onestep::model::{ModelKind, PrecisionChoice};
use onestep::train::RunSummary;
use onestep::{Model, OpenOptions};
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;
use crate::settings::Settings;

/// What their names begin with where the library is asked.
const BUILTIN: &str = "builtin:";

/// Levels of a diffusion model's ODE where nobody chose.
const USUAL_LEVELS: usize = onestep::sample::ODE_LEVELS;

/// What is known of a model without opening it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelView {
    /// What requests call it.
    pub id: String,
    /// `consistency`, `diffusion` or `progressive`.
    pub kind: String,
    /// How it was trained.
    pub method: String,
    /// What it was trained on.
    pub data: String,
    /// Rows of its images.
    pub height: usize,
    /// Columns of its images.
    pub width: usize,
    /// Values of a pixel: 1 for grey, 3 for colors.
    pub channels: usize,
    /// Names of its classes, in order; empty where it has none, or they have no names.
    pub classes: Vec<String>,
    /// Number of its classes; none for a model without.
    pub n_classes: Option<usize>,
    /// Whether it edits pictures.
    pub edits: bool,
    /// Steps where nobody chooses.
    pub usual_steps: usize,
    /// Images it has seen in training.
    pub images_seen: u64,
    /// Whether it is open, so that the first image comes at once.
    pub open: bool,
}

/// A model on the shelf.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// What is known of it.
    pub view: ModelView,
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its file is known once it was opened; of a run, the step that is newest.
    version: u64,
    /// Bytes that it takes when it is open.
    bytes: u64,
}

impl Entry {
    /// What an error of the library means where this model computed.
    pub fn refusal(&self, error: &onestep::Error) -> Refusal {
        Refusal::of(error, &self.view.id, &self.path.display().to_string())
    }
}

/// A model that is open.
struct Opened {
    id: String,
    version: u64,
    bytes: u64,
    model: Model,
}

/// The models of a studio.
pub(crate) struct Shelf {
    entries: Vec<Entry>,
    runs: Option<PathBuf>,
    options: OpenOptions,
    model_bytes: u64,
    /// Least recently asked first.
    opened: Mutex<Vec<Opened>>,
}

impl Shelf {
    /// The models that settings name, and those that come along. Points are left out: there is no picture of one.
    pub fn new(settings: &Settings) -> onestep::Result<Self> {
        let mut entries = Vec::new();
        for model in &settings.models {
            entries.extend(entry(&model.name, model.path.clone())?);
        }
        // The usual one comes first.
        let usual = USUAL_MODEL.trim_start_matches(BUILTIN);
        let names = builtin_models();
        let first = names.iter().position(|name| name.split_once('-').is_some_and(|(set, _)| set == usual));
        let order = first.into_iter().chain((0..names.len()).filter(|&at| Some(at) != first));
        for at in order {
            let name = if Some(at) == first { usual } else { names[at] };
            if entries.iter().all(|entry| entry.view.id != name) {
                entries.extend(entry(name, format!("{BUILTIN}{name}").into())?);
            }
        }
        let options = OpenOptions::default().precision(PrecisionChoice::Auto).device(&settings.device);
        let model_bytes = settings.limits.model_bytes;
        Ok(Self { entries, runs: settings.runs.clone(), options, model_bytes, opened: Mutex::default() })
    }

    /// All models, those of runs among them, the usual one first.
    pub fn entries(&self) -> Vec<Entry> {
        let mut all = self.entries.clone();
        let runs = self.runs.as_ref().and_then(|folder| RunSummary::all_in(folder).ok()).unwrap_or_default();
        for run in runs.into_iter().filter(|run| run.step.is_some()) {
            let Some(name) = run.folder.file_name().and_then(|name| name.to_str()) else { continue };
            if all.iter().any(|entry| entry.view.id == name) {
                continue;
            }
            if let Ok(Some(entry)) = entry(name, run.folder.clone()) {
                all.push(entry);
            }
        }
        let opened = self.opened();
        for entry in &mut all {
            entry.view.open = opened.iter().any(|open| open.id == entry.view.id);
        }
        all
    }

    /// The model of a name; without one the usual one.
    pub fn find(&self, name: Option<&str>) -> Result<Entry, Refusal> {
        let known = |name: &str| self.entries.iter().find(|entry| entry.view.id == name).cloned();
        let Some(name) = name else {
            let none = || Refusal::not_found("this server has no model; start it with --model NAME=PATH");
            return self.entries.first().cloned().ok_or_else(none);
        };
        let name = name.strip_prefix(BUILTIN).unwrap_or(name);
        if let Some(entry) = known(name) {
            return Ok(entry);
        }
        let all = self.entries();
        let names: Vec<&str> = all.iter().map(|entry| entry.view.id.as_str()).collect();
        all.iter().find(|entry| entry.view.id == name).cloned().ok_or_else(|| {
            let message = format!("there is no model `{name}`; there are {}", names.join(", "));
            let mut refusal = Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message);
            refusal.problem.param = Some("model".into());
            refusal
        })
    }

    /// The model whose file has this digest, among those that are open or can be opened.
    pub fn with_digest(&self, sha256: &str) -> Option<String> {
        let is = |model: &Model| model.origin().is_some_and(|origin| origin.sha256 == sha256);
        self.entries()
            .into_iter()
            .find(|entry| self.open(entry).is_ok_and(|model| is(&model)))
            .map(|entry| entry.view.id)
    }

    /// The model itself, opened now where it was not.
    pub fn open(&self, entry: &Entry) -> onestep::Result<Model> {
        let Entry { view, path, version, bytes } = entry;
        {
            let mut opened = self.opened();
            if let Some(at) = opened.iter().position(|open| open.id == view.id) {
                let found = opened.remove(at);
                if found.version == *version {
                    let model = found.model.clone();
                    opened.push(found);
                    return Ok(model);
                }
            }
            // Room is made before the file is read.
            while !opened.is_empty()
                && opened.iter().map(|open| open.bytes).sum::<u64>() + bytes > self.model_bytes
            {
                opened.remove(0);
            }
        }
        let model = self.options.open(path)?;
        let (id, version, bytes) = (view.id.clone(), *version, *bytes);
        self.opened().push(Opened { id, version, bytes, model: model.clone() });
        Ok(model)
    }

    /// Bytes of the models that are open.
    pub fn bytes_open(&self) -> u64 {
        self.opened().iter().map(|open| open.bytes).sum()
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file says about its model; none for a model of points.
fn entry(name: &str, path: PathBuf) -> onestep::Result<Option<Entry>> {
    let summary = read_header(&path, &Which::Best)?;
    let ModelHeader { architecture, kind, method, data, class_names, sampling_levels, images_seen, .. } =
        summary.header;
    let network = architecture.build()?;
    let [height, width, channels] = network.image();
    if height * width == 1 {
        return Ok(None);
    }
    let n_values: u64 = summary.tensors.iter().map(|(_, shape)| shape.iter().product::<u64>()).sum();
    let usual_steps = match (kind, sampling_levels) {
        (ModelKind::Diffusion, _) => USUAL_LEVELS,
        (_, levels) => levels.map_or(1, |levels| levels.len()),
    };
    let view = ModelView {
        id: name.to_owned(),
        kind: kind_name(kind).into(),
        method,
        data,
        height,
        width,
        channels,
        classes: class_names,
        n_classes: network.n_classes(),
        edits: !kind.has_ode(),
        usual_steps,
        images_seen,
        open: false,
    };
    // The values in f32, and once more as the operators pack them.
    Ok(Some(Entry { view, path, version: summary.header.step, bytes: n_values * 8 }))
}

fn kind_name(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Diffusion => "diffusion",
        ModelKind::Consistency => "consistency",
        ModelKind::Progressive => "progressive",
    }
}

impl ModelView {
    /// The number of a class by its name or number.
    ///
    /// The same rule as [`Model::class_number`], for a model that is not open yet.
    pub fn class_number(&self, called: &str) -> Result<usize, Refusal> {
        let n_classes = self
            .n_classes
            .ok_or_else(|| Refusal::field("class", format!("the model `{}` has no classes", self.id)))?;
        onestep::sample::class_number(called, &self.classes, n_classes)
            .map_err(|error| Refusal::field("class", error.to_string()))
    }

    /// What a class is called.
    pub fn class_name(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }
}
