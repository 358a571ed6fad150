//! How far the images that a model draws are from real ones: a Fréchet distance.
//!
//! ```text
//! cargo run --release -p onestep --example judge -- runs/emoji-cd photos 2000
//! ```
//!
//! The network that looks at them is built in; its numbers compare with its own alone, and at equal numbers of images.

use onestep::eval;
use onestep::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, photos, n] = &arguments[..] else {
        return Err(
            "name a model, real images and how many to draw: judge -- runs/emoji-cd photos 2000".into()
        );
    };
    let model = onestep::open(model)?;
    let real =
        onestep::data::open(&DataSpec { image_size: Some(model.shape().size()), ..DataSpec::named(photos) })?;
    let distance = eval::frechet(&model.draw().seeds(0..n.parse()?), &real)?;
    println!("Fréchet distance {distance:.2} over {n} images");
    Ok(())
}
