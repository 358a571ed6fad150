//! The command `onestep`: arguments, progress, messages; no mathematics.

mod args;
mod commands;
mod device;
mod failure;
mod features;
mod lists;
mod memory;
mod model;
mod parameters;
mod progress;
mod sampling;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

/// Tensors come and go; their memory stays.
#[global_allocator]
static BLOCKS: onestep_kernels::Blocks = onestep_kernels::Blocks::new();

fn main() -> ExitCode {
    end_quietly_on_a_closed_pipe();
    let cli = Cli::parse();
    if let Err(message) = onestep_kernels::instructions() {
        return Failure::usage(message).hint("unset it to use the best there is").report();
    }
    let outcome = match cli.command {
        Command::New(args) => commands::new::run(&args, cli.quiet),
        Command::Train(args) => commands::train::run(args, cli.quiet),
        Command::Sample(args) => commands::sample::run(args, cli.quiet),
        Command::Edit(args) => commands::edit::run(*args, cli.quiet),
        Command::Search(args) => commands::search::run(&args, cli.quiet),
        Command::Info(args) => commands::info::run(&args),
        Command::Recipe(command) => commands::recipe::run(command),
        Command::Data(command) => commands::data::run(&command, cli.quiet),
        Command::Eval(args) => commands::eval::run(*args, cli.quiet),
        Command::Bench(args) => commands::bench::run(&args, cli.quiet),
        Command::Doctor(args) => commands::doctor::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// `onestep doctor | head -1` closes our output early; that is no error of ours, and ends us as a signal would.
fn end_quietly_on_a_closed_pipe() {
    const BROKEN_PIPE: i32 = 128 + 13;
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        // The second and third are what Windows calls it.
        let is_closed = |text: &String| {
            ["Broken pipe", "(os error 109)", "(os error 232)"].iter().any(|words| text.contains(words))
        };
        if message.is_some_and(|text| text.contains("printing to stdout") && is_closed(text)) {
            std::process::exit(BROKEN_PIPE);
        }
        report(panic);
    }));
}
