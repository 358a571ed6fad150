//! Training runs: begun from a recipe, watched, stopped and gone on with. One at a time, on a thread of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use axum::http::StatusCode;
use onestep::burn::tensor::Device;
use onestep::checkpoint::CheckpointError;
use onestep::data;
use onestep::observer::{Event, Flow, Observer};
use onestep::train::{
    Draft, EVENTS, EventLog, Outcome, Run, RunBuilder, RunSummary, TrainError, builtin_recipe,
    builtin_recipes,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::log::{Level, LogLine, Logger, unix_millis};
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::shelf::Shelf;

/// Where a run's previews lie.
const PREVIEWS: &str = "previews";

/// Points of a curve of losses.
const POINTS: usize = 400;

/// A recipe that a run can begin from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RecipeView {
    /// Its name.
    pub name: String,
    /// What it trains.
    pub about: String,
    /// The field's name for its method.
    pub method: String,
    /// Whether it needs a teacher.
    pub needs_teacher: bool,
    /// Its steps where nobody chooses.
    pub steps: u64,
}

/// A run to begin.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"recipe": "toy2d-ct", "name": "first", "steps": 100}))]
pub(crate) struct StartRun {
    /// A recipe that is built in.
    pub recipe: String,
    /// What the run is to be called: small letters, digits and dashes.
    pub name: String,
    /// The model that it learns from, by name, where the recipe needs one.
    #[serde(default)]
    pub teacher: Option<String>,
    /// Steps.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub steps: Option<u64>,
    /// Images of a step.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub batch: Option<u64>,
    /// The highest learning rate.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// Steps between previews.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub preview_every: Option<u64>,
}

/// A picture of fixed seeds, drawn while a run goes on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PreviewView {
    /// Where it can be had.
    pub url: String,
    /// Updates done by then.
    pub step: u64,
    /// Network evaluations an image.
    pub evaluations: u64,
}

/// A training run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct RunView {
    /// What it is called; a model of that name can be drawn from once something is saved.
    pub name: String,
    /// Its recipe.
    pub recipe: String,
    /// The field's name for its method.
    pub method: String,
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// `running`, `stopping`, `stopped`, `finished` or `failed`.
    pub state: String,
    /// Images a second, while it runs.
    pub images_per_second: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Its previews, oldest first.
    pub previews: Vec<PreviewView>,
}

/// A point of the curve of losses.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct LossPoint {
    /// Updates done.
    pub step: u64,
    /// Images seen.
    pub images_seen: u64,
    /// Mean loss since the point before.
    pub loss: f64,
    /// Mean losses by noise level, from the cleanest quarter of a batch to the noisiest.
    pub by_level: Vec<LevelPoint>,
}

/// The mean loss of a quarter of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LevelPoint {
    /// Its lowest noise level.
    pub sigma_low: f64,
    /// Its highest noise level.
    pub sigma_high: f64,
    /// Its mean loss.
    pub loss: f64,
}

/// How the run that goes on is going.
#[derive(Debug, Clone, Default)]
struct Going {
    step: u64,
    steps: u64,
    images_per_second: Option<f64>,
    over: Option<Result<bool, String>>,
}

struct Active {
    name: String,
    stop: Arc<AtomicBool>,
    going: Arc<Mutex<Going>>,
    thread: Option<JoinHandle<()>>,
}

/// The runs of a studio.
pub(crate) struct Training {
    folder: Option<PathBuf>,
    device: Device,
    available_memory: Option<u64>,
    log: Logger,
    active: Mutex<Option<Active>>,
    /// Whether a run is being opened, which takes a while.
    opening: AtomicBool,
    news: Arc<watch::Sender<u64>>,
}

impl Training {
    /// Those of a folder, which need not exist; none where runs have no folder.
    pub fn new(settings: &Settings) -> Self {
        Self {
            folder: settings.runs.clone(),
            device: settings.device.clone(),
            available_memory: settings.available_memory,
            log: settings.log.clone(),
            active: Mutex::default(),
            opening: AtomicBool::new(false),
            news: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The recipes that runs can begin from: those that need no files that are not there.
    pub fn recipes(&self) -> Vec<RecipeView> {
        let view = |(name, text): &(&str, &str)| {
            let draft = Draft::read(text, &[]).ok()?;
            let built_in = draft.data.source.starts_with("builtin:");
            built_in.then(|| RecipeView {
                name: (*name).into(),
                about: draft.about.clone(),
                method: draft.method().into(),
                needs_teacher: draft.needs_teacher(),
                steps: draft.train.steps,
            })
        };
        builtin_recipes().iter().filter_map(view).collect()
    }

    /// Begins a run.
    pub fn start(&self, asked: &StartRun, shelf: &Shelf) -> Result<RunView, Refusal> {
        let folder = self.folder_of(&asked.name)?;
        if !self.recipes().iter().any(|recipe| recipe.name == asked.recipe) {
            let message = format!("there is no recipe `{}` that can be begun here", asked.recipe);
            return Err(Refusal::field("recipe", message));
        }
        let text =
            builtin_recipe(&asked.recipe).map_err(|error| Refusal::field("recipe", error.to_string()))?;
        let settings = [
            ("train.steps", asked.steps.map(|value| value.to_string())),
            ("train.batch", asked.batch.map(|value| value.to_string())),
            ("train.learning_rate.peak", asked.learning_rate.map(|value| format!("{value:e}"))),
            ("train.preview_every", asked.preview_every.map(|value| value.to_string())),
        ];
        let settings: Vec<String> =
            settings.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect();
        let invalid = |error: onestep::Error| Refusal::of(&error, "", "");
        let mut draft = Draft::read(text, &settings).map_err(|error| invalid(error.into()))?;
        match (&asked.teacher, draft.needs_teacher()) {
            (Some(teacher), true) => {
                draft.train.teacher = Some(shelf.find(Some(teacher))?.path.display().to_string());
            }
            (None, true) => {
                return Err(Refusal::field(
                    "teacher",
                    format!("`{}` needs a teacher: a diffusion model", asked.recipe),
                ));
            }
            (Some(_), false) => {
                return Err(Refusal::field("teacher", format!("`{}` takes no teacher", asked.recipe)));
            }
            (None, false) => {}
        }
        let data = data::open(&draft.data).map_err(|error| invalid(error.into()))?;
        let recipe = draft.settled(&*data).map_err(|error| invalid(error.into()))?;
        let _opening = self.room()?;
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(|_| Refusal::internal())?;
        }
        let builder = self.builder(recipe).data(data);
        let run = builder.create(&folder).map_err(|error| self.refused(&error, &asked.name))?;
        self.begin(&asked.name, run);
        self.view(&asked.name)
    }

    /// Goes on with a run where its last checkpoint left it.
    pub fn resume(&self, name: &str) -> Result<RunView, Refusal> {
        let folder = self.known(name)?;
        let _opening = self.room()?;
        let recipe = Run::recipe_in(&folder, &[]).map_err(|error| self.refused(&error, name))?;
        let run = self.builder(recipe).resume(&folder).map_err(|error| self.refused(&error, name))?;
        self.begin(name, run);
        self.view(name)
    }

    /// Asks the run that goes on to save and stop.
    pub fn stop(&self, name: &str) -> Result<RunView, Refusal> {
        self.known(name)?;
        match &*self.active() {
            Some(active) if active.name == name && active.going().over.is_none() => {
                active.stop.store(true, Ordering::Relaxed);
            }
            _ => {
                return Err(Refusal::new(
                    StatusCode::CONFLICT,
                    "not_running",
                    format!("the run `{name}` does not run"),
                ));
            }
        }
        self.tell();
        self.view(name)
    }

    /// All runs, by name.
    pub fn list(&self) -> Vec<RunView> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("recipe.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names.iter().filter_map(|name| self.view(name).ok()).collect()
    }

    /// One of them.
    pub fn view(&self, name: &str) -> Result<RunView, Refusal> {
        let folder = self.known(name)?;
        let summary = RunSummary::of(&folder).map_err(|error| self.refused(&error, name))?;
        let mut view = RunView {
            name: name.into(),
            recipe: summary.name,
            method: summary.method,
            step: summary.step.unwrap_or_default(),
            steps: summary.steps,
            state: if summary.step >= Some(summary.steps) { "finished" } else { "stopped" }.into(),
            images_per_second: None,
            error: None,
            previews: previews(name, &folder),
        };
        if let Some(active) = self.active().as_ref().filter(|active| active.name == name) {
            let going = active.going().clone();
            view.step = view.step.max(going.step);
            match going.over {
                None => {
                    let stopping = active.stop.load(Ordering::Relaxed);
                    view.state = if stopping { "stopping" } else { "running" }.into();
                    view.images_per_second = going.images_per_second;
                }
                Some(Err(error)) => {
                    view.state = "failed".into();
                    view.error = Some(error);
                }
                Some(Ok(_)) => {}
            }
        }
        Ok(view)
    }

    /// The losses of a run so far, few enough to draw.
    pub fn losses(&self, name: &str) -> Result<Vec<LossPoint>, Refusal> {
        let path = self.known(name)?.join(EVENTS);
        let Ok(file) = fs::File::open(path) else { return Ok(Vec::new()) };
        let point = |line: String| {
            let event: Value = serde_json::from_str(&line).ok()?;
            (event["event"] == "step").then_some(())?;
            Some(LossPoint {
                step: event["step"].as_u64()?,
                images_seen: event["images_seen"].as_u64()?,
                loss: event["mean_loss"].as_f64().or(event["loss"].as_f64())?,
                by_level: serde_json::from_value(event["loss_by_level"].clone()).unwrap_or_default(),
            })
        };
        let all: Vec<LossPoint> =
            BufReader::new(file).lines().map_while(Result::ok).filter_map(point).collect();
        let every = all.len().div_ceil(POINTS).max(1);
        let last = all.len().saturating_sub(1);
        Ok(all
            .into_iter()
            .enumerate()
            .filter(|(at, _)| at % every == 0 || *at == last)
            .map(|(_, point)| point)
            .collect())
    }

    /// A preview by its name.
    pub fn preview(&self, name: &str, file: &str) -> Result<Vec<u8>, Refusal> {
        let folder = self.known(name)?.join(PREVIEWS);
        let gone = || Refusal::not_found("there is no such preview");
        if !is_preview(file) {
            return Err(gone());
        }
        fs::read(folder.join(format!("{file}.png"))).map_err(|_| gone())
    }

    /// Who wants to hear of every change.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Asks what goes on to save and stop, and waits until it has.
    pub fn close(&self) {
        let thread = self.active().as_mut().and_then(|active| {
            active.stop.store(true, Ordering::Relaxed);
            active.thread.take()
        });
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn builder(&self, recipe: onestep::train::Recipe) -> RunBuilder {
        let builder = RunBuilder::new(recipe).device(self.device.clone());
        match self.available_memory {
            Some(bytes) => builder.available_memory(bytes),
            None => builder,
        }
    }

    fn begin(&self, name: &str, mut run: Run) {
        let (stop, going) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Going::default())));
        let steps = run.recipe().train.steps;
        lock(&going).steps = steps;
        lock(&going).step = run.trainer().state().step;
        let log = EventLog::open(run.folder(), steps).ok();
        let mut watch = Watch {
            stop: stop.clone(),
            going: going.clone(),
            news: self.news.clone(),
            log,
            told: Instant::now(),
        };
        let (going_there, news, logger, named) =
            (going.clone(), self.news.clone(), self.log.clone(), name.to_owned());
        let thread = std::thread::Builder::new().name("training".into()).spawn(move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.train(&mut watch)));
            drop(run);
            let over = match ended {
                Ok(Ok(ended)) => Ok(ended == Outcome::Finished),
                Ok(Err(error)) => {
                    logger(&LogLine::new(Level::Error, None, format!("the run {named} ended: {error}")));
                    Err(error.to_string())
                }
                Err(_) => {
                    logger(&LogLine::new(Level::Error, None, format!("the run {named} ended in a panic")));
                    Err("it ended in a fault of the program; the log of the server says more".into())
                }
            };
            lock(&going_there).over = Some(over);
            news.send_modify(|number| *number += 1);
        });
        let over = thread.as_ref().err().map(|error| Err(error.to_string()));
        lock(&going).over = over;
        *self.active() = Some(Active { name: name.into(), stop, going, thread: thread.ok() });
        self.tell();
    }

    /// The right to open a run, if none goes on and none is being opened.
    fn room(&self) -> Result<Opening<'_>, Refusal> {
        let busy = |name: &str| {
            let message = format!("the run{name} goes on; one is trained at a time");
            Refusal::new(StatusCode::CONFLICT, "run_active", message)
        };
        if self.opening.swap(true, Ordering::SeqCst) {
            return Err(busy(" that was asked for just now"));
        }
        let opening = Opening(&self.opening);
        match &*self.active() {
            Some(active) if active.going().over.is_none() => Err(busy(&format!(" `{}`", active.name))),
            _ => Ok(opening),
        }
    }

    /// The folder of a run of this name.
    fn folder_of(&self, name: &str) -> Result<PathBuf, Refusal> {
        let Some(folder) = &self.folder else {
            let message = "this server does not train; start it with --runs FOLDER";
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "no_runs", message));
        };
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.bytes().all(fits) {
            return Err(Refusal::field("name", "a run's name has 1 to 64 small letters, digits and dashes"));
        }
        Ok(folder.join(name))
    }

    /// The folder of a run that is there. Its name may be any that a folder of runs lists.
    fn known(&self, name: &str) -> Result<PathBuf, Refusal> {
        let gone = || Refusal::not_found(format!("there is no run `{name}`"));
        let folder = self.folder.as_ref().ok_or_else(gone)?;
        let is_plain = Path::new(name).components().count() == 1
            && !name.contains(['/', '\\', ':'])
            && !name.starts_with('.');
        let path = folder.join(name);
        (is_plain && path.join("recipe.toml").is_file()).then_some(path).ok_or_else(gone)
    }

    fn refused(&self, error: &onestep::Error, name: &str) -> Refusal {
        match error {
            onestep::Error::Checkpoint(CheckpointError::HasRun { .. }) => Refusal::new(
                StatusCode::CONFLICT,
                "run_exists",
                format!("there is a run `{name}`; choose another name"),
            ),
            onestep::Error::Train(
                error @ (TrainError::Memory { .. } | TrainError::TeacherDiffers { .. }),
            ) => Refusal::new(StatusCode::BAD_REQUEST, "invalid_recipe", error.to_string()),
            other => {
                (self.log)(&LogLine::new(Level::Error, None, format!("the run {name}: {other}")));
                Refusal::of(other, "", "")
            }
        }
    }

    fn active(&self) -> MutexGuard<'_, Option<Active>> {
        lock(&self.active)
    }

    fn tell(&self) {
        self.news.send_modify(|number| *number += 1);
    }
}

/// Held while a run is being opened.
struct Opening<'a>(&'a AtomicBool);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Active {
    fn going(&self) -> MutexGuard<'_, Going> {
        lock(&self.going)
    }
}

/// Watches a run: logs it, tells how it goes a few times a second, and passes on the wish to stop.
struct Watch {
    stop: Arc<AtomicBool>,
    going: Arc<Mutex<Going>>,
    news: Arc<watch::Sender<u64>>,
    log: Option<EventLog>,
    told: Instant,
}

impl Observer for Watch {
    fn observe(&mut self, event: &Event) -> Flow {
        let now = Instant::now();
        if let Some(log) = &mut self.log {
            let _ = log.write(event, now, unix_millis());
        }
        let mut tell = true;
        if let &Event::Step { step, .. } = event {
            let mut going = lock(&self.going);
            going.step = step;
            going.images_per_second = self.log.as_ref().and_then(EventLog::speed);
            tell = now.duration_since(self.told).as_millis() > 250;
        }
        if tell {
            self.told = now;
            self.news.send_modify(|number| *number += 1);
        }
        if self.stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    }
}

/// `step-00001000-nfe-1`.
fn is_preview(file: &str) -> bool {
    numbers_of(file).is_some()
}

fn numbers_of(file: &str) -> Option<(u64, u64)> {
    let (step, evaluations) = file.strip_prefix("step-")?.split_once("-nfe-")?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((number(step)?, number(evaluations)?))
}

fn previews(name: &str, folder: &Path) -> Vec<PreviewView> {
    let Ok(entries) = fs::read_dir(folder.join(PREVIEWS)) else { return Vec::new() };
    let view = |file: String| {
        let stem = file.strip_suffix(".png")?;
        let (step, evaluations) = numbers_of(stem)?;
        Some(PreviewView { url: format!("/api/v1/runs/{name}/previews/{stem}"), step, evaluations })
    };
    let mut found: Vec<PreviewView> =
        entries.flatten().filter_map(|entry| view(entry.file_name().into_string().ok()?)).collect();
    found.sort_by_key(|preview| (preview.step, preview.evaluations));
    found
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
