//! What can be typed behind `import`, `models` and `fetch`.

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
    #[arg(long, value_name = "N", conflicts_with = "heads", help_heading = "What cannot be seen in every file")]
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
    /// A consistency model in EDM's form (ECT).
    Ect,
}

impl FormName {
    fn form(self) -> Form {
        match self {
            Self::Edm => Form::Edm,
            Self::Consistency => Form::Consistency,
            Self::Ect => Form::Ect,
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
