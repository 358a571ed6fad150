//! Images that are not square, from own pictures to drawn, edited and judged ones.

use std::path::Path;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::{expect, onestep, stdout};

fn photos(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for number in 0..12u32 {
        let (width, height) = [(60, 40), (48, 32), (30, 44)][number as usize % 3];
        let pixel = |x: u32, y: u32| Rgb([(x * 5 + number * 20) as u8, (y * 6) as u8, (x + y) as u8]);
        RgbImage::from_fn(width, height, pixel).save(folder.join(format!("{number}.png"))).unwrap();
    }
}

#[test]
fn wide_images_go_all_the_way() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    photos(&home.join("photos"));
    let run = |arguments: &[&str]| {
        let output = onestep(home, arguments);
        expect(&output, 0);
        output
    };
    let mut train = vec!["train", "emoji-ct", "--out", "run"];
    for setting in [
        "data.source=photos",
        "data.split=null",
        "data.labels=false",
        "data.image_size=[16, 24]",
        "network.model_channels=16",
        "network.channel_mult=[1, 1]",
        "network.attention_resolutions=[8]",
        "train.steps=2",
        "train.batch=4",
        "train.preview_every=2",
    ] {
        train.extend(["--set", setting]);
    }
    run(&train);
    let size = |path: &str| {
        let picture = image::open(home.join(path)).unwrap();
        (picture.width(), picture.height())
    };
    run(&["sample", "run", "--seeds", "0-2", "--out", "drawn"]);
    let drawn: Vec<_> =
        std::fs::read_dir(home.join("drawn")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let pictures: Vec<_> =
        drawn.iter().filter(|path| path.extension().is_some_and(|end| end == "png")).collect();
    assert_eq!(pictures.len(), 3, "{drawn:?}");
    for picture in pictures {
        let picture = image::open(picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (24, 16));
    }
    for (task, more) in [
        ("colorize", &[][..]),
        ("super-resolve", &["--factor", "4"]),
        ("denoise", &["--noise", "10", "--fit", "pad"]),
    ] {
        let out = format!("{task}.png");
        run(&[&["edit", task, "run", "photos/2.png", "--out", &out, "--scale", "1"], more].concat());
        assert_eq!(size(&out), (24, 16), "{task}");
    }
    RgbImage::from_fn(60, 40, |x, _| Rgb([if x < 30 { 255 } else { 0 }; 3]))
        .save(home.join("mask.png"))
        .unwrap();
    run(&[
        "edit",
        "inpaint",
        "run",
        "photos/0.png",
        "--mask",
        "mask.png",
        "--full",
        "--out",
        "full.png",
        "--scale",
        "1",
    ]);
    assert_eq!(size("full.png"), (60, 40));
    let judged = run(&["eval", "run", "photos", "--image-size", "24x16", "-n", "12", "--fewer"]);
    assert!(stdout(&judged).contains("photos · 24x16"), "{}", stdout(&judged));
    let info = stdout(&run(&["info", "run"]));
    assert!(info.contains("24x16"), "{info}");
    run(&["bench", "run", "--seconds", "0.01", "--batch", "1"]);
}
