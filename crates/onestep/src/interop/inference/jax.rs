//! The settings of flax's NCSN++ and DDPM++, from the names and shapes of their parameters.

use std::collections::{BTreeMap, BTreeSet};

use crate::interop::{Choices, InteropError};
use crate::model::network::{Encoder, NoiseEmbedding, SongConfig};
use crate::size::ImageSize;

/// Finds the settings of a network by the names and shapes of its parameters.
///
/// `image_size` and `attention_resolutions`, the sizes of the feature maps that attend to themselves, are what the parameters do not
/// say. A network of the published widths has images of 32 pixels and attends at 16 where nobody says otherwise.
///
/// Rates of dropout are not in the file; it is 0 here. The filter of a network without the convolutions of the residual input
/// is taken for that of DDPM++, `[1, 1]`.
///
/// # Errors
///
/// - [`InteropError::UnknownFamily`] if these are not such a network's parameters.
/// - [`InteropError::Undecided`] if the size of the images, or which levels attend, has to be said.
/// - [`InteropError::Unsupported`] for the forms of it that were never published with weights.
pub fn song_from_jax(
    shapes: &BTreeMap<String, Vec<usize>>,
    image_size: Option<ImageSize>,
    attention_resolutions: Option<&[usize]>,
) -> Result<SongConfig, InteropError> {
    refuse_other_forms(shapes)?;
    let seen = Seen::new(shapes).ok_or_else(|| InteropError::UnknownFamily {
        names: shapes.keys().take(3).cloned().collect(),
        families: "flax's NCSN++ and DDPM++",
    })?;
    let widths = seen.channel_mult();
    let published = SongConfig::cifar10_ncsnpp();
    let is_published = seen.model_channels == published.model_channels
        && widths == published.channel_mult
        && seen.num_blocks == published.num_blocks
        && (seen.in_channels, seen.out_channels) == (published.in_channels, published.out_channels);
    let published_size = is_published.then_some(published.image_size);
    let image_size = image_size.or(published_size).ok_or_else(Choices::size_needed)?;
    let usual = is_published.then_some(&published.attention_resolutions);
    let is_residual = seen.n_residual > 0;
    Ok(SongConfig {
        image_size,
        in_channels: seen.in_channels,
        out_channels: seen.out_channels,
        augment_dim: 0,
        model_channels: seen.model_channels,
        channel_mult_emb: seen.n_embedding / seen.model_channels,
        num_blocks: seen.num_blocks,
        attention_resolutions: seen.attention(image_size, attention_resolutions, usual)?,
        dropout: 0.0,
        embedding: if seen.is_fourier { NoiseEmbedding::Fourier } else { NoiseEmbedding::Positional },
        channel_mult_noise: seen.n_noise / seen.model_channels,
        encoder: if is_residual { Encoder::Residual } else { Encoder::Standard },
        resample_filter: if is_residual { published.resample_filter } else { vec![1.0, 1.0] },
        channel_mult: widths,
        ..SongConfig::cifar10_ddpmpp()
    })
}

/// Forms of the network that the code can build and no published weights have.
fn refuse_other_forms(shapes: &BTreeMap<String, Vec<usize>>) -> Result<(), InteropError> {
    let other = [
        ("NCSNpp_", "two networks, of which one at a time is read; save the parameters of one of them alone"),
        ("ResnetBlockDDPMpp_", "blocks of DDPM; networks of BigGAN's blocks are read"),
        ("Combine_", "a skip of the input; networks with its residual convolution or nothing are read"),
        ("Upsample_", "images of every level, added up; networks with one output are read"),
    ];
    for (prefix, why) in other {
        if let Some(name) = shapes.keys().find(|name| name.starts_with(prefix)) {
            let (what, why) = (format!("the network with `{name}`"), format!("it has {why}"));
            return Err(InteropError::Unsupported { what, why });
        }
    }
    let channels = |name: &str, axis: usize| shapes.get(name).and_then(|shape| shape.get(axis)).copied();
    match (channels("Conv_0/kernel", 2), channels("Conv_1/kernel", 3)) {
        (Some(n_in), Some(n_out)) if n_out == 2 * n_in => Err(InteropError::Unsupported {
            what: format!("the network whose `Conv_1` gives {n_out} channels for {n_in}"),
            why: "it has two heads, a denoiser and a consistency model; networks with one are read"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The most levels that a network may have: more would halve any image to nothing.
const MAX_LEVELS: usize = 12;

/// What names and shapes say.
#[derive(Debug)]
struct Seen {
    in_channels: usize,
    out_channels: usize,
    model_channels: usize,
    n_noise: usize,
    n_embedding: usize,
    is_fourier: bool,
    n_residual: usize,
    num_blocks: usize,
    /// Channels of each level, from full resolution down.
    level_channels: Vec<usize>,
    /// Channels of each attention, in the order of creation.
    attention_channels: Vec<usize>,
}

impl Seen {
    fn new(shapes: &BTreeMap<String, Vec<usize>>) -> Option<Self> {
        let shape = |name: &str| shapes.get(name).map(Vec::as_slice);
        let count =
            |form: &dyn Fn(usize) -> String| (0..).take_while(|&n| shapes.contains_key(&form(n))).count();
        let &[3, 3, in_channels, model_channels] = shape("Conv_0/kernel")? else { return None };
        let &[3, 3, _, out_channels] = shape("Conv_1/kernel")? else { return None };
        let &[n_noise, n_embedding] = shape("Dense_0/kernel")? else { return None };
        let block = |n: usize| format!("ResnetBlockBigGANpp_{n}");
        let n_blocks = count(&|n| format!("{}/Conv_0/kernel", block(n)));
        let attention = |n: usize| format!("AttnBlockpp_{n}/GroupNorm_0/scale");
        let n_attentions = count(&attention);

        // A block that changes the resolution keeps its width, and has a convolution beside it all the same.
        let channels = |n: usize| match *shape(&format!("{}/Conv_0/kernel", block(n)))? {
            [3, 3, n_in, n_out] => Some((n_in, n_out)),
            _ => None,
        };
        let channels: Vec<(usize, usize)> = (0..n_blocks).map(channels).collect::<Option<_>>()?;
        let resamples = |n: usize| {
            channels[n].0 == channels[n].1 && shapes.contains_key(&format!("{}/Conv_2/kernel", block(n)))
        };
        let n_levels = (0..n_blocks).filter(|&n| resamples(n)).count() / 2 + 1;
        // `n` blocks and one that shrinks per level down, two in the middle, `n + 1` and one that enlarges per level up.
        let num_blocks = n_blocks.checked_sub(3 * n_levels)? / (2 * n_levels);
        let is_whole = n_blocks == n_levels * (2 * num_blocks + 3);
        let is_sound = is_whole && num_blocks > 0 && n_levels <= MAX_LEVELS && model_channels > 0;
        if !is_sound || n_noise % model_channels != 0 || n_embedding % model_channels != 0 {
            return None;
        }
        let level_channels: Vec<usize> =
            (0..n_levels).map(|level| channels[level * (num_blocks + 1)].1).collect();
        if level_channels.iter().any(|channels| channels % model_channels != 0) {
            return None;
        }
        Some(Self {
            in_channels,
            out_channels,
            model_channels,
            n_noise,
            n_embedding,
            is_fourier: shapes.contains_key("GaussianFourierProjection_0/W"),
            n_residual: count(&|n| format!("Downsample_{n}/Conv2d_0/weight")),
            num_blocks,
            level_channels,
            attention_channels: (0..n_attentions)
                .map(|n| shape(&attention(n))?.first().copied())
                .collect::<Option<_>>()?,
        })
    }

    fn channel_mult(&self) -> Vec<usize> {
        self.level_channels.iter().map(|channels| channels / self.model_channels).collect()
    }

    /// The sizes of the feature maps that attend: what was said, the only ones that fit, or the usual ones of a published network.
    fn attention(
        &self,
        image_size: ImageSize,
        said: Option<&[usize]>,
        usual: Option<&Vec<usize>>,
    ) -> Result<Vec<usize>, InteropError> {
        let n_levels = self.level_channels.len();
        let sizes = |levels: &[usize]| {
            levels.iter().map(|&level| image_size.halved(level).shorter()).collect::<Vec<_>>()
        };
        let all =
            (0u32..1 << n_levels).map(|set| (0..n_levels).filter(|level| (set >> level) & 1 == 1).collect());
        let fitting: Vec<Vec<usize>> =
            all.filter(|levels: &Vec<usize>| self.attended(levels) == self.attention_channels).collect();
        let fitting: Vec<Vec<usize>> = fitting.iter().map(|levels| sizes(levels)).collect();
        if let Some(said) = said {
            let sorted = |sizes: &[usize]| BTreeSet::from_iter(sizes.iter().copied());
            return match fitting.iter().any(|sizes| sorted(sizes) == sorted(said)) {
                true => Ok(said.to_vec()),
                false => Err(InteropError::Unsupported {
                    what: format!("attention at {said:?}"),
                    why: format!(
                        "the weights have {} attentions; {}",
                        self.attention_channels.len(),
                        possible(&fitting)
                    ),
                }),
            };
        }
        match (&fitting[..], usual) {
            ([only], _) => Ok(only.clone()),
            (_, Some(usual)) if fitting.contains(usual) => Ok(usual.clone()),
            _ => Err(InteropError::Undecided {
                why: format!(
                    "the weights do not say at which sizes the {} attentions lie: {}",
                    self.attention_channels.len(),
                    possible(&fitting)
                ),
                option: "--attention 16",
            }),
        }
    }

    /// Channels of each attention where these levels attend: in each block on the way down, in the middle, once on the way up.
    fn attended(&self, levels: &[usize]) -> Vec<usize> {
        let down = levels.iter().flat_map(|&level| vec![self.level_channels[level]; self.num_blocks]);
        let middle = self.level_channels.last().copied();
        let up = levels.iter().rev().map(|&level| self.level_channels[level]);
        down.chain(middle).chain(up).collect()
    }
}

fn possible(fitting: &[Vec<usize>]) -> String {
    match fitting {
        [] => "no choice of levels fits them".to_owned(),
        _ => format!(
            "possible are {}",
            fitting.iter().map(|sizes| format!("{sizes:?}")).collect::<Vec<_>>().join(", ")
        ),
    }
}
