//! `onestep recipe`: the built-in recipes.

use std::path::Path;
use std::process::ExitCode;

use onestep::train::{Draft, Recipe, RecipeError, builtin_recipe, builtin_recipes};

use crate::args::RecipeCommand;
use crate::failure::{Failure, Outcome, io_failure};
use crate::print::{answer, answer_text};

/// Columns of a terminal that is not wide.
const COLUMNS: usize = 80;

/// Runs the command.
pub fn run(command: RecipeCommand) -> Outcome<ExitCode> {
    match command {
        RecipeCommand::List => list()?,
        RecipeCommand::Show { name, settings, full: true } => {
            answer_text!("{}", read(&name, &settings)?.to_toml());
        }
        RecipeCommand::Show { name, settings, .. } if settings.is_empty() => answer_text!("{}", text(&name)?),
        RecipeCommand::Show { name, settings, .. } => {
            answer_text!("{}", read_draft(&name, &settings)?.to_toml());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The built-in recipes, those of one data set together.
fn list() -> Outcome {
    let mut family = "";
    for (name, text) in builtin_recipes() {
        let recipe = Draft::read(text, &[])?;
        let (own, _) = name.split_once('-').unwrap_or((name, ""));
        if own != family {
            let gap = if family.is_empty() { "" } else { "\n" };
            answer!("{gap}{own}");
            family = own;
        }
        let images = human_images(recipe.train.steps as f64 * recipe.train.batch as f64);
        let first = recipe.about.split_once(". ").map_or(recipe.about.as_str(), |(first, _)| first);
        let line = format!("  {name:<22} {images:>9}  {}", first.trim_end_matches('.'));
        answer!("{}", shortened(&line));
    }
    Ok(())
}

/// A line that fits, cut where a word ends.
fn shortened(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_owned();
    }
    let fitting: String = line.chars().take(COLUMNS - 1).collect();
    let end = fitting.rfind(' ').unwrap_or(fitting.len());
    format!("{}…", fitting[..end].trim_end_matches([',', ':', ';', ' ']))
}

/// The text of a built-in recipe or a file.
fn text(name: &str) -> Outcome<String> {
    let path = Path::new(name);
    let looks_like_a_file = name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR);
    if looks_like_a_file || path.is_file() {
        return onestep::file::read_text(path).map_err(|error| io_failure("read the recipe", path, &error));
    }
    Ok(builtin_recipe(name)?.to_owned())
}

/// A built-in recipe or a file, complete.
pub fn read(name: &str, settings: &[String]) -> Outcome<Recipe> {
    read_draft(name, settings)?.complete().map_err(|error| in_recipe(name, error))
}

/// A built-in recipe or a file, as it is written.
pub fn read_draft(name: &str, settings: &[String]) -> Outcome<Draft> {
    Draft::read(&text(name)?, settings).map_err(|error| in_recipe(name, error))
}

/// An error of a recipe that was asked for by this name.
pub fn in_recipe(name: &str, error: RecipeError) -> Failure {
    Failure::from(error).context(format!("recipe {name}"))
}

/// Thousands and millions of images, as the field counts them.
pub fn human_images(images: f64) -> String {
    if images >= 1e6 { format!("{:.1} Mimg", images / 1e6) } else { format!("{:.0} kimg", images / 1e3) }
}
