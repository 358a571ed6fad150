//! The network as a recipe writes it: what the data decide may be left to them.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::ImageSize;
use crate::data::{Dataset, ImageShape};
use crate::model::Architecture;
use crate::train::RecipeError;

/// Key of the size of the images.
const SIZE: &str = "image_size";
/// Key of the number of coordinates of points.
const N_DIMS: &str = "n_dims";
/// Key of the number of classes.
const N_CLASSES: &str = "n_classes";
/// Keys of the channels of input and output.
const CHANNELS: [&str; 2] = ["in_channels", "out_channels"];
/// Key of the rate of dropout.
const DROPOUT: &str = "dropout";
/// Key that makes a network be told a guidance scale.
const GUIDANCE: &str = "guidance_embedding";
/// Key of the feature maps that attend to themselves.
const ATTENTION: &str = "attention_resolutions";
/// Key of the channels of each level.
const LEVELS: &str = "channel_mult";

/// The table `network` of a recipe, in which `image_size`, `in_channels`, `out_channels`, `n_classes` and `n_dims` may be
/// missing: what is missing follows the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkTable(Table);

impl NetworkTable {
    /// What a network of this kind has to know of its data; nothing of a kind that is a program's own, or unknown.
    fn follows(&self) -> &'static [&'static str] {
        match self.0.get("network").and_then(Value::as_str) {
            Some("adm" | "song" | "dhariwal") => &[SIZE, CHANNELS[0], CHANNELS[1], N_CLASSES],
            Some("mlp") => &[N_DIMS, N_CLASSES],
            _ => &[],
        }
    }

    /// The keys that are left to the data and that only the data can tell. Channels are not among them: they are those
    /// of color images where nobody looks. Neither are classes where the labels are not asked for.
    pub(super) fn left_open(&self, labels: bool) -> Vec<String> {
        let tells = |key: &&&str| !CHANNELS.contains(key) && (**key != N_CLASSES || labels);
        let missing = self.follows().iter().filter(tells).filter(|key| !self.0.contains_key(**key));
        missing.map(|key| format!("network.{key}")).collect()
    }

    /// This network instead, with the rate of dropout of the one that it replaces, and told a guidance scale where that is.
    pub(super) fn replaced_by(&self, architecture: &Architecture) -> Result<Self, RecipeError> {
        let mut table = Table::try_from(architecture)
            .map_err(|error| RecipeError::Parse { message: format!("network: {error}") })?;
        if let (Some(rate), true) = (self.0.get(DROPOUT), table.contains_key(DROPOUT)) {
            table.insert(DROPOUT.into(), rate.clone());
        }
        if let Some(told) = self.0.get(GUIDANCE) {
            table.insert(GUIDANCE.into(), told.clone());
        }
        Ok(Self(table))
    }

    /// Whether it names a number of classes.
    pub(super) fn has_classes(&self) -> bool {
        self.0.contains_key(N_CLASSES)
    }

    /// The network for images that are gray or in color, with nothing left to the data but their channels.
    pub(super) fn settled_without_data(&self, gray: bool) -> Result<Architecture, RecipeError> {
        let mut table = self.0.clone();
        if gray && self.follows().contains(&CHANNELS[0]) {
            CHANNELS.iter().for_each(|key| put(&mut table, key, 1));
        }
        architecture(table)
    }

    /// The network for these data: what is missing is theirs.
    ///
    /// A network whose size follows the data and that does not say where it attends does so at its smallest feature maps.
    pub(super) fn settled(&self, data: &dyn Dataset) -> Result<Architecture, RecipeError> {
        let mut table = self.0.clone();
        let ImageShape { height, width, channels } = data.shape();
        let n_classes = data.class_names().len();
        for key in self.follows() {
            match *key {
                SIZE if !table.contains_key(SIZE) => {
                    let size = ImageSize { height, width };
                    let written = Value::try_from(size).expect("a size is a number or two");
                    table.insert(SIZE.into(), written);
                    attend_at_the_smallest(&mut table, size);
                }
                N_CLASSES if n_classes == 0 => {}
                N_CLASSES => put(&mut table, N_CLASSES, n_classes),
                key => put(&mut table, key, channels),
            }
        }
        architecture(table)
    }
}

/// Writes a number where nothing is written yet.
fn put(table: &mut Table, key: &str, number: usize) {
    table.entry(key).or_insert(Value::Integer(number as i64));
}

fn attend_at_the_smallest(table: &mut Table, size: ImageSize) {
    let n_levels = table.get(LEVELS).and_then(Value::as_array).map_or(0, Vec::len);
    if n_levels > 0 && !table.contains_key(ATTENTION) {
        let smallest = size.halved(n_levels - 1);
        let shorter = smallest.height.min(smallest.width);
        table.insert(ATTENTION.into(), Value::Array(vec![Value::Integer(shorter as i64)]));
    }
}

fn architecture(table: Table) -> Result<Architecture, RecipeError> {
    Value::Table(table).try_into().map_err(|error: toml::de::Error| RecipeError::Parse {
        message: format!("network: {}", error.message()),
    })
}
