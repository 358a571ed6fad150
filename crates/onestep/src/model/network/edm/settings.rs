//! The settings that EDM's networks share, declared once.

use crate::model::network::embedding::{GuidanceScale, Labels};
use crate::model::network::layers::{Linear, Start};
use crate::model::network::{check_dropout, check_levels};
use crate::model::{Builder, ModelError};
use crate::size::ImageSize;

/// Declares the settings of one of EDM's networks: those that all of them have, then its own.
///
/// A macro, because only a struct of all fields refuses unknown ones in a recipe and a header (serde cannot do that for a
/// struct within a struct). What is left out of a recipe comes from the functions `model_channels`, `channel_mult`,
/// `num_blocks` and `attention_resolutions` of the module that uses it.
macro_rules! edm_settings {
    ($(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Height and width of the images, each divisible by 2 once for each level but the first.
            pub image_size: crate::size::ImageSize,
            /// Channels of the input.
            #[serde(default = "crate::model::network::edm::settings::three")]
            pub in_channels: usize,
            /// Channels of the output.
            #[serde(default = "crate::model::network::edm::settings::three")]
            pub out_channels: usize,
            /// Number of classes; none for an unconditional network.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub n_classes: Option<usize>,
            /// Whether it is told a guidance scale: a student of a guided teacher.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            pub guidance_embedding: bool,
            /// Number of augmentation labels; 0 for none.
            #[serde(default)]
            pub augment_dim: usize,
            /// Channels that the multipliers multiply.
            #[serde(default = "model_channels")]
            pub model_channels: usize,
            /// Channels of each level as multiples of `model_channels`, from full resolution down.
            #[serde(default = "channel_mult")]
            pub channel_mult: Vec<usize>,
            /// Width of the embedding of noise level and class, as a multiple of `model_channels`.
            #[serde(default = "crate::model::network::edm::settings::channel_mult_emb")]
            pub channel_mult_emb: usize,
            /// Residual blocks of each level on the way down; one more on the way up.
            #[serde(default = "num_blocks")]
            pub num_blocks: usize,
            /// Sizes of the feature maps that attend to themselves, by their shorter side where they are not square.
            #[serde(default = "attention_resolutions")]
            pub attention_resolutions: Vec<usize>,
            /// Dropout rate in the residual blocks.
            #[serde(default = "crate::model::network::edm::settings::dropout")]
            pub dropout: f64,
            $($own)*
        }

        impl $name {
            /// The settings that all of EDM's networks have.
            fn shared(&self) -> crate::model::network::edm::settings::Shared<'_> {
                crate::model::network::edm::settings::Shared {
                    image_size: self.image_size,
                    in_channels: self.in_channels,
                    out_channels: self.out_channels,
                    n_classes: self.n_classes,
                    guidance_embedding: self.guidance_embedding,
                    augment_dim: self.augment_dim,
                    model_channels: self.model_channels,
                    channel_mult: &self.channel_mult,
                    channel_mult_emb: self.channel_mult_emb,
                    num_blocks: self.num_blocks,
                    attention_resolutions: &self.attention_resolutions,
                    dropout: self.dropout,
                }
            }
        }
    };
}

pub(super) use edm_settings;

/// The settings that all of EDM's networks have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared<'a> {
    pub image_size: ImageSize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub n_classes: Option<usize>,
    pub guidance_embedding: bool,
    pub augment_dim: usize,
    pub model_channels: usize,
    pub channel_mult: &'a [usize],
    pub channel_mult_emb: usize,
    pub num_blocks: usize,
    pub attention_resolutions: &'a [usize],
    pub dropout: f64,
}

impl Shared<'_> {
    /// Refuses numbers that contradict each other, as far as the layers do not do that themselves, and zeros among `own`.
    pub(super) fn check(&self, own: &[(&str, usize)]) -> Result<(), ModelError> {
        check_levels(self.image_size, self.channel_mult, self.attention_resolutions)?;
        check_dropout(self.dropout)?;
        let positive = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("model_channels", self.model_channels),
            ("channel_mult_emb", self.channel_mult_emb),
            ("num_blocks", self.num_blocks),
            ("n_classes", self.n_classes.unwrap_or(1)),
        ];
        match positive.iter().chain(own).find(|(_, value)| *value == 0) {
            Some((name, _)) => {
                Err(ModelError::BadArchitecture { reason: format!("{name} must be at least 1") })
            }
            None => Ok(()),
        }
    }

    /// Channels of each level, from the top down.
    pub(super) fn channels(&self) -> Vec<usize> {
        self.channel_mult.iter().map(|mult| mult * self.model_channels).collect()
    }

    /// Width of the embedding of noise level and class.
    pub(super) fn n_embedding(&self) -> usize {
        self.model_channels * self.channel_mult_emb
    }

    /// The layer that a guidance scale goes through, to the embedding of the noise level.
    pub(super) fn guidance(&self, builder: &mut Builder, n_noise: usize) -> Option<GuidanceScale> {
        self.guidance_embedding.then(|| GuidanceScale::new(builder, "map_guidance", n_noise))
    }

    /// The layer that augmentation labels go through, to the embedding of the noise level.
    pub(super) fn augment(&self, builder: &mut Builder, n_noise: usize, start: Start) -> Option<Labels> {
        (self.augment_dim > 0).then(|| Labels {
            layer: Linear::without_bias(builder, "map_augment", [self.augment_dim, n_noise], start),
            n_labels: self.augment_dim,
        })
    }

    /// The two layers of the embedding.
    pub(super) fn layers(&self, builder: &mut Builder, n_noise: usize, start: Start) -> [Linear; 2] {
        let n_embedding = self.n_embedding();
        [
            Linear::new(builder, "map_layer0", [n_noise, n_embedding], start),
            Linear::new(builder, "map_layer1", [n_embedding, n_embedding], start),
        ]
    }

    /// Height, width and channels of the input.
    pub(super) fn image(&self) -> [usize; 3] {
        [self.image_size.height, self.image_size.width, self.in_channels]
    }
}

pub(super) fn three() -> usize {
    3
}

pub(super) fn channel_mult_emb() -> usize {
    4
}

pub(super) fn dropout() -> f64 {
    0.1
}
