//! What can be typed behind `import`, `export`, `models` and `fetch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use onestep::ImageSize;
use onestep::interop::{Choices, Form, QkvOrder};
use onestep::model::network::AdmHeads;

use crate::lists::Classes;

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A checkpoint of another program: a .pt, .pkl, .safetensors or .msgpack file, or a folder of diffusers.
    pub model: PathBuf,
    /// The model file to write.
    #[arg(short, long, value_name = "FILE", default_value = "model.safetensors")]
    pub out: PathBuf,
    /// Look at it and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// List every tensor with the place that it takes.
    #[arg(long)]
    pub tensors: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Replace a file of that name that onestep made.
    #[arg(long)]
    pub overwrite: bool,
    /// What the file does not say.
    #[command(flatten)]
    pub choices: ChoiceArgs,
    /// Names of the classes in order, with commas between them.
    #[arg(long, value_name = "LIST")]
    pub class_names: Option<Classes>,
    /// What it was trained on, for the model's header.
    #[arg(long, value_name = "TEXT")]
    pub data: Option<String>,
}

/// What a file of another program does not say, and somebody has to.
#[derive(Debug, Clone, Args)]
pub struct ChoiceArgs {
    /// Size of its images where the file does not tell: pixels a side, or width and height as 64x48.
    #[arg(long, value_name = "SIZE", help_heading = "What cannot be seen in every file")]
    pub size: Option<ImageSize>,
    /// What its network was trained to answer.
    #[arg(long, value_enum, help_heading = "What cannot be seen in every file")]
    pub form: Option<FormName>,
    /// Channels of an attention head.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "heads",
        help_heading = "What cannot be seen in every file"
    )]
    pub head_channels: Option<usize>,
    /// Number of attention heads, the same at every size.
    #[arg(long, value_name = "N", help_heading = "What cannot be seen in every file")]
    pub heads: Option<usize>,
    /// Order of the fused channels of queries, keys and values in a file of guided-diffusion.
    #[arg(long, value_enum, help_heading = "What cannot be seen in every file")]
    pub qkv_order: Option<OrderName>,
}

impl ChoiceArgs {
    /// The same for the library.
    pub fn choices(&self) -> Choices {
        Choices {
            image_size: self.size,
            heads: match (self.head_channels, self.heads) {
                (Some(width), _) => Some(AdmHeads::Width(width)),
                (None, Some(heads)) => Some(AdmHeads::Count { heads, upsample: None }),
                (None, None) => None,
            },
            qkv_order: self.qkv_order.map(|order| match order {
                OrderName::ThreeFirst => QkvOrder::ThreeFirst,
                OrderName::HeadsFirst => QkvOrder::HeadsFirst,
            }),
            form: self.form.map(FormName::form),
        }
    }
}

/// What a network was trained to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    /// A diffusion model in EDM's form.
    Edm,
    /// A consistency model that is the identity at its smallest level (Song et al. 2023).
    Consistency,
    /// A consistency model that is the identity at 0.003 (ECT).
    Ect,
    /// A diffusion model that answers with the noise of 1000 steps, betas evenly from 1e-4 to 0.02 (guided-diffusion).
    DdpmLinear,
    /// The same with the cosine of improved DDPM.
    DdpmCosine,
}

impl FormName {
    fn form(self) -> Form {
        match self {
            Self::Edm => Form::Edm,
            Self::Consistency => Form::Consistency,
            Self::Ect => Form::Ect,
            Self::DdpmLinear => Form::DdpmLinear,
            Self::DdpmCosine => Form::DdpmCosine,
        }
    }
}

/// Orders of fused channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OrderName {
    /// All queries, all keys, all values: consistency_models, and guided-diffusion with its new order.
    ThreeFirst,
    /// Head by head: what guided-diffusion published.
    HeadsFirst,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A model file, a step folder or a run folder.
    pub model: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    pub to: FormatName,
    /// The file or folder to write; by default one here, named after the model.
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Of ONNX: the whole way from noise to image in one step, or one evaluation of the denoiser; by default what the model can.
    #[arg(long, value_enum)]
    pub form: Option<OnnxFormName>,
    /// Which of the model's weights: best, raw, target, or the label of an average.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub weights: String,
    /// Title of the model card.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Licence of the weights for the model card, as catalogues write it: apache-2.0, cc-by-4.0.
    #[arg(long, value_name = "NAME")]
    pub license: Option<String>,
    /// Metrics for the model card: a file that `eval --json` wrote, or Markdown.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Replace what onestep made.
    #[arg(long)]
    pub overwrite: bool,
}

/// Formats that models go out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    /// A folder that diffusers' `DiffusionPipeline.from_pretrained` loads.
    Diffusers,
    /// An ONNX file for ONNX Runtime, OpenVINO and others.
    Onnx,
    /// A .pt with the names of the original implementation, for `torch.load(weights_only=True)`.
    Openai,
    /// The same names in a safetensors file.
    Safetensors,
    /// One model file of onestep with numbers of 16 bits: half the size, to use rather than to train on.
    Compact,
}

/// What an ONNX file computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnnxFormName {
    /// From noise of unit variance to an image (consistency models).
    OneStep,
    /// From a noisy image and its noise level to the clean one.
    Denoiser,
}

/// Options of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// A name that `onestep models` lists.
    pub name: String,
    /// The folder to keep it in; by default one where every command finds it by its name.
    #[arg(short, long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Show address, size and licence, and fetch nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Accept a licence with conditions, which the command names first.
    #[arg(long)]
    pub accept_licence: bool,
    /// Another address of the same file, for example of a mirror.
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
}
