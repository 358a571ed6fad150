//! A distance of one's own between the two estimates of a consistency loss.
//!
//! Log-cosh is like the squared difference near zero and like the absolute one far away, value by value.
//!
//! ```text
//! cargo run --release -p onestep --example own_distance -- runs/log-cosh
//! ```

use onestep::burn::tensor::Tensor;
use onestep::objective::LoadedDistance;
use onestep::prelude::*;
use onestep::train::RunBuilder;

/// Mean of ln cosh(a - b) over the values of each sample: |x| + ln(1 + e^(-2|x|)) - ln 2, which cannot overflow.
fn log_cosh(a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    let [batch, height, width, channels] = a.dims();
    let size = (a - b).abs();
    let value = size.clone() + ((size * -2.0).exp() + 1.0).log() - std::f64::consts::LN_2;
    value.reshape([batch, height * width * channels]).mean_dim(1).reshape([batch])
}

fn main() -> onestep::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "runs/log-cosh".into());
    // The recipe names the distance, so that a resumed run is asked for the same one.
    let recipe = Recipe::builtin("toy2d-ct", &["objective.distance={kind=\"custom\", name=\"log-cosh\"}"])?;
    let distance = LoadedDistance::custom("log-cosh", log_cosh);
    RunBuilder::new(recipe).distance(distance).create(&folder)?.train(&mut |event: &Event| {
        if let Event::Step { step, loss, .. } = event
            && step % 500 == 0
        {
            println!("step {step}: loss {loss:.5}");
        }
        Flow::Continue
    })?;
    println!("{folder}: previews show how it grew");
    Ok(())
}
