//! What one training step of each method costs, in units of a step of EDM on the same network and batch.
//!
//! ```text
//! cargo run --release -p onestep --example cost -- [rounds]
//! ```
//!
//! Takes the emoji recipes with teachers of random weights, whose speed is that of any, and goes round the methods so many
//! times (7 unless given), a step each, so that a slow moment of the machine meets all alike. Prints medians.

use std::time::Instant;

use burn::tensor::Device;
use onestep::data::open;
use onestep::model::{Preconditioned, Preconditioning, Weights};
use onestep::train::{Recipe, Trainer, builtin_recipe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    let device = Device::flex();
    let methods = ["edm", "cd", "cd-lpips", "ct", "ict", "ect", "scd", "sct", "pd"];
    let mut trainers = Vec::new();
    for method in methods {
        let recipe = Recipe::parse(builtin_recipe(&format!("emoji-{method}"))?, &[])?;
        let network = recipe.network.build()?;
        let weights = Weights::initialize(network.parameters(), 99, &device);
        let teacher = Preconditioned::new(network, weights, Preconditioning::Edm, recipe.noise.range());
        let teacher = Some(teacher).filter(|_| recipe.needs_teacher());
        let mut trainer = Trainer::new(recipe.clone(), open(&recipe.data)?, teacher, &device)?;
        trainer.step()?;
        trainers.push((method, recipe.train.batch, trainer, Vec::new()));
    }
    for _ in 0..rounds {
        for (_, _, trainer, seconds) in &mut trainers {
            let started = Instant::now();
            trainer.step()?;
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    println!("| method | ms an image | in units of EDM |");
    println!("|---|---|---|");
    let mut unit = None;
    for (method, batch, _, mut seconds) in trainers {
        seconds.sort_by(f64::total_cmp);
        let each = seconds[seconds.len() / 2] / batch as f64;
        let unit = *unit.get_or_insert(each);
        println!("| {method} | {:.1} | {:.2} |", 1e3 * each, each / unit);
    }
    Ok(())
}
