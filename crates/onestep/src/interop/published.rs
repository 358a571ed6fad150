//! Published checkpoints that can be taken over: what each is, and where it is to be had.

/// A checkpoint that somebody published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The name by which it is fetched here.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What images it makes: the data set and the size.
    pub images: &'static str,
    /// Its place, without [`Published::file`].
    pub folder: &'static str,
    /// Name of the file.
    pub file: &'static str,
    /// Size in bytes, about: four for each parameter, or what was published.
    pub about_bytes: u64,
    /// The licence of the weights.
    pub licence: &'static str,
    /// SHA-256 in hexadecimal, where its publisher gives one.
    pub sha256: Option<&'static str>,
}

const OPENAI: &str = "https://openaipublic.blob.core.windows.net/consistency";
const JAX: &str = "https://openaipublic.blob.core.windows.net/consistency/jcm_checkpoints";
const EDM: &str = "https://nvlabs-fi-cdn.nvidia.com/edm/pretrained";
const MIT: &str = "MIT";
const APACHE: &str = "Apache-2.0";
const NON_COMMERCIAL: &str = "CC BY-NC-SA 4.0: not for commercial use";

/// Four bytes for each of the 295,899,267 and 526,304,771 parameters.
const IMAGENET64: u64 = 1_183_700_000;
const LSUN256: u64 = 2_105_400_000;
/// Several sets of weights of 61.8 million parameters, and the optimizer's state.
const CIFAR10: u64 = 1_000_000_000;

impl Published {
    /// All of them.
    ///
    /// # Source
    ///
    /// The lists of openai/consistency_models and openai/consistency_models_cifar10, and of NVlabs/edm. Their publishers give no
    /// digests: what is fetched is compared with what the server says of it, and the digest of the first fetch is kept.
    pub const ALL: [Self; 28] = [
        openai(
            "cd-imagenet64-lpips",
            "consistency distillation, LPIPS",
            "ImageNet 64x64, by class",
            "cd_imagenet64_lpips.pt",
            IMAGENET64,
        ),
        openai(
            "cd-imagenet64-l2",
            "consistency distillation, l2",
            "ImageNet 64x64, by class",
            "cd_imagenet64_l2.pt",
            IMAGENET64,
        ),
        openai(
            "ct-imagenet64",
            "consistency training",
            "ImageNet 64x64, by class",
            "ct_imagenet64.pt",
            IMAGENET64,
        ),
        openai(
            "edm-imagenet64",
            "EDM diffusion model, the teacher",
            "ImageNet 64x64, by class",
            "edm_imagenet64_ema.pt",
            IMAGENET64,
        ),
        openai(
            "cd-bedroom256-lpips",
            "consistency distillation, LPIPS",
            "LSUN bedroom 256x256",
            "cd_bedroom256_lpips.pt",
            LSUN256,
        ),
        openai(
            "cd-bedroom256-l2",
            "consistency distillation, l2",
            "LSUN bedroom 256x256",
            "cd_bedroom256_l2.pt",
            LSUN256,
        ),
        openai("ct-bedroom256", "consistency training", "LSUN bedroom 256x256", "ct_bedroom256.pt", LSUN256),
        openai(
            "edm-bedroom256",
            "EDM diffusion model, the teacher",
            "LSUN bedroom 256x256",
            "edm_bedroom256_ema.pt",
            LSUN256,
        ),
        openai(
            "cd-cat256-lpips",
            "consistency distillation, LPIPS",
            "LSUN cat 256x256",
            "cd_cat256_lpips.pt",
            LSUN256,
        ),
        openai(
            "cd-cat256-l2",
            "consistency distillation, l2",
            "LSUN cat 256x256",
            "cd_cat256_l2.pt",
            LSUN256,
        ),
        openai("ct-cat256", "consistency training", "LSUN cat 256x256", "ct_cat256.pt", LSUN256),
        openai(
            "edm-cat256",
            "EDM diffusion model, the teacher",
            "LSUN cat 256x256",
            "edm_cat256_ema.pt",
            LSUN256,
        ),
        jax("edm-cifar10", "EDM diffusion model, the teacher", "edm_cifar10_ema"),
        jax("cd-cifar10-l1", "consistency distillation, l1", "cd-l1/checkpoints/checkpoint_80"),
        jax("cd-cifar10-l2", "consistency distillation, l2", "cd-l2/checkpoints/checkpoint_80"),
        jax("cd-cifar10-lpips", "consistency distillation, LPIPS", "cd-lpips/checkpoints/checkpoint_80"),
        jax("ct-cifar10-lpips", "consistency training, LPIPS", "ct-lpips/checkpoints/checkpoint_74"),
        jax(
            "continuous-cd-cifar10-l2",
            "continuous-time distillation, l2",
            "cifar10-continuous-cd-l2/checkpoints/checkpoint_40",
        ),
        jax(
            "continuous-cd-cifar10-l2-stopgrad",
            "the same, with stopgrad",
            "cifar10-continuous-cd-l2-stopgrad/checkpoints/checkpoint_40",
        ),
        jax(
            "continuous-cd-cifar10-lpips-stopgrad",
            "the same, with LPIPS",
            "cifar10-continuous-cd-lpips-stopgrad/checkpoints/checkpoint_40",
        ),
        jax(
            "continuous-ct-cifar10-l2",
            "continuous-time training, l2",
            "continuous-ct-l2/checkpoints/checkpoint_80",
        ),
        jax(
            "continuous-ct-cifar10-lpips",
            "continuous-time training, LPIPS",
            "continuous-ct-lpips/checkpoints/checkpoint_40",
        ),
        edm("nvidia-edm-cifar10-uncond-vp", "CIFAR-10 32x32", "edm-cifar10-32x32-uncond-vp.pkl", 223_000_000),
        edm("nvidia-edm-cifar10-uncond-ve", "CIFAR-10 32x32", "edm-cifar10-32x32-uncond-ve.pkl", 226_000_000),
        edm(
            "nvidia-edm-cifar10-cond-vp",
            "CIFAR-10 32x32, by class",
            "edm-cifar10-32x32-cond-vp.pkl",
            223_000_000,
        ),
        edm("nvidia-edm-ffhq64-uncond-vp", "FFHQ 64x64", "edm-ffhq-64x64-uncond-vp.pkl", 247_000_000),
        edm("nvidia-edm-afhqv2-64-uncond-vp", "AFHQv2 64x64", "edm-afhqv2-64x64-uncond-vp.pkl", 247_000_000),
        edm(
            "nvidia-edm-imagenet64-cond-adm",
            "ImageNet 64x64, by class",
            "edm-imagenet-64x64-cond-adm.pkl",
            1_184_000_000,
        ),
    ];

    /// The one of this name; hyphens and underscores are one, and the name of its file is a name, too.
    pub fn find(name: &str) -> Option<&'static Self> {
        let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
        let wanted = plain(name);
        Self::ALL.iter().find(|each| plain(each.name) == wanted || plain(each.file) == wanted)
    }

    /// Where it is to be had.
    pub fn address(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    /// What its file is called where it is kept: the name of a published file says what kind of model it is.
    pub fn local_file(&self) -> String {
        match self.file.contains('/') {
            // All of these are called `checkpoint_80` or so.
            true => format!("{}.msgpack", self.file.replace("/checkpoints/", "_")),
            false => self.file.to_owned(),
        }
    }
}

const fn openai(
    name: &'static str,
    what: &'static str,
    images: &'static str,
    file: &'static str,
    about_bytes: u64,
) -> Published {
    Published { name, what, images, folder: OPENAI, file, about_bytes, licence: MIT, sha256: None }
}

const fn jax(name: &'static str, what: &'static str, file: &'static str) -> Published {
    let images = "CIFAR-10 32x32";
    Published { name, what, images, folder: JAX, file, about_bytes: CIFAR10, licence: APACHE, sha256: None }
}

const fn edm(name: &'static str, images: &'static str, file: &'static str, about_bytes: u64) -> Published {
    let what = "EDM diffusion model";
    Published { name, what, images, folder: EDM, file, about_bytes, licence: NON_COMMERCIAL, sha256: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written_and_mean_one_each() {
        for published in &Published::ALL {
            for name in [published.name, &published.name.replace('-', "_"), published.file] {
                assert_eq!(Published::find(name), Some(published), "{name}");
            }
            assert!(published.address().starts_with("https://"), "{}", published.name);
            assert!(!published.local_file().contains('/'), "{}", published.local_file());
        }
        assert_eq!(Published::find("cd-imagenet64"), None);
    }
}
