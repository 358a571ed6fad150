//! `onestep completions` and `onestep man`: what shells and `man` want to know of the command.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::{Outcome, io_failure};
use crate::print::write_file;

/// Prints a shell's completions.
pub fn completions(args: &CompletionsArgs) -> Outcome<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "onestep", &mut script);
    write_file(&mut script.as_slice());
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page: the command, then every verb with its options.
pub fn man() -> Outcome<ExitCode> {
    let mut page = Vec::new();
    let failed = |error: std::io::Error| io_failure("make", std::path::Path::new("the manual page"), &error);
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = format!("onestep {}", verb.get_name()).to_uppercase();
        page.extend(format!(".SH {name}\n").as_bytes());
        let verb = clap_mangen::Man::new(verb.clone());
        verb.render_description_section(&mut page).map_err(failed)?;
        verb.render_synopsis_section(&mut page).map_err(failed)?;
        verb.render_options_section(&mut page).map_err(failed)?;
    }
    write_file(&mut page.as_slice());
    Ok(ExitCode::SUCCESS)
}
