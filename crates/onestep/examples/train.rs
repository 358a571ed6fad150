//! Trains a model in a folder, where it can be stopped and continued: run it again and it goes on.
//!
//! ```text
//! cargo run --release -p onestep --example train -- runs/mine photos
//! ```

use std::path::Path;

use onestep::prelude::*;
use onestep::train::Outcome;

fn main() -> onestep::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, photos] = &arguments[..] else {
        eprintln!("name a folder for the run and a folder of images: train -- runs/mine photos");
        std::process::exit(2);
    };
    let mut run = if Path::new(folder).join("recipe.toml").exists() {
        Run::resume(folder)?
    } else {
        // A small built-in recipe with images of one's own: 32x32, in color, without classes.
        let settings = [
            format!("data={{source={photos:?}, image_size=32, labels=false, flip=true}}"),
            "network={network=\"song\", image_size=32, model_channels=32, channel_mult=[1, 2, 2], \
             num_blocks=1, attention_resolutions=[8], dropout=0.0}"
                .into(),
        ];
        let recipe = Recipe::builtin("emoji-ct", &settings)?;
        let data = onestep::data::open(&recipe.data)?;
        Run::create(folder, recipe, data)?
    };
    let outcome = run.train(&mut |event: &Event| {
        match event {
            Event::Step { step, loss, .. } if step % 100 == 0 => println!("step {step}: loss {loss:.4}"),
            Event::Checkpoint { step, .. } => println!("step {step}: saved"),
            _ => {}
        }
        // Flow::Stop ends it after this step, saved; for example when a file named `stop` appears.
        if Path::new("stop").exists() { Flow::Stop } else { Flow::Continue }
    })?;
    match outcome {
        Outcome::Finished => println!("finished: {folder}"),
        Outcome::Stopped => println!("stopped and saved; the same command goes on"),
    }
    Ok(())
}
