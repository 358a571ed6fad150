//! What can be typed behind `data`, and how images of data sets are brought to a size.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use onestep::ImageSize;
use onestep::data::{DataSpec, Fit, Labels};

use super::FetchSet;

/// Verbs of `data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Show what a data set holds, and optionally a picture of it.
    Info(DataArgs),
    /// Decode every image and list the bad ones.
    Check(DataArgs),
    /// Get a data set that others publish, and make one file of it.
    #[command(subcommand)]
    Fetch(FetchSet),
}

/// The size that images of a data set are brought to.
#[derive(Debug, Clone, Args)]
pub struct SizeArgs {
    /// Bring images to this size: pixels a side, or width and height as 64x48.
    #[arg(long, value_name = "SIZE")]
    pub image_size: Option<ImageSize>,
    /// How images of another shape are brought to it.
    #[arg(long, value_name = "HOW", value_enum, default_value_t, requires = "image_size")]
    pub fit: SetFit,
}

impl SizeArgs {
    /// The same look at a data set, in this size.
    pub fn of(&self, spec: DataSpec) -> DataSpec {
        DataSpec { image_size: self.image_size, fit: self.fit.fit(), ..spec }
    }

    /// How a data set is looked at.
    pub fn in_spec(spec: &DataSpec) -> Self {
        Self { image_size: spec.image_size, fit: SetFit::named(spec.fit) }
    }

    /// As options to be typed behind something, each with a space in front; none where images stay as they are.
    pub fn typed(&self) -> String {
        let Some(size @ ImageSize { height, width }) = self.image_size else { return String::new() };
        let size = if height == width { height.to_string() } else { size.to_string() };
        let fit = match self.fit {
            SetFit::Crop => "",
            SetFit::Pad => " --fit pad",
            SetFit::Stretch => " --fit stretch",
        };
        format!(" --image-size {size}{fit}")
    }
}

/// How images of a data set are brought to a size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SetFit {
    /// The middle, as much as has the size's aspect ratio.
    #[default]
    Crop,
    /// All of it, with black borders.
    Pad,
    /// All of it, distorted.
    Stretch,
}

impl SetFit {
    /// What the library calls so.
    pub fn named(fit: Fit) -> Self {
        match fit {
            Fit::Crop => Self::Crop,
            Fit::Pad => Self::Pad,
            Fit::Stretch => Self::Stretch,
        }
    }

    /// What the library calls it.
    pub fn fit(self) -> Fit {
        match self {
            Self::Crop => Fit::Crop,
            Self::Pad => Fit::Pad,
            Self::Stretch => Fit::Stretch,
        }
    }
}

/// How images of a data set are looked at.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// What size images are brought to.
    #[command(flatten)]
    pub size: SizeArgs,
    /// One channel instead of three.
    #[arg(long)]
    pub grey: bool,
    /// Where classes come from: true (the source's own labels or class folders), file-name (before the first _), or false.
    #[arg(long, value_name = "WHERE", default_value = "true", hide_default_value = true)]
    pub labels: Labels,
}

impl ViewArgs {
    /// The same look at a data set.
    pub fn of(&self, spec: DataSpec) -> DataSpec {
        self.size.of(DataSpec { grey: self.grey, labels: self.labels, ..spec })
    }
}

/// Options of `data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// `builtin:emoji`, a folder, a zip, an npz, IDX files or CIFAR; several separated by commas.
    pub source: String,
    /// How its images are looked at.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Look at the test part of a set that has one.
    #[arg(long)]
    pub test: bool,
    /// Look at the validation part of a set that has one.
    #[arg(long, conflicts_with = "test")]
    pub val: bool,
    /// Only so many images, spread over the whole set.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Write 64 images, spread over the set, as a PNG.
    #[arg(long, value_name = "PNG")]
    pub picture: Option<PathBuf>,
    /// Replace a picture of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
