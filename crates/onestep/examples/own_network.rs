//! A network of one's own, here a perceptron too small for sharp moons, trains, saves, resumes and draws like the built-in ones.
//! Written once, on values that may carry their derivative, it serves every method, continuous-time ones included.
//!
//! `cargo run --release -p onestep --example own_network -- runs/perceptron`

use std::sync::Arc;

use onestep::model::network::layers::{Linear, Start};
use onestep::model::network::{Dual, NoiseCode};
use onestep::model::{Builder, Condition, ModelError, ParameterSpec, Weights};
use onestep::prelude::*;
use onestep::train::RunBuilder;

/// Its parameters and its two layers.
#[derive(Debug)]
struct Perceptron(Arc<[ParameterSpec]>, Linear, Linear);

impl Network for Perceptron {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.0
    }

    fn image(&self) -> [usize; 3] {
        [1, 1, 2]
    }

    fn n_classes(&self) -> Option<usize> {
        None
    }

    fn evaluate(
        &self,
        w: &Weights,
        x: Dual<4>,
        code: &NoiseCode,
        _: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        let ([batch, ..], code) = (x.dims(), code.column(&x.device(), x.dtype()));
        let points = x.linear(|points| points.reshape([batch, 2]));
        let hidden = self.1.forward(w, Dual::cat(vec![points, code], 1)).silu();
        Ok(self.2.forward(w, hidden).linear(|points| points.reshape([batch, 1, 1, 2])))
    }
}

fn main() -> onestep::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "runs/perceptron".into());
    let mut builder = Builder::default();
    // Two coordinates and the noise code go in; the last layer starts at zero, as a denoiser's should.
    let first = Linear::new(&mut builder, "first", [3, 256], Start::FanIn);
    let last = Linear::new(&mut builder, "last", [256, 2], Start::Zeros);
    let network = Arc::new(Perceptron(builder.finish(), first, last));
    // Recipe and model file carry the network's name; whoever opens the file brings the network along.
    let recipe = Recipe::builtin("toy2d-ct", &["network={network=\"custom\", name=\"perceptron\"}"])?;
    RunBuilder::new(recipe).network(network.clone()).create(&folder)?.train(&mut ())?;
    let model = OpenOptions::default().network(network).open(&folder)?;
    let points = model.draw().seeds(0..2000).steps(2).run()?;
    Ok(points.sheet().save(format!("{folder}/points.png"))?)
}
