//! Opens a model and draws a grid of images, each from one network evaluation.
//!
//! ```text
//! cargo run --release -p onestep --example draw -- runs/emoji-cd grid.png
//! ```

use onestep::prelude::*;

fn main() -> onestep::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, picture] = &arguments[..] else {
        eprintln!("name a model and a picture to write: draw -- runs/emoji-cd grid.png");
        std::process::exit(2);
    };
    let model = onestep::open(model)?;
    println!("{} images of {}, {:?}", 64, model.shape(), model.kind());
    // As many steps as suit the model: one of a consistency model, 18 levels of a diffusion model.
    let samples = model.draw().seeds(0..64).run_with(&mut |event: &Event| {
        if let Event::Progress { done, total, .. } = event {
            eprintln!("{done} of {total}");
        }
        Flow::Continue
    })?;
    samples.grid(8).save(picture)?;
    println!("{picture}");
    Ok(())
}
