//! What can be typed after `eval`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use onestep::eval::Metric;
use onestep::perceptual::{PerceptualKind, Pooling, Trunk};

use super::{DeviceChoice, DeviceParser, ModelArgs, SamplerArgs, SamplerName, SizeArgs};
use crate::lists::{Counts, Seeds, seed};
use crate::shard::Shard;

/// Options of `eval`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct EvalArgs {
    /// Other things to do.
    #[command(subcommand)]
    pub command: Option<EvalCommand>,
    /// What is judged: a model (file, step folder or run folder), images (a folder, a zip, an npz, `builtin:emoji`), or a
    /// file from --stats-out.
    #[arg(value_name = "SAMPLES", required = true)]
    pub samples: Option<String>,
    /// What it is compared with: images, published statistics (an npz with mu and sigma), or a file from --stats-out.
    /// Without it, only the Inception Score and --stats-out make sense.
    #[arg(value_name = "REFERENCE")]
    pub reference: Option<String>,
    /// What to measure: fd (Fréchet distance: FID with Inception), sfd, kid, is, pr (precision, recall, density, coverage).
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_enum, default_value = "fd")]
    pub metrics: Vec<MetricName>,
    /// The network and the rules.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Judge so many: that many seeds of a model (from 0; 10000 unless the protocol says otherwise), or images
    /// spread over the set.
    #[arg(short, long, value_name = "N", conflicts_with_all = ["seeds", "images"], value_parser = clap::value_parser!(u32).range(2..=16_000_000))]
    pub num_samples: Option<u32>,
    /// Seeds of a model, one image each, for example 0-49999.
    #[arg(short, long, value_name = "LIST", conflicts_with = "images", allow_negative_numbers = true)]
    pub seeds: Option<Seeds>,
    /// Which images of a data set are judged, by number, for example 0-1999.
    #[arg(long, value_name = "LIST")]
    pub images: Option<Seeds>,
    /// Which images of the reference count, by number.
    #[arg(long, value_name = "LIST")]
    pub reference_images: Option<Seeds>,
    /// What size images of data sets are brought to.
    #[command(flatten)]
    pub size: SizeArgs,
    /// Real images to measure as well, for example a test set: what samples cannot be expected to beat.
    #[arg(long, value_name = "DATA")]
    pub floor: Option<String>,
    /// Only this part of the samples, for example 2/8, or `auto` where a job array, a launcher or Kubernetes tells which; `eval merge`
    /// adds the parts up. Needs --stats-out.
    #[arg(long, value_name = "I/N", requires = "stats_out")]
    pub shard: Option<Shard>,
    /// Keep what was seen of the samples: to go on after an interruption, to add up shards, or as a reference later. A .npz
    /// gets mean and covariance alone, as other tools read them.
    #[arg(long, value_name = "FILE")]
    pub stats_out: Option<PathBuf>,
    /// Also write the scores as JSON.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace files of those names that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How a model draws.
    #[command(flatten)]
    pub sampler: SamplerArgs,
}

/// The feature network and the rules of the comparison.
#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// What looks at the images: `effnet-lite0` (built in, the default), `inception` (from the cache), a file with the weights of
    /// Inception or of a CIFAR ResNet, or `portraits`, which measures `legal` and is taken for it.
    #[arg(short, long, value_name = "NETWORK")]
    pub features: Option<String>,
    /// The rules of published numbers: plain (the default), openai-adm, edm, ect, clean-fid-legacy-tf, clean-fid, pytorch-fid,
    /// torch-fidelity.
    #[arg(short, long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Take fewer images than the protocol's numbers are computed from.
    #[arg(long)]
    pub fewer: bool,
    /// Images that the feature network sees together; does not change what it sees.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub feature_batch: u32,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricName {
    /// Fréchet distance; FID with Inception.
    #[value(alias = "fid")]
    Fd,
    /// Fréchet distance of the features that know where; sFID with Inception.
    #[value(alias = "sfid")]
    Sfd,
    /// Kernel distance; KID with Inception.
    #[value(alias = "kd")]
    Kid,
    /// Inception Score.
    Is,
    /// Precision and recall, density and coverage.
    Pr,
    /// Of portraits: the share that can be drawn by rule, and how the attributes are distributed.
    Legal,
}

impl MetricName {
    /// What the library calls it.
    pub fn metric(self) -> Metric {
        match self {
            Self::Fd => Metric::Frechet,
            Self::Sfd => Metric::SpatialFrechet,
            Self::Kid => Metric::Kernel,
            Self::Is => Metric::InceptionScore,
            Self::Pr => Metric::PrecisionRecall,
            Self::Legal => Metric::Legal,
        }
    }
}

/// Verbs of `eval`.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// Add up the parts of a sharded evaluation, to the bits that one run gives.
    Merge(MergeArgs),
    /// Quality against cost, for several models, samplers and numbers of steps.
    Curve(CurveArgs),
    /// How probable a diffusion model finds images, in bits per dimension.
    Likelihood(LikelihoodArgs),
    /// How different two pictures look, or each two of two sets.
    Distance(DistanceArgs),
    /// Whether a model repeats the images that it learned from: the nearest of them to its own, in numbers and as a picture.
    Nearest(NearestArgs),
}

/// Options of `eval nearest`.
#[derive(Debug, Args)]
pub struct NearestArgs {
    /// A model (file, step folder or run folder), or images.
    #[arg(value_name = "SAMPLES")]
    pub samples: PathBuf,
    /// The images that it learned from.
    #[arg(value_name = "TRAINING")]
    pub training: String,
    /// Images of the same kind that it has not learned from, for comparison.
    #[arg(long, value_name = "DATA")]
    pub held_out: Option<String>,
    /// Take them from the part `test` of TRAINING, of which then only the part `train` was learned from.
    #[arg(long, conflicts_with = "held_out")]
    pub test: bool,
    /// So many seeds of a model, from 0, or images spread over a set; and at most so many held-out ones.
    #[arg(short, long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub num_samples: u32,
    /// Neighbors of each that are shown.
    #[arg(short, long, value_name = "K", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub neighbors: u32,
    /// Rows of the picture: those samples that are most like one image of training and no other.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rows: u32,
    /// The picture: on the left samples, each with its neighbors in training, on the right held-out images with theirs.
    #[arg(short, long, value_name = "PNG", default_value = "nearest.png")]
    pub out: PathBuf,
    /// Replace a picture of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How a model draws.
    #[command(flatten)]
    pub sampler: SamplerArgs,
}

/// Options of `eval distance`.
#[derive(Debug, Args)]
pub struct DistanceArgs {
    /// A picture, or images: a folder, a zip, an npz, `builtin:emoji`.
    #[arg(value_name = "A")]
    pub a: String,
    /// What it is compared with, image by image in their order.
    #[arg(value_name = "B")]
    pub b: String,
    /// What looks at them.
    #[arg(short, long, value_enum, default_value_t)]
    pub distance: DistanceName,
    /// The first so many pairs; without it, both sets must have as many images.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub num_images: Option<u32>,
    /// What size images of data sets are brought to.
    #[command(flatten)]
    pub size: SizeArgs,
    /// The trunk of LPIPS, where it is not in the cache.
    #[arg(long, value_name = "FILE")]
    pub trunk: Option<PathBuf>,
    /// The heads of LPIPS, where they are not in the cache.
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}

/// Perceptual distances, as they are measured with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DistanceName {
    /// Shift-tolerant LPIPS with AlexNet, built in.
    #[default]
    StLpips,
    /// LPIPS 0.1 with VGG16, from files.
    Lpips,
    /// LPIPS 0.1 with AlexNet, from files: the one that papers report unless they say otherwise.
    LpipsAlex,
}

impl DistanceName {
    /// What the library calls it.
    pub fn kind(self) -> PerceptualKind {
        let lpips = |trunk| PerceptualKind::Lpips { trunk, pooling: Pooling::Max };
        match self {
            Self::StLpips => PerceptualKind::StLpips,
            Self::Lpips => lpips(Trunk::Vgg16),
            Self::LpipsAlex => lpips(Trunk::AlexNet),
        }
    }
}

/// Options of `eval merge`.
#[derive(Debug, Args)]
#[command(override_usage = "onestep eval merge [OPTIONS] <PART>... <REFERENCE>")]
pub struct MergeArgs {
    /// The parts, files from --stats-out, and after them the reference; the parts alone with --no-reference.
    #[arg(value_name = "PART", required = true, num_args = 1..)]
    pub files: Vec<String>,
    /// All files are parts.
    #[arg(long, requires = "stats_out")]
    pub no_reference: bool,
    /// What to measure.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', value_enum, default_value = "fd")]
    pub metrics: Vec<MetricName>,
    /// The network that sees the reference, where that is images; it must be the one that saw the parts.
    #[arg(short, long, value_name = "NETWORK")]
    pub features: Option<String>,
    /// Take fewer images than the protocol's numbers are computed from.
    #[arg(long)]
    pub fewer: bool,
    /// Keep the sum: as a reference later. A .npz gets mean and covariance alone.
    #[arg(long, value_name = "FILE")]
    pub stats_out: Option<PathBuf>,
    /// Also write the scores as JSON.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace files of those names that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `eval curve`.
#[derive(Debug, Args)]
#[command(override_usage = "onestep eval curve [OPTIONS] <MODEL>... <REFERENCE>")]
pub struct CurveArgs {
    /// Models, and after them the reference.
    #[arg(value_name = "PATH", required = true, num_args = 2..)]
    pub paths: Vec<String>,
    /// Numbers of steps for consistency models.
    #[arg(long, value_name = "LIST", default_value = "1,2,4")]
    pub steps: Counts,
    /// Numbers of levels for diffusion models.
    #[arg(long, value_name = "LIST", default_value = "3,5,9,18")]
    pub ode_steps: Counts,
    /// Samplers for diffusion models.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum, default_value = "heun")]
    pub samplers: Vec<SamplerName>,
    /// Guidance scales, each for all models: 1 does nothing, above 1 exaggerates the class.
    #[arg(short, long, value_name = "LIST", value_delimiter = ',', allow_negative_numbers = true)]
    pub guidance: Vec<f64>,
    /// Images a point: seeds from 0 on.
    #[arg(short, long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(2..=16_000_000))]
    pub num_samples: u32,
    /// The network and the rules.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// What size images of data sets are brought to.
    #[command(flatten)]
    pub size: SizeArgs,
    /// Keep every point in this folder, and go on from there.
    #[arg(long, value_name = "FOLDER")]
    pub points: Option<PathBuf>,
    /// The picture; the table goes beside it as JSON.
    #[arg(short, long, value_name = "SVG", default_value = "curve.svg")]
    pub out: PathBuf,
    /// Replace a picture of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Images computed together; changes the seconds, not the images.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub batch: u32,
    /// Which weights of each model, and how they are computed with.
    #[command(flatten)]
    pub with: ModelArgs,
}

/// Options of `eval likelihood`.
#[derive(Debug, Args)]
pub struct LikelihoodArgs {
    /// A diffusion model: a file, a step folder or a run folder.
    pub model: PathBuf,
    /// The images, which are brought to the model's size.
    pub data: String,
    /// So many images, spread over the whole set.
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub num_images: u32,
    /// Look at the test part of a set that has one.
    #[arg(long)]
    pub test: bool,
    /// Steps along the path, four evaluations each.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,
    /// Random probes of the trace, an image.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub probes: u32,
    /// Seed of the probes and of dequantisation.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Which weights: best, raw, target, or the label of an average.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub weights: String,
    /// Images computed together; does not change the result.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}
