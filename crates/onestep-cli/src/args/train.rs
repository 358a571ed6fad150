//! What can be typed behind `train`, `new` and `recipe`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{DeviceChoice, DeviceParser, PrecisionName, ShowArgs, ViewArgs};

/// Options of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// A folder of pictures, or any other source of images that `data info` shows.
    #[arg(value_name = "DATA")]
    pub source: String,
    /// The recipe to write; by default the name of the data with .toml. A file that is there is left as it is.
    #[arg(short, long, value_name = "TOML")]
    pub out: Option<PathBuf>,
    /// How its images are looked at; their size is by default what suits them.
    #[command(flatten)]
    pub view: ViewArgs,
    /// How long training may take on this machine; by default an hour, or less for a few images.
    #[arg(long, value_name = "H", value_parser = positive)]
    pub hours: Option<f64>,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a positive number".into()),
    }
}

/// What becomes of schedules that span a run when it gets another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExtendName {
    /// They are stretched over the new length; rate and number of levels jump to where they are on the longer way.
    Schedule,
    /// They end where they would have ended, and training goes on at the values of their end.
    End,
}

/// In which order processes that train together add their gradients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ReduceName {
    /// In one fixed tree: the same bits with any number of processes.
    #[default]
    Tree,
    /// As MPI is fastest: another number of processes gives other last bits.
    Fast,
}

/// How processes train together that a launcher (mpirun, srun) has started.
#[derive(Debug, Clone, Args)]
pub struct RanksArgs {
    /// Of several processes: in which order they add their gradients.
    #[arg(long, value_enum, default_value_t)]
    #[cfg_attr(not(feature = "mpi"), arg(hide = true))]
    pub reduce: ReduceName,
    /// Of several processes: end where another was not heard of for so long.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = watchdog)]
    #[cfg_attr(not(feature = "mpi"), arg(hide = true))]
    pub watchdog: f64,
}

fn watchdog(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (1.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be from 1 second to a day, 86400".into()),
    }
}

/// Options of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A built-in recipe (see `onestep recipe list`) or a TOML file; with --resume, the run's own if left out.
    #[arg(value_name = "RECIPE", required_unless_present = "resume")]
    pub recipe: Option<String>,
    /// Folder of the run: recipe, checkpoints, previews and events go there.
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// The diffusion model to distill from, or to start from: a run folder or a model file.
    #[arg(long, value_name = "MODEL")]
    pub teacher: Option<PathBuf>,
    /// Take the network from the teacher, and with it the size of the images, in place of what the recipe says of them.
    #[arg(long, requires = "teacher", requires = "recipe")]
    pub like_teacher: bool,
    /// Change the recipe, for example --set train.batch=32; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Arithmetic of the network's products; short for --set train.precision=...
    #[arg(long, value_enum)]
    pub precision: Option<PrecisionName>,
    /// Go on from the run's last checkpoint. What may change with --set is listed in docs/training.md.
    #[arg(long)]
    pub resume: bool,
    /// With --resume and another train.steps: what becomes of a schedule that spans the run.
    #[arg(long, value_enum, requires = "resume")]
    pub extend: Option<ExtendName>,
    /// Open data and teacher, show the complete recipe, the size of the model and the memory it will need, and stop there.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Whether previews are shown, every train.preview_every steps.
    #[command(flatten)]
    pub show: ShowArgs,
    /// With others.
    #[command(flatten)]
    pub ranks: RanksArgs,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}

/// Verbs of `recipe`.
#[derive(Debug, Subcommand)]
pub enum RecipeCommand {
    /// List the built-in recipes.
    List,
    /// Print one, or a file, as TOML, ready to redirect into a file and change.
    Show {
        /// Name of the recipe, or a TOML file.
        name: String,
        /// Change it first, as in `train`.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// With every key that it leaves out, at the value it has then; docs/recipe.md tells what each is.
        #[arg(long)]
        full: bool,
    },
}
