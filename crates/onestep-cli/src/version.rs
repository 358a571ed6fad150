//! Which build this is.

use std::sync::LazyLock;

use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;

/// The commit it was built from, or `unknown`.
pub const COMMIT: &str = env!("ONESTEP_COMMIT");

/// Cargo features that are off by default.
const FEATURES: [(&str, bool); 9] = [
    ("avif", cfg!(feature = "avif")),
    ("fetch", cfg!(feature = "fetch")),
    ("icons", cfg!(feature = "icons")),
    ("mpi", cfg!(feature = "mpi")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("metal", cfg!(feature = "metal")),
    ("webgpu", cfg!(feature = "webgpu")),
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
];

/// What `--version` says: version, commit, the instruction set that is used here, and the features that were built in.
static LONG: LazyLock<String> = LazyLock::new(|| {
    let on = FEATURES.iter().filter_map(|&(name, on)| on.then_some(name)).collect::<Vec<_>>();
    let features = if on.is_empty() {
        "the default ones".to_owned()
    } else {
        format!("the default ones, {}", on.join(", "))
    };
    let instructions = onestep_kernels::instructions().map_or_else(|unknown| unknown, str::to_owned);
    format!(
        "{}\ncommit        {COMMIT}\ninstructions  {instructions}\nfeatures      {features}",
        env!("CARGO_PKG_VERSION")
    )
});

/// What was typed, by a command that knows its version.
pub fn parse() -> Result<Cli, clap::Error> {
    let matches = Cli::command().long_version(LONG.as_str()).try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

#[cfg(test)]
#[path = "../tests/documented.rs"]
mod documented;

#[cfg(test)]
mod tests {
    use super::documented::commands;
    use super::*;

    #[test]
    fn every_command_that_a_tour_names_can_be_typed() {
        let told = onestep_tour::Stop::ALL.into_iter().flat_map(|stop| stop.commands());
        for command in told.chain(&onestep_tour::NEXT) {
            let parsed = Cli::command().try_get_matches_from(command.split(' '));
            assert!(parsed.is_ok(), "{command}\n{}", parsed.unwrap_err());
        }
    }

    #[test]
    fn every_command_on_a_page_can_be_typed() {
        let commands = commands();
        assert!(commands.len() > 40, "{} commands were found", commands.len());
        for command in commands {
            let parsed = Cli::command().try_get_matches_from(command.words());
            assert!(parsed.is_ok(), "{}: {}\n{}", command.page.display(), command.line, parsed.unwrap_err());
        }
    }
}
