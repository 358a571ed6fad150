//! The networks of the JAX twin (openai/consistency_models_cifar10), under the names that flax gave their parts.
//!
//! 1. Names are numbers: `ResnetBlockBigGANpp_7` is the eighth block that was created, on the way down, in the middle and up.
//! 2. Layouts are ours: kernels `[kernel_h, kernel_w, in, out]`, dense layers `[in, out]`. Queries, keys and values are three
//!    matrices, ours one.
//! 3. The network is EDM's NCSN++ (a convolution of the input on every level, Fourier features) or DDPM++, to the last digit:
//!    where EDM filters after the convolution of the residual input, this filters before it, and both are linear.
//! 4. What the network is, names and shapes say ([`song_from_jax`](super::song_from_jax)), but for the size of its images.
//!
//! # Source
//!
//! `jcm/models/ncsnpp.py` and `layerspp.py`; compared with a network written in flax from their description
//! (`bench/foreign_flax.py`).

use std::collections::HashMap;

use super::NameMap;
use super::name_map::{Axes, Entry, Part};
use crate::model::network::{SongConfig, level_name};
use crate::model::{Architecture, ModelError, ParameterSpec};

impl NameMap {
    /// The parameters of this network as flax names them.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`] if the settings contradict each other, and for networks that this family does not have:
    /// with classes, augmentation labels, a skip encoder or a skip decoder.
    pub fn jax(config: &SongConfig) -> Result<Self, ModelError> {
        let architecture = Architecture::Song(config.clone());
        let network = architecture.build()?;
        let modules = modules(config);
        let entry = |spec: &ParameterSpec| {
            let module = spec.name.rsplit_once('.');
            let found = module.and_then(|(module, part)| Some((modules.get(module)?, part)));
            let (module, part) = found.ok_or_else(|| ModelError::BadArchitecture {
                reason: format!("flax's NCSN++ has nothing like `{}`", spec.name),
            })?;
            Ok(module.entry(spec, part))
        };
        let entries = network.parameters().iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries, ..Self::default() })
    }
}

/// A module of flax, by what its parameters are called.
#[derive(Debug, Clone)]
struct Module {
    paths: Vec<String>,
    weight: &'static str,
    bias: &'static str,
}

impl Module {
    fn new(path: impl Into<String>, weight: &'static str, bias: &'static str) -> Self {
        Self { paths: vec![path.into()], weight, bias }
    }

    fn entry(&self, spec: &ParameterSpec, part: &str) -> Entry {
        let parameter = if part == "bias" { self.bias } else { self.weight };
        let mut shape = spec.shape.clone();
        if self.weight == "W" && shape.len() == 4 {
            // Theirs is a matrix, ours a convolution of one pixel.
            shape.drain(..2);
        }
        if let Some(last) = shape.last_mut() {
            *last /= self.paths.len();
        }
        let part = |path: &String| Part {
            names: vec![format!("{path}/{parameter}")],
            shape: shape.clone(),
            axes: Axes::Same,
            first_of: None,
        };
        Entry {
            ours: spec.name.clone(),
            shape: spec.shape.clone(),
            parts: self.paths.iter().map(part).collect(),
            order: None,
        }
    }
}

/// For each of our modules, that of flax: numbered in the order in which the network creates them: down, middle, up.
fn modules(config: &SongConfig) -> HashMap<String, Module> {
    let convolution = |path: String| Module::new(path, "kernel", "bias");
    let norm = |path: String| Module::new(path, "scale", "bias");
    let nin = |path: String| Module::new(path, "W", "b");
    let mut modules = HashMap::new();
    for (ours, path) in [("map_layer0", "Dense_0"), ("map_layer1", "Dense_1")] {
        modules.insert(ours.to_owned(), convolution(path.to_owned()));
    }
    modules.insert("map_noise".to_owned(), Module::new("GaussianFourierProjection_0", "W", "b"));
    let (mut n_blocks, mut n_attentions) = (0, 0);
    let mut block = |modules: &mut HashMap<String, Module>, ours: String, attends: bool| {
        let path = |part: &str| format!("ResnetBlockBigGANpp_{n_blocks}/{part}");
        for (part, theirs) in [("norm0", "GroupNorm_0"), ("norm1", "GroupNorm_1")] {
            modules.insert(format!("{ours}.{part}"), norm(path(theirs)));
        }
        for (part, theirs) in
            [("conv0", "Conv_0"), ("affine", "Dense_0"), ("conv1", "Conv_1"), ("skip", "Conv_2")]
        {
            modules.insert(format!("{ours}.{part}"), convolution(path(theirs)));
        }
        n_blocks += 1;
        if attends {
            let path = |part: &str| format!("AttnBlockpp_{n_attentions}/{part}");
            modules.insert(format!("{ours}.norm2"), norm(path("GroupNorm_0")));
            let qkv = Module { paths: ["NIN_0", "NIN_1", "NIN_2"].map(path).to_vec(), ..nin(String::new()) };
            modules.insert(format!("{ours}.qkv"), qkv);
            modules.insert(format!("{ours}.proj"), nin(path("NIN_3")));
            n_attentions += 1;
        }
    };
    let n_levels = config.channel_mult.len();
    let name = |way: &str, level: usize, part: &str| {
        format!("{way}.{}_{part}", level_name(config.image_size, level))
    };
    let attends = |level: usize| {
        let size = config.image_size.halved(level);
        config.attention_resolutions.contains(&size.shorter())
    };
    for level in 0..n_levels {
        if level == 0 {
            modules.insert(name("enc", 0, "conv"), convolution("Conv_0".to_owned()));
        } else {
            block(&mut modules, name("enc", level, "down"), false);
            let path = format!("Downsample_{}/Conv2d_0", level - 1);
            modules.insert(name("enc", level, "aux_residual"), Module::new(path, "weight", "bias"));
        }
        for index in 0..config.num_blocks {
            block(&mut modules, name("enc", level, &format!("block{index}")), attends(level));
        }
    }
    for level in (0..n_levels).rev() {
        if level + 1 == n_levels {
            block(&mut modules, name("dec", level, "in0"), true);
            block(&mut modules, name("dec", level, "in1"), false);
        } else {
            block(&mut modules, name("dec", level, "up"), false);
        }
        for index in 0..=config.num_blocks {
            let attends = attends(level) && index == config.num_blocks;
            block(&mut modules, name("dec", level, &format!("block{index}")), attends);
        }
    }
    modules.insert(name("dec", 0, "aux_norm"), norm("GroupNorm_0".to_owned()));
    modules.insert(name("dec", 0, "aux_conv"), convolution("Conv_1".to_owned()));
    modules
}
