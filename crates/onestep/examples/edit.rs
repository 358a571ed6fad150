//! Fills in a part of a picture in six ways.
//!
//! ```text
//! cargo run --release -p onestep --example edit -- runs/emoji-cd photo.png mask.png filled.png
//! ```
//!
//! The mask is white where something is to be filled in. [`Job`] has the other tasks: coloring, enlarging, drawings,
//! denoising, interpolation, variations.

use onestep::prelude::*;

fn main() -> onestep::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, photo, mask, out] = &arguments[..] else {
        eprintln!("name a consistency model, a picture, a mask, and where the result goes");
        std::process::exit(2);
    };
    let model = onestep::open(model)?;
    let job = Job::inpaint(Picture::open(photo)?, Picture::open(mask)?);
    let edited = model.edit(job).candidates(6).run()?;
    edited.grid(3)?.save(out)?;
    println!("{out}");
    Ok(())
}
