//! What may change when a run goes on: one list, and what follows from a longer run.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Change, Extend, Recipe, TrainError};

/// Keys that say where things lie or what they are called: no part of what a run is. The data are known by their
/// fingerprint and the teacher by its digest, wherever they are.
const ELSEWHERE: &[&str] =
    &["name", "about", "data.source", "train.teacher", "train.distance_files", "sampling"];

/// Keys that may be changed: how far an update goes, how it is computed, what is written down, and how long the run is.
const MAY_CHANGE: &[&str] = &[
    "data.on_error",
    "train.activation_checkpointing",
    "train.checkpoint_every",
    "train.clip_gradient",
    "train.keep",
    "train.learning_rate",
    "train.microbatch",
    "train.precision",
    "train.preview_every",
    "train.schedule_steps",
    "train.shards",
    "train.steps",
];

/// The recipe that a run goes on with, and what is new in it.
pub(super) struct Continued {
    pub recipe: Recipe,
    pub changes: Vec<Change>,
}

impl Continued {
    /// What a run of the recipe `before`, of which `done` updates are made, is where `asked` is asked for.
    ///
    /// # Errors
    ///
    /// - [`TrainError::RecipeDiffers`] with every key that must stay as it was.
    /// - [`TrainError::FewerSteps`] where more is done than is asked for.
    /// - [`TrainError::ScheduleUnclear`] where the length changes that schedules span, and nobody says what becomes of them.
    pub fn new(
        before: &Recipe,
        asked: Recipe,
        done: u64,
        extend: Option<Extend>,
    ) -> Result<Self, TrainError> {
        refuse_other(before, &asked)?;
        let mut recipe = asked;
        if recipe.train.steps < done {
            return Err(TrainError::FewerSteps { asked: recipe.train.steps, done });
        }
        let (own, new) = (&before.train, &recipe.train);
        let unclear = own.steps != new.steps
            && own.schedule_steps == new.schedule_steps
            && (before.follows_length() || recipe.follows_length());
        if unclear {
            let with = |schedule_steps| {
                let mut recipe = recipe.clone();
                recipe.train.schedule_steps = schedule_steps;
                recipe
            };
            let (stretched, ended) = (with(None), with(Some(before.train.schedule_length())));
            recipe = match extend {
                Some(Extend::Schedule) => stretched,
                Some(Extend::End) => ended,
                None => {
                    return Err(TrainError::ScheduleUnclear {
                        from: before.train.steps,
                        to: recipe.train.steps,
                        now: before.schedule_at(done.saturating_sub(1)),
                        stretched: stretched.schedule_at(done),
                        ended: ended.schedule_at(done),
                    });
                }
            };
        }
        let changes = differences(before, &recipe).filter(|change| !is_among(&change.key, ELSEWHERE));
        Ok(Self { changes: changes.collect(), recipe })
    }
}

/// Refuses a recipe in which something is new that must stay as it was.
///
/// # Errors
///
/// [`TrainError::RecipeDiffers`] with every such key.
pub(super) fn refuse_other(before: &Recipe, asked: &Recipe) -> Result<(), TrainError> {
    let free = |key: &str| is_among(key, ELSEWHERE) || is_among(key, MAY_CHANGE);
    let changes: Vec<Change> = differences(before, asked).filter(|change| !free(&change.key)).collect();
    if changes.is_empty() { Ok(()) } else { Err(TrainError::RecipeDiffers { changes }) }
}

fn is_among(key: &str, keys: &[&str]) -> bool {
    keys.iter()
        .any(|known| key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Every key that two recipes do not have in common, or not with the same value.
fn differences(before: &Recipe, after: &Recipe) -> impl Iterator<Item = Change> {
    let (before, mut after) = (leaves(before), leaves(after));
    let mut pairs = BTreeMap::new();
    for (key, value) in before {
        let new = after.remove(&key);
        pairs.insert(key, (Some(value), new));
    }
    pairs.extend(after.into_iter().map(|(key, value)| (key, (None, Some(value)))));
    let shown = |value: Option<Value>| value.map_or("not set".into(), |value| value.to_string());
    pairs.into_iter().filter(|(_, (from, to))| from != to).map(move |(key, (from, to))| Change {
        key,
        from: shown(from),
        to: shown(to),
    })
}

/// The values of a recipe by their keys.
fn leaves(recipe: &Recipe) -> BTreeMap<String, Value> {
    let table = Table::try_from(recipe).expect("a recipe holds nothing that TOML cannot express");
    let mut found = BTreeMap::new();
    let mut left = vec![(String::new(), Value::Table(table))];
    while let Some((key, value)) = left.pop() {
        let within = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        match value {
            Value::Table(table) => left.extend(table.into_iter().map(|(name, value)| (within(&name), value))),
            value => drop(found.insert(key, value)),
        }
    }
    found
}
