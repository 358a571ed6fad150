//! What can be typed behind `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ChoiceName, DeviceChoice, DeviceParser};

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PassName {
    /// One evaluation of the network, without gradients.
    Forward,
    /// The gradient of the loss by every parameter, without the evaluation before it.
    Backward,
    /// A whole training step: images, noise, evaluation, gradient, optimizer, averages.
    Step,
    /// All three.
    All,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// `emoji`, `cifar10-ddpmpp`, `imagenet64-adm`, a recipe (built-in or TOML), a model file or run folder;
    /// `inception`, with random weights, `effnet-lite0`, or a .pt or .pth file of a feature network;
    /// or `operators`, for a table of single operators.
    #[arg(value_name = "NETWORK", default_value = "emoji")]
    pub network: String,
    /// Images at a time; `operators` measures 1, 8 and 32 unless it is given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: Option<u32>,
    /// What to measure.
    #[arg(long, value_enum, default_value_t = PassName::All)]
    pub what: PassName,
    /// Numbers to compute in; feature networks take f32 alone.
    #[arg(long, value_enum, default_value_t)]
    pub precision: ChoiceName,
    /// Device to compute on; `operators` and feature networks are measured on the processor.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
    /// Threads to compute on; by default one a processor, or RAYON_NUM_THREADS.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// How long to repeat each measurement, in seconds; by default 2, and 0.3 for each of the operators.
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    /// Change the recipe first, as in `train`. Batch size, microbatches and activation checkpointing are not the
    /// recipe's unless set.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// List every operator by its sizes.
    #[arg(long)]
    pub operators: bool,
    /// Also write the model and one case (input, noise levels, classes, output) into this folder, for comparison with
    /// other implementations.
    #[arg(long, value_name = "FOLDER")]
    pub dump: Option<PathBuf>,
    /// Replace files of an earlier dump there.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
