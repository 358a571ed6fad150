//! The settings of EDM's networks, from what they were constructed with.

use super::InteropError;
use super::edm_arguments::{Argument, by_name, unknown};
use super::edm_file::EdmNetwork;
use super::edm_object::EdmObject;
use crate::model::Architecture;
use crate::model::network::{Decoder, DhariwalConfig, Encoder, NoiseEmbedding, SongConfig};

/// What makes a denoiser of a network of EDM, by the class around it.
///
/// # Source
///
/// The classes of NVlabs/edm `training/networks.py` and, for [`EdmForm::Consistency`], of locuslab/ect; defaults are theirs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EdmForm {
    /// `EDMPrecond`.
    Edm,
    /// `ECMPrecond` of ECT: trained in the form of EDM, evaluated as a consistency model that is the identity at `sigma_min`.
    Consistency {
        /// Standard deviation of the noise at which it is the identity.
        sigma_min: f64,
    },
    /// `VPPrecond`: DDPM in continuous time.
    Vp {
        /// Slope of the noise schedule.
        beta_d: f64,
        /// Start of the noise schedule.
        beta_min: f64,
        /// Number of steps of the original.
        n_steps: f64,
        /// Smallest time it was trained at.
        epsilon_t: f64,
    },
    /// `VEPrecond`: score matching, σ told as ln(σ/2).
    Ve {
        /// Smallest standard deviation of the noise.
        sigma_min: f64,
        /// Largest standard deviation of the noise.
        sigma_max: f64,
    },
    /// `iDDPMPrecond`: improved DDPM in discrete time; the network has twice the channels, of which half are used.
    Iddpm {
        /// Adjustment of time steps at low noise.
        c_1: f64,
        /// Adjustment of time steps at high noise.
        c_2: f64,
        /// Number of steps of the original.
        n_steps: usize,
    },
    /// A class of somebody else's around one of EDM's networks.
    Other {
        /// Its name.
        class: String,
    },
}

/// All that the arguments say.
#[derive(Debug, Clone, PartialEq)]
pub struct EdmSettings {
    /// The network.
    pub architecture: Architecture,
    /// What makes a denoiser of it.
    pub form: EdmForm,
    /// Standard deviation of the data, in the units of the images.
    pub sigma_data: f64,
    /// Height and width of the images.
    pub image_size: usize,
    /// Channels of the images.
    pub n_channels: usize,
    /// Number of classes; 0 without.
    pub n_classes: usize,
}

impl EdmNetwork {
    /// What the network and its denoiser are.
    ///
    /// What concerns training and speed alone is passed over: `label_dropout`, `use_fp16`, and the limits of noise levels that
    /// nothing enforces.
    ///
    /// # Errors
    ///
    /// [`InteropError::Unsupported`] with the argument or class: one that is not known here, or whose value is of another kind than
    /// it should be.
    pub fn settings(&self) -> Result<EdmSettings, InteropError> {
        let inner = self.inner.as_ref().ok_or_else(|| InteropError::Unsupported {
            what: format!("a network of class `{}`", self.object.class),
            why: "it has no network called `model` within it, as EDM's have".to_owned(),
        })?;
        let architecture = architecture(inner)?;
        let wrapper = Wrapper::of(&self.object.class);
        let named = by_name(&self.object, wrapper.order)?;
        let argument =
            |name: &'static str| Argument { class: &self.object.class, name, value: named.get(name) };
        let form = wrapper.form(&self.object.class, &argument)?;
        let known =
            |name: &&String| wrapper.order.contains(&name.as_str()) || NETWORK.contains(&name.as_str());
        if let Some(name) = named.keys().find(|name| !known(name))
            && !matches!(form, EdmForm::Other { .. })
        {
            return Err(unknown(&self.object.class, name, &named[name]));
        }
        let (image_size, n_channels, n_classes) = match &architecture {
            Architecture::Song(config) => (config.image_size, config.in_channels, config.n_classes),
            Architecture::Dhariwal(config) => (config.image_size, config.in_channels, config.n_classes),
            _ => unreachable!("the two architectures of EDM"),
        };
        Ok(EdmSettings {
            form,
            sigma_data: argument("sigma_data").number(0.5)?,
            image_size: image_size.height,
            n_channels,
            n_classes: n_classes.unwrap_or(0),
            architecture,
        })
    }
}

/// A class of preconditioning: its arguments in their order.
struct Wrapper {
    order: &'static [&'static str],
}

impl Wrapper {
    fn of(class: &str) -> Self {
        let order: &[&str] = match class {
            "VPPrecond" => &[
                "img_resolution",
                "img_channels",
                "label_dim",
                "use_fp16",
                "beta_d",
                "beta_min",
                "M",
                "epsilon_t",
                "model_type",
            ],
            "VEPrecond" => &[
                "img_resolution",
                "img_channels",
                "label_dim",
                "use_fp16",
                "sigma_min",
                "sigma_max",
                "model_type",
            ],
            "iDDPMPrecond" => {
                &["img_resolution", "img_channels", "label_dim", "use_fp16", "C_1", "C_2", "M", "model_type"]
            }
            _ => &[
                "img_resolution",
                "img_channels",
                "label_dim",
                "use_fp16",
                "sigma_min",
                "sigma_max",
                "sigma_data",
                "model_type",
            ],
        };
        Self { order }
    }

    fn form<'a>(
        &self,
        class: &str,
        argument: &impl Fn(&'static str) -> Argument<'a>,
    ) -> Result<EdmForm, InteropError> {
        Ok(match class {
            "EDMPrecond" => EdmForm::Edm,
            "ECMPrecond" => EdmForm::Consistency { sigma_min: argument("sigma_min").number(0.003)? },
            "VPPrecond" => EdmForm::Vp {
                beta_d: argument("beta_d").number(19.9)?,
                beta_min: argument("beta_min").number(0.1)?,
                n_steps: argument("M").number(1000.0)?,
                epsilon_t: argument("epsilon_t").number(1e-5)?,
            },
            "VEPrecond" => EdmForm::Ve {
                sigma_min: argument("sigma_min").number(0.02)?,
                sigma_max: argument("sigma_max").number(100.0)?,
            },
            "iDDPMPrecond" => EdmForm::Iddpm {
                c_1: argument("C_1").number(0.001)?,
                c_2: argument("C_2").number(0.008)?,
                n_steps: argument("M").count(1000)?,
            },
            other => EdmForm::Other { class: other.to_owned() },
        })
    }
}

/// Arguments of `SongUNet` and `DhariwalUNet`, in the order that both have, then those of the first alone.
const NETWORK: &[&str] = &[
    "img_resolution",
    "in_channels",
    "out_channels",
    "label_dim",
    "augment_dim",
    "model_channels",
    "channel_mult",
    "channel_mult_emb",
    "num_blocks",
    "attn_resolutions",
    "dropout",
    "label_dropout",
    "embedding_type",
    "channel_mult_noise",
    "encoder_type",
    "decoder_type",
    "resample_filter",
];
/// How many of them `DhariwalUNet` has.
const N_DHARIWAL: usize = 12;

/// The network that EDM's class constructs with these arguments.
fn architecture(object: &EdmObject) -> Result<Architecture, InteropError> {
    let class = object.class.as_str();
    let order = match class {
        "SongUNet" => NETWORK,
        "DhariwalUNet" => &NETWORK[..N_DHARIWAL],
        _ => {
            return Err(InteropError::Unsupported {
                what: format!("a network of class `{class}`"),
                why: "of EDM's networks `SongUNet` and `DhariwalUNet` are read".to_owned(),
            });
        }
    };
    let named = by_name(object, order)?;
    if let Some(name) = named.keys().find(|name| !order.contains(&name.as_str())) {
        return Err(unknown(class, name, &named[name]));
    }
    let argument = |name: &'static str| Argument { class, name, value: named.get(name) };
    let count = |name, default| argument(name).count(default);
    let image_size = argument("img_resolution").required_count()?;
    let n_classes = Some(count("label_dim", 0)?).filter(|&n| n > 0);
    let (in_channels, out_channels) =
        (argument("in_channels").required_count()?, argument("out_channels").required_count()?);
    let (augment_dim, channel_mult_emb) = (count("augment_dim", 0)?, count("channel_mult_emb", 4)?);
    let dropout = argument("dropout").number(0.1)?;
    // Sizes that no level has are passed over by EDM.
    let attention = |default: &[usize], n_levels: usize| {
        let mut sizes = argument("attn_resolutions").counts(default)?;
        sizes.retain(|size| (0..n_levels.min(63)).any(|level| image_size >> level == *size));
        Ok::<_, InteropError>(sizes)
    };
    if class == "DhariwalUNet" {
        let channel_mult = argument("channel_mult").counts(&[1, 2, 3, 4])?;
        return Ok(Architecture::Dhariwal(DhariwalConfig {
            image_size: image_size.into(),
            in_channels,
            out_channels,
            n_classes,
            guidance_embedding: false,
            augment_dim,
            model_channels: count("model_channels", 192)?,
            attention_resolutions: attention(&[32, 16, 8], channel_mult.len())?,
            channel_mult,
            channel_mult_emb,
            num_blocks: count("num_blocks", 3)?,
            dropout,
        }));
    }
    let channel_mult = argument("channel_mult").counts(&[1, 2, 2, 2])?;
    let embedding = argument("embedding_type")
        .one_of(&[("positional", NoiseEmbedding::Positional), ("fourier", NoiseEmbedding::Fourier)])?;
    let encoder = argument("encoder_type").one_of(&[
        ("standard", Encoder::Standard),
        ("skip", Encoder::Skip),
        ("residual", Encoder::Residual),
    ])?;
    let decoder =
        argument("decoder_type").one_of(&[("standard", Decoder::Standard), ("skip", Decoder::Skip)])?;
    Ok(Architecture::Song(SongConfig {
        image_size: image_size.into(),
        in_channels,
        out_channels,
        n_classes,
        guidance_embedding: false,
        augment_dim,
        model_channels: count("model_channels", 128)?,
        attention_resolutions: attention(&[16], channel_mult.len())?,
        channel_mult,
        channel_mult_emb,
        num_blocks: count("num_blocks", 4)?,
        dropout,
        embedding,
        channel_mult_noise: count("channel_mult_noise", 1)?,
        encoder,
        decoder,
        resample_filter: argument("resample_filter").numbers(&[1.0, 1.0])?,
        ..SongConfig::cifar10_ddpmpp()
    }))
}
