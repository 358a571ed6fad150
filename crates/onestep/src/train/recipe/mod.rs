//! Recipes: complete descriptions of training runs, read and written as TOML.
//!
//! A recipe is the run: nothing about it is decided by a flag elsewhere, by a default that differs between
//! commands, or by which files happen to lie around. Misspelt keys are refused.

mod bounds;
mod check;
mod network;
mod settings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::method::{MethodSettings, Objective};
use super::training::{Noise, Start, Train};
use super::{Decay, RecipeError, SchedulePoint, builtin_recipe};
use crate::checkpoint::{Format, ModelHeader};
use crate::data::{self, DataSpec, Dataset, Labels};
use crate::model::network::Architecture;
use crate::model::{ModelKind, Network, Preconditioning};
use crate::noise::{LevelsError, SamplingLevels};
use crate::objective::Distance;
use crate::sample::SamplingProfile;
use crate::{ImageSize, TOOL};

pub use network::NetworkTable;
use settings::{apply_setting, parse_error, set_to_nonsense, takes_away};

/// A complete description of a training run.
///
/// As it is written, a recipe may leave to its data what only they can tell: then it is a [`Draft`], and
/// [settled](Draft::settled) it is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe<N = Architecture> {
    /// Short name, also of the built-in recipe it came from.
    #[serde(default = "unnamed")]
    pub name: String,
    /// One or two sentences: what it trains, where its numbers come from, where they differ.
    #[serde(default)]
    pub about: String,
    /// What is minimized.
    pub objective: Objective,
    /// The images.
    pub data: DataSpec,
    /// The range of noise.
    #[serde(default)]
    pub noise: Noise,
    /// The network.
    pub network: N,
    /// How it is trained.
    pub train: Train,
    /// How it is sampled from, where that was published or searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

fn unnamed() -> String {
    "unnamed".into()
}

/// How a trained model is sampled from, unless somebody asks for something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Descending noise levels of multistep sampling; the model's file carries them.
    pub levels: Vec<f64>,
}

/// A recipe as it is written: the size of the images, their channels and the number of classes may be missing from its
/// network, which then follows the data.
///
/// # Examples
///
/// ```
/// use onestep::train::{Draft, builtin_recipe};
/// let settings = ["data.image_size=16".into(), "data.labels=false".into()];
/// let draft = Draft::read(builtin_recipe("emoji-ct")?, &settings)?;
/// let recipe = draft.settled(onestep::data::open(&draft.data)?.as_ref())?;
/// let network = recipe.network.build()?;
/// assert_eq!((network.image(), network.n_classes()), ([16, 16, 3], None));
/// # Ok::<(), onestep::Error>(())
/// ```
pub type Draft = Recipe<NetworkTable>;

impl Draft {
    /// Reads TOML and applies `settings` (`key.path=value`, later ones win; `key.path=null` takes a key away).
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: unreadable text, unknown keys, settings that fit nowhere. What the values mean for each other is
    /// looked at when the recipe is settled.
    pub fn read(text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let mut table: toml::Table = text.parse().map_err(parse_error)?;
        for setting in settings {
            apply_setting(&mut table, setting)?;
        }
        for setting in settings.iter().filter(|setting| takes_away(setting)) {
            Self::refuse_unknown(&table, setting)?;
        }
        if settings.is_empty() {
            // The text itself keeps line numbers for the message.
            toml::from_str(text).map_err(parse_error)
        } else {
            table.try_into().map_err(parse_error)
        }
    }

    /// Refuses to take away a key that no recipe has: a misspelt one would be no mistake otherwise. Such a key is unknown
    /// whatever its value.
    fn refuse_unknown(table: &toml::Table, setting: &str) -> Result<(), RecipeError> {
        let mut probe = table.clone();
        set_to_nonsense(&mut probe, setting)?;
        let read = probe.try_into::<Self>().map_err(parse_error).and_then(|draft| draft.as_it_stands());
        match read {
            Err(RecipeError::Parse { message }) if message.contains("unknown field") => {
                Err(RecipeError::Setting { setting: setting.into(), reason: message })
            }
            _ => Ok(()),
        }
    }

    /// The complete recipe for these data: what it leaves to them is theirs.
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: unknown keys of the network, values that contradict each other.
    pub fn settled(&self, data: &dyn Dataset) -> Result<Recipe, RecipeError> {
        self.with_network(self.network.settled(data)?)
    }

    /// The complete recipe. The data are opened only where they are needed: where the recipe leaves to them the size of the
    /// images, or the number of classes of labels that it wants.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Open`] where they are needed and cannot be opened; as [`Draft::settled`].
    pub fn complete(&self) -> Result<Recipe, RecipeError> {
        let open = self.network.left_open(self.data.labels != Labels::None);
        if open.is_empty() {
            return self.as_it_stands();
        }
        let data = data::open(&self.data)
            .map_err(|reason| RecipeError::Open { keys: open.join(" and "), reason: Box::new(reason) })?;
        self.settled(data.as_ref())
    }

    /// The recipe with nothing asked of the data: classes that its network does not name are none, and channels are those of
    /// [`DataSpec::grey`].
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: a size that is missing, unknown keys of the network, values that contradict each other.
    pub fn as_it_stands(&self) -> Result<Recipe, RecipeError> {
        self.with_network(self.network.settled_without_data(self.data.grey)?)
    }

    /// The same recipe with the network of another model, for a student of a teacher whose network no recipe knows: the data are
    /// brought to its size, and unlabelled where it has no classes. The recipe's rate of dropout stays.
    ///
    /// # Errors
    ///
    /// [`RecipeError`] for a network that a program brings along.
    pub fn with_network_of(self, architecture: &Architecture) -> Result<Self, RecipeError> {
        let network = self.network.replaced_by(architecture)?;
        let [height, width, _] = built(architecture)?.image();
        let mut data = self.data;
        if height * width > 1 {
            data.image_size = Some(ImageSize { height, width });
        }
        if !network.has_classes() {
            data.labels = Labels::None;
        }
        Ok(Self { network, data, ..self })
    }

    fn with_network(&self, network: Architecture) -> Result<Recipe, RecipeError> {
        let Self { name, about, objective, data, noise, train, sampling, .. } = self.clone();
        let recipe = Recipe { name, about, objective, data, noise, network, train, sampling };
        recipe.check()?;
        Ok(recipe)
    }
}

/// A network that a recipe can name.
fn built(architecture: &Architecture) -> Result<Arc<dyn Network>, RecipeError> {
    architecture.build().map_err(|error| RecipeError::Parse { message: format!("network: {error}") })
}

impl<N: Serialize> Recipe<N> {
    /// The recipe as TOML; parsing it gives the recipe back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe holds nothing that TOML cannot express")
    }
}

impl<N> Recipe<N> {
    /// What the recipe's method says about itself.
    pub(super) fn settings(&self) -> &dyn MethodSettings {
        self.objective.settings()
    }

    /// The field's name for what this recipe does: `edm`, `trigflow`, `cd`, `ct`, `ict` (training in isolation with the
    /// doubling curriculum of improved consistency training), `ect`, `pd`, `scd`, `sct`, ...
    pub fn method(&self) -> &'static str {
        self.settings().name()
    }

    /// What the trained model is, and so which sampler it wants.
    pub fn kind(&self) -> ModelKind {
        self.settings().kind()
    }

    /// Whether a teacher must be given: to distill from, or to start from.
    pub fn needs_teacher(&self) -> bool {
        self.train.start == Start::Teacher || self.distills()
    }

    /// Whether the loss asks a teacher.
    pub fn distills(&self) -> bool {
        self.settings().distills()
    }

    /// The distance between two estimates; none for objectives that have none to choose.
    pub fn distance(&self) -> Option<&Distance> {
        self.settings().distance()
    }
}

impl Recipe {
    /// A built-in recipe with `settings` (`key.path=value`, the value in TOML) applied.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Unknown`] if there is none of this name; as [`Recipe::parse`].
    ///
    /// # Examples
    ///
    /// ```
    /// let recipe = onestep::train::Recipe::builtin("emoji-ct", &["train.steps=100"])?;
    /// assert_eq!(recipe.train.steps, 100);
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn builtin(name: &str, settings: &[impl AsRef<str>]) -> Result<Self, RecipeError> {
        let settings: Vec<String> = settings.iter().map(|setting| setting.as_ref().to_owned()).collect();
        Self::parse(builtin_recipe(name)?, &settings)
    }

    /// Reads TOML, applies `settings` (`key.path=value`, later ones win), completes the recipe and checks the result: as
    /// [`Draft::read`] and [`Draft::complete`].
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: unreadable text, unknown keys, settings that fit nowhere, values that contradict, data that are needed
    /// and cannot be opened.
    pub fn parse(text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        Draft::read(text, settings)?.complete()
    }

    /// What a model file says of a model of this recipe before any training: without names of classes and levels of its own.
    pub fn header(&self) -> ModelHeader {
        let Noise { sigma_min, sigma_max, sigma_data, rho } = self.noise;
        ModelHeader {
            format: Format,
            architecture: self.network.clone(),
            preconditioning: self.preconditioning(),
            kind: self.kind(),
            sigma_min,
            sigma_max,
            sigma_data,
            rho,
            class_names: Vec::new(),
            method: self.method().into(),
            data: self.data.source.clone(),
            images_seen: 0,
            step: 0,
            tool: TOOL.into(),
            sampling_levels: None,
            task_levels: Default::default(),
            null_class: self.train.drop_class.is_some(),
            guidance: self.settings().guidance(),
            imported: None,
        }
    }

    /// How the model trained for `steps` updates is sampled from where nobody says.
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if the recipe's levels are none.
    pub fn profile(&self, steps: u64) -> Result<SamplingProfile, LevelsError> {
        Ok(SamplingProfile {
            kind: self.kind(),
            preconditioning: self.preconditioning(),
            range: self.noise.range(),
            rho: self.noise.rho,
            levels: self.sampling_levels(steps)?.map(|levels| levels.as_slice().to_vec()),
        })
    }

    /// How the trained model's output is put together: consistency models get the boundary form.
    pub fn preconditioning(&self) -> Preconditioning {
        self.settings().preconditioning()
    }

    /// Steps whose checkpoints are worth keeping for good: where a stage of progressive distillation has finished a model of
    /// few steps.
    pub fn milestones(&self) -> Vec<u64> {
        self.settings().milestones(self.train.steps)
    }

    /// The learning rate of the update that follows `step` updates; in progressive distillation every stage has the
    /// whole schedule.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let train = &self.train;
        let batch = train.batch as u64;
        let (done, all) = self.settings().schedule(train.schedule_step(step), train.schedule_length());
        train.learning_rate.at(done * batch, all * batch)
    }

    /// Where the schedules are for the update that follows `step` updates.
    pub fn schedule_at(&self, step: u64) -> SchedulePoint {
        let (place, length) = (self.train.schedule_step(step), self.train.schedule_length());
        let n_levels = self.settings().n_levels(place, length);
        SchedulePoint { learning_rate: self.learning_rate_at(step), n_levels }
    }

    /// Whether the learning rate or the number of levels at a step depends on how long the run is.
    pub fn follows_length(&self) -> bool {
        let (first, all) = self.settings().schedule(0, 1);
        let own = self.settings().schedule(0, 2) != (first, all);
        (own && self.train.learning_rate.decay != Decay::Constant) || self.settings().levels_follow_length()
    }

    /// The levels that the model trained for `steps` updates samples best with, where the recipe knows: the grid that a
    /// student of progressive distillation was made for, down to σ_min, or those of [`Sampling`].
    ///
    /// # Errors
    ///
    /// [`LevelsError`] if they are no levels.
    pub fn sampling_levels(&self, steps: u64) -> Result<Option<SamplingLevels>, LevelsError> {
        match (self.settings().sampling_levels(&self.noise, steps)?, &self.sampling) {
            (Some(levels), _) => Ok(Some(levels)),
            (None, Some(sampling)) => SamplingLevels::new(sampling.levels.clone()).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    ///
    /// [`RecipeError::Value`] with the key and the remedy.
    pub fn check(&self) -> Result<(), RecipeError> {
        bounds::check(&self.network)?;
        check::check(self, self.network.build().ok().as_deref())
    }

    /// The same with a network that is known already.
    pub(super) fn check_for(&self, network: &dyn Network) -> Result<(), RecipeError> {
        check::check(self, Some(network))
    }
}
