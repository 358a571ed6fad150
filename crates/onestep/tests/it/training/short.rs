//! Short runs on points and on a few pictures, and how tests go on with them.

use std::path::{Path, PathBuf};

use image::RgbImage;
use onestep::train::{Event, Flow, Recipe, Run, RunBuilder, builtin_recipe};
use onestep::{Error, Result};

fn settled(name: &str, settings: &[&str]) -> Recipe {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    Recipe::parse(builtin_recipe(name).unwrap(), &settings).unwrap()
}

/// A short run on points, with a rate and a number of levels that follow its length.
pub fn points(settings: &[&str]) -> Recipe {
    let own = ["train.batch=16", "train.checkpoint_every=2", "train.preview_every=0"];
    settled("toy2d-ct", &own.iter().chain(settings).copied().collect::<Vec<_>>())
}

/// A picture that is a function of its number.
pub fn picture(folder: &Path, number: u32) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{number:02}.png"));
    let pixel =
        |x: u32, y: u32| image::Rgb([(x * 31 + number * 7) as u8, (y * 29) as u8, (number * 40) as u8]);
    RgbImage::from_fn(8, 8, pixel).save(&path).unwrap();
    path
}

/// A short run on a folder of pictures.
pub fn on_pictures(name: &str, folder: &Path, settings: &[&str]) -> Recipe {
    let source = format!("data.source={:?}", folder.display().to_string());
    let own = [
        source.as_str(),
        "data.split=null",
        "network.model_channels=8",
        "network.channel_mult=[1,1]",
        "train.steps=8",
        "train.batch=2",
        "train.checkpoint_every=100",
        "train.preview_every=0",
    ];
    settled(name, &own.iter().chain(settings).copied().collect::<Vec<_>>())
}

/// Trains until `last` updates are done, or to the end, and returns all events.
pub fn train_to(run: &mut Run, last: u64) -> Vec<Event> {
    let mut events = Vec::new();
    run.train(&mut |event: &Event| {
        events.push(event.clone());
        match event {
            Event::Step { step, .. } if *step >= last => Flow::Stop,
            _ => Flow::Continue,
        }
    })
    .unwrap();
    events
}

/// Goes on with the run in a folder, with these settings.
pub fn resume(folder: &Path, settings: &[&str]) -> Result<Run> {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    RunBuilder::new(Run::recipe_in(folder, &settings)?).resume(folder)
}

/// The error of what must be refused.
pub fn refusal<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    }
}
