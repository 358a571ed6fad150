//! A data set of one's own: anything that has a length, a shape and samples by number can be trained on.
//!
//! Discs of every size in every place, drawn when they are asked for; a small diffusion model learns them.
//!
//! ```text
//! cargo run --release -p onestep --example own_dataset -- runs/discs
//! ```

use onestep::data::{DataError, Sample};
use onestep::prelude::*;
use onestep::train::{Draft, builtin_recipe};

/// 4,096 discs on a grid of 16x16 pixels.
struct Discs;

impl Dataset for Discs {
    fn len(&self) -> usize {
        4096
    }

    fn shape(&self) -> ImageShape {
        ImageShape { height: 16, width: 16, channels: 1 }
    }

    fn class_names(&self) -> &[String] {
        &[]
    }

    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        let [x, y, size] = [index % 16, index / 16 % 16, index / 256].map(|part| part as f32);
        let inside =
            |row: usize, column: usize| (row as f32 - y).hypot(column as f32 - x) <= 1.0 + size / 4.0;
        let pixels = (0..256).map(|i| if inside(i / 16, i % 16) { 1.0 } else { -1.0 });
        Ok(Sample { values: pixels.collect(), label: None })
    }

    fn source(&self, index: usize) -> String {
        format!("disc {index}")
    }

    fn fingerprint(&self) -> String {
        // Tells this set from others, so that a run is not resumed on another one.
        onestep::digest::hex(b"4096 discs of 16x16, version 1")
    }
}

fn main() -> onestep::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "runs/discs".into());
    let settings =
        ["data={source=\"discs\"}", "network.channel_mult=[1, 2]", "train.steps=300"].map(String::from);
    // The network follows the data: 16x16, one channel, no classes.
    let recipe = Draft::read(builtin_recipe("emoji-edm")?, &settings)?.settled(&Discs)?;
    Run::create(&folder, recipe, Box::new(Discs))?.train(&mut ())?;
    onestep::open(&folder)?.draw().seeds(0..64).run()?.grid(8).save(format!("{folder}/discs.png"))?;
    println!("{folder}/discs.png");
    Ok(())
}
