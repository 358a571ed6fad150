//! What a picture says about how it was made.

use std::path::{Path, PathBuf};

use onestep::edit::{CanvasFit, Task};
use serde::{Deserialize, Serialize};

use crate::args::PrecisionName;
use crate::commands::sample::read_text;
use crate::failure::{Failure, Outcome, code};

/// A file that went into a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// Where it lay.
    pub path: PathBuf,
    /// SHA-256 of it.
    pub sha256: String,
}

/// Everything needed to make a picture again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Name and version of the program.
    pub tool: String,
    /// What was done.
    pub task: Task,
    /// The model.
    pub model: Used,
    /// Which weights.
    pub weights: String,
    /// Arithmetic of the network's products.
    pub precision: PrecisionName,
    /// The noise levels visited: one network evaluation each.
    pub levels: Vec<f64>,
    /// One seed a candidate.
    pub seeds: Vec<u64>,
    /// The class, for class-conditional models.
    pub class: Option<usize>,
    /// The pictures that went in.
    pub images: Vec<Used>,
    /// The mask, where it is a file.
    pub mask: Option<Used>,
    /// The diffusion model that inverted the pictures.
    pub teacher: Option<Used>,
    /// How pictures were brought to the model's shape.
    pub fit: CanvasFit,
    /// How many times larger.
    pub factor: Option<usize>,
    /// Seeds that were gone between.
    pub between: Option<[u64; 2]>,
    /// The seed that was stayed near.
    pub like: Option<u64>,
    /// How far from it.
    pub strength: Option<f64>,
    /// Whether the picture is in its full size.
    pub full: bool,
    /// Whether what went in is shown too.
    pub strip: bool,
    /// How many times every pixel is enlarged.
    pub scale: Option<usize>,
}

impl Parameters {
    /// The parameters inside a picture, or in the json beside anything else.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = read_text(path)?;
        let is_sample =
            serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.get("task").is_none());
        serde_json::from_str(&text).map_err(|error| {
            if is_sample {
                let message = format!("{} was not made by `onestep edit`", path.display());
                return Failure::new(code::DATA, message).hint("onestep sample --from makes samples again");
            }
            let path = path.display();
            Failure::new(code::DATA, format!("the parameters inside {path} cannot be read: {error}"))
        })
    }
}
