//! What can be typed: types only, no logic.

mod bench;
mod data;
mod device;
mod edit;
mod emoji;
mod eval;
mod exchange;
mod precision;
mod studio;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use onestep::sample::Sampler;

use crate::lists::{Classes, Indices, Levels, Seeds};
use crate::shard::Shard;
use crate::show::ShowName;

pub use bench::{BenchArgs, PassName};
pub use data::{DataArgs, DataCommand, SizeArgs, ViewArgs};
pub use device::{DeviceChoice, DeviceParser};
pub use edit::{CommonArgs, EditArgs, EditCommand, SearchArgs, SearchTask, Subjects};
#[cfg(feature = "icons")]
pub use emoji::StyleName;
pub use emoji::{EmojiArgs, FetchSet};
pub use eval::{
    CurveArgs, DistanceArgs, EvalArgs, EvalCommand, LikelihoodArgs, MergeArgs, MetricName, NearestArgs,
    NetworkArgs,
};
pub use exchange::{ExportArgs, FetchArgs, FormatName, ImportArgs, ModelsArgs, OnnxFormName};
pub use precision::{ChoiceName, PrecisionName};
pub use studio::{LogName, StudioArgs};
#[cfg(feature = "mpi")]
pub use train::ReduceName;
pub use train::{ExtendName, NewArgs, RanksArgs, RecipeCommand, TrainArgs};

/// Consistency models: images in one network evaluation.
///
/// Train a diffusion model on your own images, distill it into a model that needs a single step, or train that
/// model directly; then sample from it.
#[derive(Debug, Parser)]
#[command(name = "onestep", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say nothing but errors and results.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See what consistency models do, on this machine, in about two minutes.
    Tour(TourArgs),
    /// Open a page to draw, edit and train on, and an API for programs.
    Studio(StudioArgs),
    /// Look at your pictures and write a recipe that fits them.
    New(NewArgs),
    /// Train a model from a recipe.
    Train(TrainArgs),
    /// Draw images from a model.
    Sample(SampleArgs),
    /// Change a picture: fill in, color, enlarge, redraw, clean, blend.
    Edit(Box<EditArgs>),
    /// Find the noise levels that a model samples best with.
    Search(SearchArgs),
    /// Show what a model, a run folder or a picture made by `sample` holds.
    Info(InfoArgs),
    /// Take over a model of another program: OpenAI's, EDM's, diffusers'.
    Import(ImportArgs),
    /// Write a model for another program: diffusers, ONNX, PyTorch.
    Export(ExportArgs),
    /// List the published checkpoints that can be taken over.
    Models(ModelsArgs),
    /// Fetch a published checkpoint, once.
    Fetch(FetchArgs),
    /// The built-in recipes.
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Look at a data set, or get one.
    #[command(subcommand)]
    Data(DataCommand),
    /// Judge images, or those that a model draws, beside real ones.
    Eval(Box<EvalArgs>),
    /// Measure how fast a network runs and trains here, beside the most that this processor can do.
    Bench(BenchArgs),
    /// Show what this program finds on this machine, and try it.
    Doctor(DoctorArgs),
    /// Print what lets a shell complete commands and options.
    Completions(CompletionsArgs),
    /// Print the manual page, for `man`.
    Man,
}

/// What of a model is used, and how it is computed with.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Arithmetic of the network's products; by default auto, and f32 for an evaluation by a published protocol.
    #[arg(long, value_enum)]
    pub precision: Option<ChoiceName>,
    /// Which weights: best, raw, target, or the label of an average.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub weights: String,
    /// Where to compute; a number behind the name tells several GPUs apart, as in cuda:1.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}

/// How samples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SamplerName {
    /// Consistency models: jump to the image, add noise, jump again.
    Multistep,
    /// Diffusion models: Heun's method, second order.
    Heun,
    /// Diffusion models: Euler's method.
    Euler,
    /// Diffusion models: DPM-2, second order.
    Dpm2,
    /// Diffusion models: DPM-Solver++ (3M), third order with one evaluation a step.
    #[value(name = "dpm++")]
    DpmPlusPlus,
    /// Diffusion models: DPM-Solver++ (2M), second order with one evaluation a step.
    #[value(name = "dpm++2m")]
    DpmPlusPlus2M,
    /// Diffusion models: Euler's method with fresh noise at every step.
    Ancestral,
    /// Models of progressive distillation: Euler's method on the levels they were made for.
    Progressive,
}

impl SamplerName {
    /// What the library calls it.
    pub fn sampler(self) -> Sampler {
        match self {
            Self::Multistep => Sampler::Multistep,
            Self::Heun => Sampler::Heun,
            Self::Euler => Sampler::Euler,
            Self::Dpm2 => Sampler::Dpm2,
            Self::DpmPlusPlus => Sampler::DpmPlusPlus,
            Self::DpmPlusPlus2M => Sampler::DpmPlusPlus2M,
            Self::Ancestral => Sampler::Ancestral,
            Self::Progressive => Sampler::Progressive,
        }
    }
}

/// How a model draws, whatever becomes of the images.
#[derive(Debug, Clone, Args)]
pub struct SamplerArgs {
    /// Number of steps: network evaluations of a consistency model (default 1), levels of an ODE sampler
    /// (default 18).
    #[arg(long, value_name = "N", conflicts_with_all = ["levels", "indices"], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: Option<u32>,
    /// The noise levels to visit, descending, for example 80,0.82.
    #[arg(short, long, value_name = "SIGMAS", conflicts_with = "indices")]
    pub levels: Option<Levels>,
    /// The same as published: indices into a Karras grid, for example 0,22,39 of 40.
    #[arg(long, value_name = "LIST/N")]
    pub indices: Option<Indices>,
    /// How to get from noise to image; by default what the model was trained for.
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerName>,
    /// Churn: noise added along an ODE path, EDM's S_churn.
    #[arg(long, value_name = "AMOUNT", default_value_t = 0.0)]
    pub churn: f64,
    /// Classes by name or number, repeated over the seeds; by default drawn from each seed. A name with a comma goes between
    /// double quotes: --classes '"Food, Drink",Flags'.
    #[arg(short, long, value_name = "LIST")]
    pub classes: Option<Classes>,
    /// Guides towards the class: 1 does nothing, above 1 exaggerates the class, 0 takes it away. Needs a model that was trained
    /// for it; a diffusion model is evaluated twice as often then.
    #[arg(short, long, value_name = "SCALE", allow_negative_numbers = true)]
    pub guidance: Option<f64>,
    /// Images computed together; does not change them.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Which of the model's weights, and how they are computed with.
    #[command(flatten)]
    pub with: ModelArgs,
}

/// Whether pictures are shown.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Show the pictures in the terminal as well; --show=kitty, sixel or blocks where what it can draw is not known.
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub show: Option<ShowName>,
}

/// Options of `sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    /// A model file, a step folder or a run folder; without one builtin:portraits, which comes with onestep.
    #[arg(value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// Make a picture again: reads model, seeds and everything else out of it.
    #[arg(long, value_name = "PICTURE", conflicts_with_all = ["seeds", "steps", "levels", "indices", "classes", "guidance", "sampler", "weights", "precision"])]
    pub from: Option<PathBuf>,
    /// Seeds, one image each, for example 0-63 or 3,17,20-29.
    #[arg(short, long, value_name = "LIST", default_value = "0-63", allow_negative_numbers = true)]
    pub seeds: Seeds,
    /// How they are drawn.
    #[command(flatten)]
    pub sampler: SamplerArgs,
    /// A .png (all images in one grid), a .npz, a .csv (of points), or a folder (one PNG an image); `-` is a PNG on standard output,
    /// --out=-.npz an npz.
    #[arg(short, long, value_name = "PATH", default_value = "samples.png")]
    pub out: PathBuf,
    /// Draw only this part of a .npz or a folder, for example 2/8, or `auto` where a job array, a launcher or Kubernetes tells which. The
    /// same command without it puts the parts of a .npz together, and draws what is missing.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Replace files of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Columns of the grid; by default close to a square.
    #[arg(long, value_name = "N")]
    pub columns: Option<usize>,
    /// Enlarge every pixel this many times; by default grids of small images are made large enough to see.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub scale: Option<u32>,
    /// Whether they are shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// Options of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// A model file, a run folder, a checkpoint folder, a folder of runs, or a PNG made by `sample`.
    pub path: PathBuf,
    /// Which weights: best, raw, target, or the label of an average.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub weights: String,
    /// List every tensor.
    #[arg(long)]
    pub tensors: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `tour`.
#[derive(Debug, Args)]
pub struct TourArgs {
    /// The folder to write the page into, as index.html.
    #[arg(short, long, value_name = "FOLDER", default_value = "tour")]
    pub out: PathBuf,
    /// Replace a page of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Which device to try.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}
