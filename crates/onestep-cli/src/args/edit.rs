//! What can be typed after `edit` and `search`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use onestep::edit::{CanvasFit, MaskMarks, Task};

use super::{DeviceChoice, DeviceParser, ModelArgs, ShowArgs};
use crate::lists::{Levels, SeedPair, seed};

/// Options of `edit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct EditArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<EditCommand>,
    /// Make a picture again: reads the task, model, images and everything else out of it, or out of the json beside it.
    #[arg(long, value_name = "PICTURE", required = true)]
    pub from: Option<PathBuf>,
    /// Where it goes: a .png, a .gif, or a folder; `-` is a PNG on standard output.
    #[arg(short, long, value_name = "PATH", default_value = "edit.png")]
    pub out: PathBuf,
    /// Replace files of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}

/// The tasks.
#[derive(Debug, Subcommand)]
pub enum EditCommand {
    /// Fill in what a mask marks, or what is transparent.
    Inpaint(InpaintArgs),
    /// Color a grey picture; of a colored one the brightness alone is kept.
    Colorize(OneImageArgs),
    /// Enlarge a small picture.
    SuperResolve(SuperResolveArgs),
    /// Turn a drawing into a picture.
    Stroke(StrengthArgs),
    /// Remove noise.
    Denoise(DenoiseArgs),
    /// Pictures between two seeds, or between two real pictures.
    Interpolate(InterpolateArgs),
    /// Pictures like a real one, or like that of a seed.
    Vary(VaryArgs),
}

/// What every task is told.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// How many candidates.
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub n: u32,
    /// Seed of the first candidate; the others follow.
    #[arg(short, long, value_name = "SEED", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Number of steps: network evaluations (by default what suits the task, or what the model's file says).
    #[arg(long, value_name = "N", conflicts_with = "levels", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: Option<u32>,
    /// The noise levels to visit, descending, for example 80,5,0.8.
    #[arg(short, long, value_name = "SIGMAS")]
    pub levels: Option<Levels>,
    /// Class by number, name or the beginning of one; by default the one that explains best what is known.
    #[arg(short, long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Guides towards the class, at a scale that the model was distilled at.
    #[arg(short, long, value_name = "SCALE", allow_negative_numbers = true)]
    pub guidance: Option<f64>,
    /// Where the result goes: a .png (one picture, or a grid of candidates), a .gif (the way there), or a folder; `-` is a PNG on
    /// standard output, --out=-.gif a GIF.
    #[arg(short, long, value_name = "PATH", default_value = "edit.png")]
    pub out: PathBuf,
    /// Replace files of that name that onestep made; never what is edited.
    #[arg(long)]
    pub overwrite: bool,
    /// Whether the results are shown.
    #[command(flatten)]
    pub show: ShowArgs,
    /// Show what went in beside what came out.
    #[arg(long)]
    pub strip: bool,
    /// Enlarge every pixel this many times; by default 1, and what makes small pictures visible where there are several.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub scale: Option<u32>,
    /// Which of the model's weights, and how they are computed with.
    #[command(flatten)]
    pub with: ModelArgs,
}

/// How a picture that is not of the model's shape is brought to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FitName {
    /// The middle square.
    #[default]
    Crop,
    /// All of it, with its border repeated.
    Pad,
}

impl FitName {
    /// What the library calls it.
    pub fn fit(self) -> CanvasFit {
        match self {
            Self::Crop => CanvasFit::Crop,
            Self::Pad => CanvasFit::Pad,
        }
    }
}

/// What in a mask marks the pixels that are to be filled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MarksName {
    /// Found out from the mask, and said.
    #[default]
    Auto,
    /// What is opaque.
    Opaque,
    /// What is transparent.
    Transparent,
    /// What is white.
    White,
}

impl MarksName {
    /// What the library calls it.
    pub fn marks(self) -> MaskMarks {
        match self {
            Self::Auto => MaskMarks::Auto,
            Self::Opaque => MaskMarks::Opaque,
            Self::Transparent => MaskMarks::Transparent,
            Self::White => MaskMarks::White,
        }
    }
}

/// A model and a picture.
#[derive(Debug, Clone, Args)]
pub struct Subjects {
    /// A consistency model: a file, a step folder or a run folder.
    pub model: PathBuf,
    /// The picture: PNG, JPEG, WebP, TIFF, BMP, GIF or PNM of any size.
    pub image: PathBuf,
    /// How a picture that is not of the model's shape is brought to it.
    #[arg(long, value_enum, default_value_t)]
    pub fit: FitName,
}

/// Options of tasks that need nothing more than a picture.
#[derive(Debug, Args)]
pub struct OneImageArgs {
    /// The model and the picture.
    #[command(flatten)]
    pub subjects: Subjects,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit inpaint`.
#[derive(Debug, Args)]
pub struct InpaintArgs {
    /// The model and the picture.
    #[command(flatten)]
    pub subjects: Subjects,
    /// A picture of the same size that marks what is to be filled in; by default what is transparent in the picture.
    #[arg(short, long, value_name = "PNG")]
    pub mask: Option<PathBuf>,
    /// What in the mask marks. By default white; in a mask with transparency what is drawn in one color, or else the hole.
    #[arg(long, value_enum, default_value_t, requires = "mask")]
    pub mask_marks: MarksName,
    /// Lay what was filled in over the picture in its full size; everything else keeps its bytes.
    #[arg(long)]
    pub full: bool,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit super-resolve`.
#[derive(Debug, Args)]
pub struct SuperResolveArgs {
    /// The model and the picture.
    #[command(flatten)]
    pub subjects: Subjects,
    /// How many times larger; the model's size must be a multiple. A larger picture is first shrunk to what this leaves.
    #[arg(long, value_name = "TIMES", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=4096))]
    pub factor: u32,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit stroke`.
#[derive(Debug, Args)]
pub struct StrengthArgs {
    /// The model and the picture.
    #[command(flatten)]
    pub subjects: Subjects,
    /// How much is drawn anew: 0 nothing, 1 everything; 0.59 as published.
    #[arg(long, value_name = "SHARE", conflicts_with = "levels", allow_negative_numbers = true)]
    pub strength: Option<f64>,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit denoise`.
#[derive(Debug, Args)]
pub struct DenoiseArgs {
    /// The model and the picture.
    #[command(flatten)]
    pub subjects: Subjects,
    /// Deviation of the noise, in bytes (0 to 255); by default estimated from the picture.
    #[arg(long, value_name = "BYTES", conflicts_with = "levels", allow_negative_numbers = true)]
    pub noise: Option<f64>,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit interpolate`.
#[derive(Debug, Args)]
pub struct InterpolateArgs {
    /// A consistency model.
    pub model: PathBuf,
    /// Two pictures to go between; without them, two seeds.
    #[arg(value_name = "IMAGE", num_args = 2, requires = "teacher")]
    pub images: Vec<PathBuf>,
    /// Two seeds to go between.
    #[arg(
        short,
        long,
        value_name = "A,B",
        default_value = "0,1",
        conflicts_with = "images",
        allow_hyphen_values = true
    )]
    pub between: SeedPair,
    /// The diffusion model that the model was distilled from: it finds the noise that a picture comes from.
    #[arg(long, value_name = "MODEL", requires = "images")]
    pub teacher: Option<PathBuf>,
    /// Pictures on the way, both ends included.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=1024))]
    pub frames: u32,
    /// How pictures that are not of the model's shape are brought to it.
    #[arg(long, value_enum, default_value_t)]
    pub fit: FitName,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Options of `edit vary`.
#[derive(Debug, Args)]
pub struct VaryArgs {
    /// A consistency model.
    pub model: PathBuf,
    /// A picture to stay near.
    #[arg(value_name = "IMAGE", required_unless_present = "like")]
    pub image: Option<PathBuf>,
    /// A seed to stay near, instead of a picture.
    #[arg(long, value_name = "SEED", conflicts_with = "image", value_parser = seed, allow_negative_numbers = true)]
    pub like: Option<u64>,
    /// How far to go: 0 nowhere, 1 anywhere.
    #[arg(long, value_name = "SHARE", conflicts_with = "levels", allow_negative_numbers = true)]
    pub strength: Option<f64>,
    /// How a picture that is not of the model's shape is brought to it.
    #[arg(long, value_enum, default_value_t)]
    pub fit: FitName,
    /// The rest.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What levels can be sought for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SearchTask {
    /// Drawing images from nothing.
    #[default]
    Sample,
    /// Filling in the middle of the reference's images.
    Inpaint,
    /// Coloring the reference's images.
    Colorize,
    /// Enlarging the reference's images, shrunk by 4.
    SuperResolve,
}

impl SearchTask {
    /// The editing task, if it is one.
    pub fn task(self) -> Option<Task> {
        match self {
            Self::Sample => None,
            Self::Inpaint => Some(Task::Inpaint),
            Self::Colorize => Some(Task::Colorize),
            Self::SuperResolve => Some(Task::SuperResolve),
        }
    }
}

/// Options of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// A consistency model: a file, a step folder or a run folder.
    pub model: PathBuf,
    /// Real images that the model's are compared with: a data set.
    pub reference: String,
    /// How many levels.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub steps: u32,
    /// What they are for.
    #[arg(long, value_enum, default_value_t)]
    pub task: SearchTask,
    /// Levels of the grid they are chosen from.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(3..=4096))]
    pub grid: u32,
    /// Guides towards the class, as in `sample`: levels are sought for the images that come of it.
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true)]
    pub guidance: Option<f64>,
    /// Images drawn for each trial, from seed 0 on, and images of the reference.
    #[arg(short, long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub num_samples: u32,
    /// What looks at the images, as in `eval`.
    #[arg(short, long, value_name = "NETWORK", default_value = "effnet-lite0")]
    pub features: String,
    /// Write a copy of the model that carries the levels; the model itself may be named, with --overwrite.
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Replace a model of that name.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Images computed together; does not change them.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Which of the model's weights, and how they are computed with.
    #[command(flatten)]
    pub with: ModelArgs,
}
