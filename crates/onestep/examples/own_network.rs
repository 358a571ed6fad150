//! A network of one's own: it trains, saves, resumes and draws like the built-in ones.
//!
//! A perceptron with two hidden layers learns two moons. What is written once here, on values that may carry their
//! derivative, serves every method, continuous-time ones included.
//!
//! ```text
//! cargo run --release -p onestep --example own_network -- runs/perceptron
//! ```

use std::sync::Arc;

use onestep::model::network::layers::{Linear, Start};
use onestep::model::network::{Dual, NoiseCode};
use onestep::model::{Builder, Condition, ModelError, ParameterSpec, Weights};
use onestep::prelude::*;
use onestep::train::RunBuilder;

#[derive(Debug)]
struct Perceptron {
    parameters: Arc<[ParameterSpec]>,
    layers: [Linear; 3],
}

impl Perceptron {
    fn new() -> Self {
        let mut builder = Builder::default();
        // Two coordinates and the noise code go in; the last layer starts at zero, as a denoiser's should.
        let layers = [
            Linear::new(&mut builder, "first", [3, 128], Start::FanIn),
            Linear::new(&mut builder, "second", [128, 128], Start::FanIn),
            Linear::new(&mut builder, "last", [128, 2], Start::Zeros),
        ];
        Self { parameters: builder.finish(), layers }
    }
}

impl Network for Perceptron {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.parameters
    }

    fn image(&self) -> [usize; 3] {
        [1, 1, 2]
    }

    fn n_classes(&self) -> Option<usize> {
        None
    }

    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        _: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        let [batch, ..] = input.dims();
        let code = code.column(&input.device(), input.dtype());
        let points = input.linear(|points| points.reshape([batch, 2]));
        let [first, second, last] = &self.layers;
        let hidden = first.forward(weights, Dual::cat(vec![points, code], 1)).silu();
        let hidden = second.forward(weights, hidden).silu();
        Ok(last.forward(weights, hidden).linear(|points| points.reshape([batch, 1, 1, 2])))
    }
}

fn main() -> onestep::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "runs/perceptron".into());
    // Recipe and model file carry the network's name, and whoever opens the file brings the network along.
    let recipe = Recipe::builtin("toy2d-ct", &["network={network=\"custom\", name=\"perceptron\"}"])?;
    let network = Arc::new(Perceptron::new());
    RunBuilder::new(recipe).network(network.clone()).create(&folder)?.train(&mut ())?;
    let model = OpenOptions::default().network(network).open(&folder)?;
    model.draw().seeds(0..2000).steps(2).run()?.sheet().save(format!("{folder}/points.png"))?;
    println!("{folder}/points.png");
    Ok(())
}
