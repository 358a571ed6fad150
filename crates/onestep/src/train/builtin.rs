//! The built-in recipes: the published runs, and small ones that finish on a laptop.

use super::RecipeError;

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../recipes/", $name, ".toml")))),*]
    };
}

/// Name and TOML text of every built-in recipe, small ones first.
pub fn builtin_recipes() -> &'static [(&'static str, &'static str)] {
    recipes![
        "toy2d-edm",
        "toy2d-cd",
        "toy2d-ct",
        "toy2d-ict",
        "toy2d-ect",
        "toy2d-cmt",
        "toy2d-pd",
        "toy2d-scd",
        "toy2d-sct",
        "emoji-edm",
        "emoji-cd",
        "emoji-cd-lpips",
        "emoji-ct",
        "emoji-ict",
        "emoji-ect",
        "emoji-cmt",
        "emoji-cmt-ect",
        "emoji-pd",
        "emoji-scd",
        "emoji-sct",
        "cifar10-edm-small",
        "cifar10-ect-small",
        "cifar10-edm",
        "cifar10-cd",
        "cifar10-cd-lpips",
        "cifar10-ct",
        "cifar10-ct-lpips",
        "cifar10-cd-l1",
        "cifar10-pd",
        "cifar10-ict",
        "cifar10-ict-deep",
        "cifar10-edm-ddpmpp",
        "cifar10-ect",
        "cifar10-ect-1h",
        "cifar10-cmt",
        "cifar10-cmt-ect",
        "cifar10-trigflow",
        "cifar10-scd",
        "cifar10-sct",
        "cifar10-cd-continuous",
        "cifar10-ct-continuous",
        "imagenet64-edm",
        "imagenet64-cd",
        "imagenet64-cd-lpips",
        "imagenet64-ct",
        "imagenet64-ct-lpips",
        "imagenet64-ict",
        "imagenet64-ict-deep",
        "imagenet64-ect",
        "imagenet64-trigflow",
        "imagenet64-scd",
        "imagenet64-sct",
        "lsun256-edm",
        "lsun256-cd",
        "lsun256-cd-lpips",
        "lsun256-ct",
        "lsun256-ct-lpips",
    ]
}

/// The TOML text of one.
///
/// # Errors
///
/// [`RecipeError::Unknown`] if there is none of this name.
pub fn builtin_recipe(name: &str) -> Result<&'static str, RecipeError> {
    builtin_recipes()
        .iter()
        .find_map(|(known, text)| (*known == name).then_some(*text))
        .ok_or_else(|| RecipeError::Unknown { name: name.into() })
}
