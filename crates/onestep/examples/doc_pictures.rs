//! Makes the pictures that the pages of documentation work on, out of the built-in emoji and a drawing.
//!
//! ```text
//! cargo run --release -p onestep --example doc_pictures -- docs/pictures
//! ```

use std::path::{Path, PathBuf};

use onestep::data::{self, DataSpec, Dataset, ImageShape, Pixels, Rounding};
use onestep::noise::{Purpose, Stream};

/// Pixels of a side.
const SIDE: usize = 32;

/// Deviation of the noise on the noisy one, in bytes.
const NOISE: f32 = 40.0;

/// What stands for a folder of one's own, class by class.
const PHOTOS: [(&str, [&str; 8]); 3] = [
    ("animals", ["dog2", "horse", "bird", "fish", "tropical_fish", "black_bird", "guide_dog", "blowfish"]),
    ("food", ["pineapple", "apple", "green_apple", "carrot", "croissant", "pizza", "hotdog", "fish_cake"]),
    (
        "places",
        ["house", "house_with_garden", "rocket", "railway_car", "racing_car", "taxi", "bus", "tractor"],
    ),
];

fn main() -> onestep::Result<()> {
    let Some(folder) = std::env::args().nth(1).map(PathBuf::from) else {
        eprintln!("name the folder they go to: doc_pictures -- docs/pictures");
        std::process::exit(2);
    };
    let set = data::open(&DataSpec::new("builtin:emoji"))?;
    let save = |pixels: &Pixels, name: &Path| {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(&folder)).expect("a folder for pictures");
        pixels.save(file)
    };
    for (name, emoji) in [
        ("face.png", "grinning"),
        ("apple.png", "green_apple"),
        ("croissant.png", "croissant"),
        ("car.png", "racing_car"),
        ("horse.png", "horse"),
    ] {
        save(&find(&*set, emoji)?, name.as_ref())?;
    }
    save(&half()?, "half.png".as_ref())?;
    save(&drawing()?, "drawing.png".as_ref())?;
    save(&noisy(&find(&*set, "croissant")?)?, "noisy.png".as_ref())?;
    for (class, emoji) in PHOTOS {
        for name in emoji {
            let file = Path::new("photos").join(class).join(name).with_extension("png");
            save(&find(&*set, name)?.enlarged(2)?, &file)?;
        }
    }
    println!("{}", folder.display());
    Ok(())
}

/// The emoji of a name.
fn find(set: &dyn Dataset, name: &str) -> onestep::Result<Pixels> {
    let is_it = |index: &usize| set.source(*index).starts_with(&format!("builtin:emoji {name},"));
    let index = (0..set.len()).find(is_it).unwrap_or_else(|| panic!("there is no emoji `{name}`"));
    Ok(Pixels::from_values(&set.sample(index)?.values, set.shape(), Rounding::Edm)?)
}

/// A mask that marks the right half.
fn half() -> onestep::Result<Pixels> {
    let bytes = (0..SIDE * SIDE).map(|i| if i % SIDE < SIDE / 2 { 0 } else { 255 }).collect();
    Ok(Pixels::new(ImageShape { height: SIDE, width: SIDE, channels: 1 }, bytes)?)
}

/// A face in four flat colors, as somebody draws it who has a minute.
fn drawing() -> onestep::Result<Pixels> {
    let color = |x: f32, y: f32| -> [u8; 3] {
        let within = |cx: f32, cy: f32, radius: f32| (x - cx).hypot(y - cy) < radius;
        match () {
            () if within(11.0, 12.0, 2.5) || within(21.0, 12.0, 2.5) => [60, 40, 20],
            () if within(16.0, 18.0, 7.0) && y > 20.0 => [200, 40, 40],
            () if within(16.0, 16.0, 14.0) => [250, 200, 40],
            () => [255, 255, 255],
        }
    };
    let bytes = (0..SIDE * SIDE).flat_map(|i| color((i % SIDE) as f32, (i / SIDE) as f32)).collect();
    Ok(Pixels::new(ImageShape { height: SIDE, width: SIDE, channels: 3 }, bytes)?)
}

/// A picture under white noise.
fn noisy(clean: &Pixels) -> onestep::Result<Pixels> {
    let noise = Stream::new(0, Purpose::Test, 0, 0).standard_normal(clean.bytes().len());
    let bytes = clean.bytes().iter().zip(noise);
    let bytes = bytes.map(|(&byte, noise)| (f32::from(byte) + NOISE * noise).clamp(0.0, 255.0) as u8);
    Ok(Pixels::new(clean.shape(), bytes.collect())?)
}
