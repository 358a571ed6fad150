//! The command `onestep`: arguments, progress, messages; no mathematics.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a full disk or a closed pipe makes them panic; see the module `print`"
)]

mod args;
mod commands;
mod device;
mod failure;
mod features;
mod lists;
mod memory;
mod model;
mod parameters;
mod print;
mod progress;
mod ranks;
mod sampling;
mod shard;
mod show;
mod signals;
mod target;
mod version;

use std::io::ErrorKind;
use std::process::ExitCode;

use args::Command;
use failure::Failure;

/// Tensors come and go; their memory stays.
#[global_allocator]
static BLOCKS: onestep_kernels::Blocks = onestep_kernels::Blocks::new();

/// What is said to somebody who types the name of the command and nothing else.
const GREETING: &str = "\
Images in one network evaluation. To begin with:

  onestep tour                        see what consistency models do, on this machine, in two minutes
  onestep studio                      a page to draw and edit on, with a brush that is followed live
  onestep sample                      draw faces with the model that comes along, into samples.png
  onestep new photos                  look at your own pictures, and write a recipe to train from
  onestep train emoji-edm --out run   train a model of the emoji that come along

  onestep --help                      all commands; onestep COMMAND --help tells of one
";

fn main() -> ExitCode {
    if std::env::args_os().len() <= 1 {
        print::write_answer(format_args!("{GREETING}"));
        return finish(ExitCode::SUCCESS);
    }
    let cli = match version::parse() {
        Ok(cli) => cli,
        Err(error) => {
            print::usage(&error);
            let code = u8::try_from(error.exit_code()).unwrap_or(failure::code::USAGE);
            return finish(ExitCode::from(code));
        }
    };
    if let Err(message) = onestep_kernels::instructions() {
        return Failure::usage(message).hint("unset it to use the best there is").report();
    }
    let outcome = match cli.command {
        Command::Tour(args) => commands::tour::run(&args, cli.quiet),
        Command::Studio(args) => commands::studio::run(&args, cli.quiet),
        Command::New(args) => commands::new::run(&args, cli.quiet),
        Command::Train(args) => commands::train::run(args, cli.quiet),
        Command::Sample(args) => commands::sample::run(args, cli.quiet),
        Command::Edit(args) => commands::edit::run(*args, cli.quiet),
        Command::Search(args) => commands::search::run(&args, cli.quiet),
        Command::Info(args) => commands::info::run(&args),
        Command::Import(args) => commands::import::run(&args, cli.quiet),
        Command::Export(args) => commands::export::run(&args, cli.quiet),
        Command::Models(args) => commands::models::run(&args),
        Command::Fetch(args) => commands::fetch::run(&args, cli.quiet),
        Command::Recipe(command) => commands::recipe::run(command),
        Command::Data(command) => commands::data::run(&command, cli.quiet),
        Command::Eval(args) => commands::eval::run(*args, cli.quiet),
        Command::Bench(args) => commands::bench::run(&args, cli.quiet),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Completions(args) => commands::shell::completions(&args),
        Command::Man => commands::shell::man(),
    };
    match outcome {
        Ok(code) => finish(code),
        Err(failure) => failure.report(),
    }
}

/// The exit code of a command that did what it was to do, if its answers have reached whoever asked.
fn finish(done: ExitCode) -> ExitCode {
    match print::lost() {
        Some(error) if done == ExitCode::SUCCESS => match error.kind() {
            ErrorKind::BrokenPipe => ExitCode::from(failure::code::BROKEN_PIPE),
            _ => Failure::new(failure::code::IO, format!("cannot write to standard output: {error}"))
                .hint("what goes into files is there all the same")
                .report(),
        },
        _ => done,
    }
}
