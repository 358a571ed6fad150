//! The settings of OpenAI's U-Net.

use serde::{Deserialize, Serialize};

use crate::model::ModelError;
use crate::model::network::{Order, Spacing, attends, check_dropout, check_levels};
use crate::size::ImageSize;

/// Settings of OpenAI's U-Net ([`UNet::adm`](crate::model::network::UNet::adm)); what is left out takes the value of the published checkpoints.
///
/// # Source
///
/// The flags of openai/guided-diffusion and openai/consistency_models, with two differences:
/// `attention_resolutions` are feature map sizes, as on their command line, and not downsampling factors;
/// the boolean flags of resampling and the two ways to count heads are one enum each. From `groups` on: what `UNet2DModel` of
/// diffusers can vary beside that, and the U-Net of DDPM has otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmConfig {
    /// Height and width of the images, each divisible by 2 once for each level but the first.
    pub image_size: ImageSize,
    /// Channels of the input.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Channels of the output.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// Channels at full resolution before `channel_mult`; a multiple of `groups`.
    pub model_channels: usize,
    /// Residual blocks of each level on the way down; one more on the way up.
    pub num_res_blocks: usize,
    /// Sizes of the feature maps that attend to themselves, for example 32, 16 and 8; by their shorter side where they are
    /// not square.
    pub attention_resolutions: Vec<usize>,
    /// Channels of each level as multiples of `model_channels`, from full resolution down.
    pub channel_mult: Vec<usize>,
    /// Number of classes; none for an unconditional network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_classes: Option<usize>,
    /// Whether it is told a guidance scale: a student of a guided teacher.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guidance_embedding: bool,
    /// How channels are divided among attention heads.
    #[serde(default)]
    pub heads: AdmHeads,
    /// Whether the embedding scales and shifts the norms (adaptive group norm), or is added.
    #[serde(default = "yes")]
    pub scale_shift_norm: bool,
    /// How the resolution changes between levels.
    #[serde(default)]
    pub resample: AdmResample,
    /// Dropout rate in the residual blocks.
    #[serde(default)]
    pub dropout: f64,
    /// Groups of the norms.
    #[serde(default = "thirty_two", skip_serializing_if = "is_thirty_two")]
    pub groups: usize,
    /// Added to the variance by the norms.
    #[serde(default = "usual_epsilon", skip_serializing_if = "is_usual_epsilon")]
    pub epsilon: f64,
    /// Whether the middle attends to itself.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub middle_attention: bool,
    /// Multiplies the noise code in front of its sinusoids: 1000 for a network that was trained on 1000·ln(σ)/4, 1 for one that is
    /// told the number of a step.
    #[serde(default = "thousand", skip_serializing_if = "is_thousand")]
    pub time_scale: f64,
    /// Which half of the sinusoids comes first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sinusoid_order: Order,
    /// How the frequencies of the sinusoids are spaced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sinusoid_spacing: Spacing,
}

/// How the channels of an attention block are divided among heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AdmHeads {
    /// A fixed number of heads at all widths.
    Count {
        /// Number of heads on the way down and in the middle.
        heads: usize,
        /// Number of heads on the way up; the same where none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upsample: Option<usize>,
    },
    /// Heads of this many channels, however many that makes.
    Width(usize),
}

impl Default for AdmHeads {
    fn default() -> Self {
        Self::Width(64)
    }
}

impl AdmHeads {
    /// Number of heads over so many channels; zero where the width does not divide them.
    pub(crate) fn number(self, channels: usize, on_the_way_up: bool) -> usize {
        match self {
            Self::Count { heads, upsample } if on_the_way_up => upsample.unwrap_or(heads),
            Self::Count { heads, .. } => heads,
            Self::Width(width) if width > 0 && channels.is_multiple_of(width) => channels / width,
            Self::Width(_) => 0,
        }
    }
}

/// How the resolution changes between levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmResample {
    /// A residual block that averages or repeats pixels inside (`resblock_updown`).
    #[default]
    ResBlock,
    /// A convolution with stride 2; repeated pixels and a convolution.
    Convolution,
    /// The same with zeros only below and at the right of what is halved, as DDPM has it.
    ConvolutionPaddedBehind,
    /// Mean of two by two pixels; repeated pixels.
    Pooling,
}

impl AdmConfig {
    /// The network of the published ImageNet 64x64 checkpoints: 295,899,267 parameters in 541 tensors.
    pub fn imagenet64() -> Self {
        Self {
            image_size: 64.into(),
            in_channels: 3,
            out_channels: 3,
            model_channels: 192,
            num_res_blocks: 3,
            attention_resolutions: vec![32, 16, 8],
            channel_mult: vec![1, 2, 3, 4],
            n_classes: Some(1000),
            guidance_embedding: false,
            heads: AdmHeads::Width(64),
            scale_shift_norm: true,
            resample: AdmResample::ResBlock,
            dropout: 0.0,
            groups: thirty_two(),
            epsilon: usual_epsilon(),
            middle_attention: true,
            time_scale: thousand(),
            sinusoid_order: Order::default(),
            sinusoid_spacing: Spacing::default(),
        }
    }

    /// The network of the published LSUN 256x256 checkpoints: 526,304,771 parameters in 566 tensors.
    pub fn lsun256() -> Self {
        Self {
            image_size: 256.into(),
            model_channels: 256,
            num_res_blocks: 2,
            channel_mult: vec![1, 1, 2, 2, 4, 4],
            n_classes: None,
            scale_shift_norm: false,
            ..Self::imagenet64()
        }
    }

    /// Whether the feature maps of a level attend to themselves.
    pub(crate) fn attends(&self, level: usize) -> bool {
        attends(&self.attention_resolutions, self.image_size.halved(level))
    }

    /// Refuses numbers that contradict each other, as far as the layers do not do that themselves.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        check_levels(self.image_size, &self.channel_mult, &self.attention_resolutions)?;
        check_dropout(self.dropout)?;
        let bad = |reason: String| Err(ModelError::BadArchitecture { reason });
        if self.in_channels == 0 || self.out_channels == 0 {
            return bad("in_channels and out_channels must be at least 1".into());
        }
        if self.model_channels == 0 || self.groups == 0 || !self.model_channels.is_multiple_of(self.groups) {
            return bad(format!(
                "model_channels must be a multiple of {}, got {}",
                self.groups.max(1),
                self.model_channels
            ));
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1.0) {
            return bad(format!("epsilon must be above 0 and below 1, got {}", self.epsilon));
        }
        if !(self.time_scale > 0.0 && self.time_scale.is_finite()) {
            return bad(format!("time_scale must be above 0, got {}", self.time_scale));
        }
        if self.num_res_blocks == 0 {
            return bad("num_res_blocks must be at least 1".into());
        }
        if self.n_classes == Some(0) {
            return bad("n_classes must be at least 1; leave it out for an unconditional network".into());
        }
        if let AdmHeads::Width(0) = self.heads {
            return bad("the width of an attention head must be at least 1".into());
        }
        Ok(())
    }
}

fn three() -> usize {
    3
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn thirty_two() -> usize {
    32
}

fn is_thirty_two(value: &usize) -> bool {
    *value == thirty_two()
}

fn usual_epsilon() -> f64 {
    1e-5
}

fn is_usual_epsilon(value: &f64) -> bool {
    *value == usual_epsilon()
}

/// The published networks were trained on the times 1000·ln(σ)/4.
fn thousand() -> f64 {
    1000.0
}

fn is_thousand(value: &f64) -> bool {
    *value == thousand()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
