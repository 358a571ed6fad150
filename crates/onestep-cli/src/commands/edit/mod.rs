//! `onestep edit`: a picture in, pictures out, and what is needed to make them again beside and inside them.

mod choose;
mod inputs;
mod output;
mod parameters;
mod work;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;

use crate::args::{CommonArgs, DeviceName, EditArgs};
use crate::device;
use crate::failure::{Failure, Outcome, code};
use inputs::Inputs;
use parameters::Parameters;

pub use inputs::open_model;

/// Runs the command.
pub fn run(args: EditArgs, quiet: bool) -> Outcome<ExitCode> {
    match (&args.command, &args.from) {
        (Some(command), _) => {
            let CommonArgs { with, out, .. } = choose::common(command);
            let device = device::open(with.device)?;
            output::check(out)?;
            let (parameters, inputs) = choose::parameters(command, &device, quiet)?;
            make(&parameters, &inputs, out, &device, quiet)
        }
        (None, Some(from)) => again(from, &args.out, args.device, quiet),
        (None, None) => Err(Failure::usage("name a task, or a picture to make again with --from")),
    }
}

/// Makes a picture again.
fn again(from: &Path, out: &Path, device_name: DeviceName, quiet: bool) -> Outcome<ExitCode> {
    let device = device::open(device_name)?;
    output::check(out)?;
    let parameters = Parameters::read(from)?;
    let inputs = Inputs::open(&parameters, &device)?;
    make(&parameters, &inputs, out, &device, quiet)
}

fn make(
    parameters: &Parameters,
    inputs: &Inputs,
    out: &Path,
    device: &Device,
    quiet: bool,
) -> Outcome<ExitCode> {
    let started = Instant::now();
    let made = work::make(parameters, inputs, device)?;
    let seconds = started.elapsed().as_secs_f64();
    if made.results.is_empty() {
        return Err(Failure::new(code::INTERNAL, "no picture was made"));
    }
    output::write(out, &made, parameters)?;
    println!("{}", out.display());
    if !quiet {
        let n = made.results.len();
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        eprintln!(
            "{} · {n} picture{} · {} network evaluation{} each · {:.0} ms on {} threads",
            parameters.task.name(),
            plural(n),
            parameters.levels.len(),
            plural(parameters.levels.len()),
            seconds * 1e3,
            device::threads(),
        );
    }
    Ok(ExitCode::SUCCESS)
}
