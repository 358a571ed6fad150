//! `onestep recipe`: the built-in recipes.

use std::path::Path;
use std::process::ExitCode;

use onestep::train::{Recipe, builtin_recipe, builtin_recipes};

use crate::args::RecipeCommand;
use crate::failure::{Failure, Outcome, io_failure};
use crate::print::{answer, answer_text};

/// Runs the command.
pub fn run(command: RecipeCommand) -> Outcome<ExitCode> {
    match command {
        RecipeCommand::List => {
            for (name, text) in builtin_recipes() {
                let recipe = Recipe::parse(text, &[])?;
                let images = recipe.train.steps as f64 * recipe.train.batch as f64;
                let first = recipe.about.split_once(". ").map_or(recipe.about.as_str(), |(first, _)| first);
                answer!(
                    "{name:<18} {:<4} {:>9}  {}",
                    recipe.method(),
                    human_images(images),
                    first.trim_end_matches('.')
                );
            }
        }
        RecipeCommand::Show { name, settings } => {
            let text = builtin_recipe(&name)?;
            if settings.is_empty() {
                answer_text!("{text}");
            } else {
                answer_text!("{}", Recipe::parse(text, &settings)?.to_toml());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a built-in recipe or a file.
pub fn read(name: &str, settings: &[String]) -> Outcome<Recipe> {
    let path = Path::new(name);
    let looks_like_a_file = name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR);
    let text = if looks_like_a_file || path.is_file() {
        onestep::file::read_text(path).map_err(|error| io_failure("read the recipe", path, &error))?
    } else {
        builtin_recipe(name)?.to_string()
    };
    Recipe::parse(&text, settings).map_err(|error| Failure::from(error).context(format!("recipe {name}")))
}

/// Thousands and millions of images, as the field counts them.
pub fn human_images(images: f64) -> String {
    if images >= 1e6 { format!("{:.1} Mimg", images / 1e6) } else { format!("{:.0} kimg", images / 1e3) }
}
