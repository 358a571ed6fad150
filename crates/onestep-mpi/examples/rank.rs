//! A rank that trains a toy, and at a step does what ranks do when something goes wrong: for the tests of faults, started by `mpirun`.
//!
//! `rank FOLDER STEPS [panic|hang|exit RANK STEP]`: with the last three, that rank does that after that step.

use std::time::Duration;

use onestep::distributed::{Communicator, World};
use onestep::train::{Event, Flow, Recipe, RunBuilder};
use onestep_mpi::{Mpi, Settings};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, steps, fault @ ..] = arguments.as_slice() else {
        anyhow::bail!("which folder, and how many steps?")
    };
    let on_lost = Box::new(|lost: &onestep_mpi::Lost| {
        eprintln!("{lost}");
        std::process::exit(75);
    });
    let mpi = Mpi::start(Settings { watchdog: Duration::from_secs(2), on_lost })?;
    let (rank, ending) = (mpi.rank(), mpi.ending());
    let steps = format!("train.steps={steps}");
    let recipe = Recipe::builtin(
        "toy2d-ct",
        &[&steps, "train.batch=32", "train.preview_every=0", "train.checkpoint_every=20"],
    )?;
    let mut observer = |event: &Event| {
        if let (Event::Step { step, .. }, [what, who, when]) = (event, fault)
            && who.parse() == Ok(rank)
            && when.parse() == Ok(*step)
        {
            match what.as_str() {
                "panic" => panic!("asked to"),
                "exit" => std::process::exit(7),
                // Its heart goes on beating.
                _ => std::thread::sleep(Duration::from_secs(600)),
            }
        }
        Flow::Continue
    };
    RunBuilder::new(recipe).world(World::new(mpi)).resume(folder)?.train(&mut observer)?;
    ending.end();
    Ok(())
}
