//! A network that is not of this library, as recipes and model files name it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name of a network that a program brings along, and whatever the program needs to lay it out again.
///
/// In a recipe: `network = { network = "custom", name = "mine", settings = { width = 64 } }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomConfig {
    /// Its name.
    pub name: String,
    /// Its settings, which mean something to the program alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
}

/// One setting of a network that a program brings along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// On or off.
    Switch(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several of them.
    List(Vec<Setting>),
}
