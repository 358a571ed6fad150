//! How near the samplers of a diffusion model come to where its ODE ends, by evaluations.
//!
//! ```text
//! cargo run --release -p onestep --example solvers -- MODEL [images]
//! ```
//!
//! 64 images unless given, of seeds from 0 on, each with the class of its seed. The end of the ODE is what Heun's method finds in 200
//! levels. For each sampler and number of evaluations it prints the root of the mean squared distance to it, in levels of 255.
//! `spaced in ln σ` has the levels of a solver evenly spaced there, the others are on the Karras grid.

use burn::tensor::{Device, Tensor};
use onestep::Model;
use onestep::model::Condition;
use onestep::noise::{SamplingLevels, SeedNoise};
use onestep::sample::{OdeMethod, OdeOptions, Request, classes_of_seeds, sample_ode};
use onestep::solver::Order;

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

/// Evaluations that are compared.
const EVALUATIONS: [usize; 7] = [5, 7, 9, 13, 17, 25, 35];

/// Levels of the path that is taken for exact.
const FINE: usize = 200;

struct Subject {
    model: Model,
    seeds: Vec<u64>,
    condition: Condition,
}

impl Subject {
    fn images(&self, levels: &SamplingLevels, method: OdeMethod) -> onestep::Result<Tensor<4>> {
        let shape = self.model.shape();
        let device = Device::flex();
        let request = Request {
            shape: [self.seeds.len(), shape.height, shape.width, shape.channels],
            condition: &self.condition,
            clamp: false,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let options = OdeOptions { method, ..OdeOptions::default() };
        sample_ode(self.model.denoiser(), levels, &options, &mut SeedNoise::new(&self.seeds), request)
    }
}

fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1);
    let model = onestep::open(arguments.next().ok_or("name a model")?)?;
    let n = arguments.next().map_or(Ok(64), |n| n.parse::<u64>())?;
    let seeds: Vec<u64> = (0..n).collect();
    let condition = Condition::of_labels(classes_of_seeds(&seeds, model.n_classes()));
    let (range, rho) = (model.range(), model.profile().rho);
    let karras = |n| SamplingLevels::karras(n, range.sigma_min, range.sigma_max, rho);
    let even = |n| SamplingLevels::log_uniform(n, range.sigma_min, range.sigma_max);
    let subject = Subject { model, seeds, condition };
    let end = subject.images(&karras(FINE)?, OdeMethod::Heun)?;

    println!("| sampler |{}", EVALUATIONS.map(|n| format!(" {n} |")).concat());
    println!("|---|{}", "---|".repeat(EVALUATIONS.len()));
    let multistep = |order| OdeMethod::DpmPlusPlus(order);
    for (name, method, is_even) in [
        ("Euler", OdeMethod::Euler, false),
        ("Heun", OdeMethod::Heun, false),
        ("DPM-2", OdeMethod::Dpm2, false),
        ("DPM-Solver++, order 2", multistep(Order::Second), false),
        ("DPM-Solver++, order 3 as published", multistep(Order::PublishedThird), false),
        ("DPM-Solver++, order 3", multistep(Order::Third), false),
        ("DPM-Solver++, order 2, spaced in ln σ", multistep(Order::Second), true),
        ("DPM-Solver++, order 3 as published, spaced in ln σ", multistep(Order::PublishedThird), true),
        ("DPM-Solver++, order 3, spaced in ln σ", multistep(Order::Third), true),
    ] {
        let mut row = String::new();
        for evaluations in EVALUATIONS {
            let options = OdeOptions { method, ..OdeOptions::default() };
            let found = (2..=evaluations).find(|&n| options.nfe(n) == evaluations);
            row += &match found {
                Some(n) => {
                    let levels = if is_even { even(n)? } else { karras(n)? };
                    let difference = subject.images(&levels, method)? - end.clone();
                    let square = (difference.clone() * difference).mean().into_scalar::<f32>();
                    format!(" {:.2} |", 127.5 * square.sqrt())
                }
                None => " |".into(),
            };
        }
        println!("| {name} |{row}");
    }
    Ok(())
}
