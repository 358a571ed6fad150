//! The command `onestep`: arguments, progress, messages; no mathematics.

mod args;
mod commands;
mod device;
mod failure;
mod lists;
mod measure;
mod model;
mod progress;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(message) = onestep_kernels::instructions() {
        return Failure::usage(message).hint("unset it to use the best there is").report();
    }
    let outcome = match cli.command {
        Command::Train(args) => commands::train::run(args, cli.quiet),
        Command::Sample(args) => commands::sample::run(args, cli.quiet),
        Command::Info(args) => commands::info::run(&args),
        Command::Recipe(command) => commands::recipe::run(command),
        Command::Data(command) => commands::data::run(&command, cli.quiet),
        Command::Bench(args) => commands::bench::run(&args, cli.quiet),
        Command::Doctor(args) => commands::doctor::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
