//! What a picture says about how it was made.

use std::collections::BTreeMap;
use std::path::Path;

use onestep::EditRecord;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome, code};
use crate::parameters;

/// Everything needed to make a picture again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Name and version of the program.
    pub tool: String,
    /// What was done.
    pub edit: EditRecord,
    /// Whether what went in is shown too.
    pub strip: bool,
    /// How many times every pixel is enlarged.
    pub scale: Option<usize>,
    /// The animation beside it, which cannot say whose it is, by name, with its SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Parameters {
    /// The parameters inside a picture, or in the json beside anything else.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = parameters::read(path)?;
        let is_sample =
            serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.get("edit").is_none());
        serde_json::from_str(&text).map_err(|error| {
            if is_sample {
                let message = format!("{} was not made by `onestep edit`", path.display());
                return Failure::new(code::DATA, message).hint("onestep sample --from makes samples again");
            }
            parameters::unreadable(path, error)
        })
    }
}
