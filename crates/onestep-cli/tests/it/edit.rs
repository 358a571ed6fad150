//! `edit` and `search`, as they are typed.

use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use super::{expect, onestep, stderr, stdout};

/// A model of small emoji that has learned next to nothing, which is all that a command needs.
pub fn tiny_run(home: &Path, recipe: &str, out: &str) {
    let mut arguments = vec!["train", recipe, "--out", out];
    for setting in [
        "train.steps=2",
        "train.batch=2",
        "train.preview_every=0",
        "network.model_channels=16",
        "network.channel_mult=[1, 1]",
        "network.attention_resolutions=[]",
        "data.image_size=16",
        "network.image_size=16",
    ] {
        arguments.extend(["--set", setting]);
    }
    expect(&onestep(home, &arguments), 0);
}

/// A colorful picture.
pub fn photo(path: PathBuf, width: u32, height: u32) -> RgbImage {
    let pixel = |x: u32, y: u32| Rgb([(x * 9 % 256) as u8, (y * 5 % 256) as u8, ((x + y) * 3 % 256) as u8]);
    let photo = RgbImage::from_fn(width, height, pixel);
    photo.save(path).unwrap();
    photo
}

fn mask(path: PathBuf, width: u32, height: u32, marked: impl Fn(u32, u32) -> bool) {
    GrayImage::from_fn(width, height, |x, y| Luma([if marked(x, y) { 255 } else { 0 }])).save(path).unwrap();
}

fn read(path: PathBuf) -> RgbImage {
    image::open(path).unwrap().into_rgb8()
}

#[test]
fn every_task_is_one_command_and_can_be_made_again() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    tiny_run(home, "emoji-edm", "teacher");
    photo(home.join("photo.png"), 16, 16);
    photo(home.join("other.png"), 40, 30);
    mask(home.join("mask.png"), 16, 16, |x, _| x < 8);
    let rows: [(&str, &[&str]); 11] = [
        ("inpaint", &["photo.png", "--mask", "mask.png"]),
        ("inpaint", &["photo.png", "--mask", "mask.png", "--n", "3", "--strip", "--steps", "2"]),
        ("colorize", &["photo.png", "--class", "flags"]),
        ("super-resolve", &["other.png", "--factor", "2", "--fit", "pad"]),
        ("stroke", &["photo.png", "--strength", "0.7", "--seed", "9"]),
        ("denoise", &["photo.png"]),
        ("denoise", &["photo.png", "--noise", "20", "--steps", "2"]),
        ("interpolate", &["--between", "3,9", "--frames", "4", "--precision", "bf16"]),
        ("interpolate", &["photo.png", "other.png", "--teacher", "teacher", "--frames", "3"]),
        ("vary", &["photo.png", "--n", "4", "--weights", "raw"]),
        ("vary", &["--like", "7", "--n", "2"]),
    ];
    for (index, (task, arguments)) in rows.iter().enumerate() {
        let out = format!("out/{index}.png");
        let made = onestep(home, &[&["edit", task, "run"], *arguments, &["--out", &out]].concat());
        expect(&made, 0);
        assert_eq!(stdout(&made).trim(), out);
        assert!(stderr(&made).contains(task), "{}", stderr(&made));
        let again = format!("again/{index}.png");
        for from in [out.clone(), format!("out/{index}.json")] {
            expect(&onestep(home, &["edit", "--from", &from, "--out", &again, "--overwrite"]), 0);
            let [first, second] = [&out, &again].map(|path| std::fs::read(home.join(path)).unwrap());
            assert!(first == second, "{task}: made again from {from} it is another picture");
        }
        let info = onestep(home, &["info", &out]);
        expect(&info, 0);
        assert!(stdout(&info).contains(task));
    }
    // Candidates are seeds: the second of three is the first of its own seed.
    expect(&onestep(home, &["edit", "vary", "run", "photo.png", "--n", "3", "--out", "all"]), 0);
    expect(&onestep(home, &["edit", "vary", "run", "photo.png", "--seed", "1", "--out", "one.png"]), 0);
    assert_eq!(read(home.join("all/0001.png")), read(home.join("one.png")));
    // The way there, and the way between.
    for (task, arguments) in
        [("vary", &["photo.png", "--steps", "3"][..]), ("interpolate", &["--frames", "4"])]
    {
        expect(
            &onestep(
                home,
                &[&["edit", task, "run"], arguments, &["--out", "way.gif", "--overwrite"]].concat(),
            ),
            0,
        );
        let gif = std::fs::read(home.join("way.gif")).unwrap();
        assert!(gif.starts_with(b"GIF89a"));
    }
    // A picture made by one command is not made again by the other, and each says so.
    expect(&onestep(home, &["sample", "run", "--seeds", "0", "--out", "sample.png"]), 0);
    let wrong = onestep(home, &["edit", "--from", "sample.png"]);
    expect(&wrong, 65);
    assert!(stderr(&wrong).contains("sample --from"), "{}", stderr(&wrong));
    let wrong = onestep(home, &["sample", "--from", "out/0.png"]);
    expect(&wrong, 65);
    assert!(stderr(&wrong).contains("edit --from"), "{}", stderr(&wrong));
    // Another picture under the same name is noticed.
    photo(home.join("photo.png"), 17, 17);
    let wrong = onestep(home, &["edit", "--from", "out/0.png"]);
    expect(&wrong, 65);
    assert!(stderr(&wrong).contains("photo.png is not what"), "{}", stderr(&wrong));
}

#[test]
fn what_is_known_keeps_its_bytes() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    // At the model's size, and at another in full.
    for (width, height, full) in [(16, 16, false), (50, 37, true)] {
        let before = photo(home.join("photo.png"), width, height);
        let marked = |x: u32, y: u32| (x + 2 * y) % 7 < 2;
        mask(home.join("mask.png"), width, height, marked);
        let mut arguments = vec![
            "edit",
            "inpaint",
            "run",
            "photo.png",
            "--mask",
            "mask.png",
            "--out",
            "done.png",
            "--overwrite",
        ];
        arguments.extend(full.then_some("--full"));
        expect(&onestep(home, &arguments), 0);
        let after = read(home.join("done.png"));
        assert_eq!(after.dimensions(), before.dimensions());
        let mut drawn = 0;
        for (x, y, pixel) in after.enumerate_pixels() {
            if marked(x, y) {
                drawn += usize::from(pixel != before.get_pixel(x, y));
            } else {
                assert_eq!(pixel, before.get_pixel(x, y), "{x} {y}");
            }
        }
        assert!(drawn > 20);
        // Transparency says the same as a mask.
        let transparent = RgbaImage::from_fn(width, height, |x, y| {
            let Rgb([r, g, b]) = *before.get_pixel(x, y);
            Rgba([r, g, b, if marked(x, y) { 0 } else { 255 }])
        });
        transparent.save(home.join("holes.png")).unwrap();
        let mut arguments =
            vec!["edit", "inpaint", "run", "holes.png", "--out", "holes-done.png", "--overwrite"];
        arguments.extend(full.then_some("--full"));
        expect(&onestep(home, &arguments), 0);
        for (x, y, pixel) in read(home.join("holes-done.png")).enumerate_pixels() {
            assert!(marked(x, y) || pixel == before.get_pixel(x, y), "{x} {y}");
        }
    }
}

#[test]
fn pictures_of_every_kind_are_taken() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let color = photo(home.join("photo.png"), 33, 21);
    let dynamic = image::DynamicImage::ImageRgb8(color);
    dynamic.to_luma8().save(home.join("grey.png")).unwrap();
    dynamic.to_rgb16().save(home.join("deep.png")).unwrap();
    dynamic.to_luma16().save(home.join("deep-grey.png")).unwrap();
    dynamic.to_luma_alpha8().save(home.join("grey-alpha.png")).unwrap();
    let jpeg = jpeg_encoder::Encoder::new_file(home.join("photo.jpg"), 90).unwrap();
    jpeg.encode(&dynamic.to_rgb8(), 33, 21, jpeg_encoder::ColorType::Rgb).unwrap();
    dynamic.save(home.join("photo.gif")).unwrap();
    dynamic.save(home.join("photo.bmp")).unwrap();
    for file in
        ["grey.png", "deep.png", "deep-grey.png", "grey-alpha.png", "photo.jpg", "photo.gif", "photo.bmp"]
    {
        for task in ["vary", "colorize", "super-resolve"] {
            let arguments = ["edit", task, "run", file, "--steps", "1", "--class", "0", "--overwrite"];
            expect(&onestep(home, &arguments), 0);
        }
    }
    // A small picture is enlarged as it is: the mean of every patch is its pixel. Little noise, so that nothing is cut off.
    let small = RgbImage::from_fn(4, 4, |x, y| Rgb([(100 + 9 * x) as u8, (90 + 11 * y) as u8, 150]));
    small.save(home.join("small.png")).unwrap();
    let enlarge = [
        "edit",
        "super-resolve",
        "run",
        "small.png",
        "--class",
        "0",
        "--levels",
        "0.05",
        "--out",
        "large.png",
    ];
    expect(&onestep(home, &enlarge), 0);
    let large = read(home.join("large.png"));
    for (x, y, pixel) in small.enumerate_pixels() {
        for channel in 0..3 {
            let cells = (0..16).map(|i| large.get_pixel(4 * x + i % 4, 4 * y + i / 4)[channel]);
            let mean = cells.map(f64::from).sum::<f64>() / 16.0;
            assert!((mean - f64::from(pixel[channel])).abs() <= 0.5, "{x} {y} {channel}: {mean}");
        }
    }
    assert!(large.pixels().any(|p| p != large.get_pixel(0, 0) && p != large.get_pixel(15, 0)));
}

#[test]
fn levels_that_were_found_are_used() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    photo(home.join("photo.png"), 16, 16);
    let search = |more: &[&str]| {
        let arguments = ["search", "run", "builtin:emoji:test", "-n", "16", "--grid", "5", "--steps", "2"];
        onestep(home, &[&arguments, more].concat())
    };
    let found = search(&["--json"]);
    expect(&found, 0);
    let found: serde_json::Value = serde_json::from_str(&stdout(&found)).unwrap();
    let levels = found["levels"].as_array().unwrap();
    assert_eq!((levels.len(), levels[0].as_f64()), (2, Some(80.0)));
    // One list of one level, and all but one or none of the four of two.
    assert!((4..=5).contains(&found["tried"].as_array().unwrap().len()));
    expect(&search(&["--write", "kept/model.safetensors"]), 0);
    expect(&onestep(home, &["sample", "kept/model.safetensors", "--seeds", "0", "--out", "s.png"]), 0);
    let made: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(home.join("s.json")).unwrap()).unwrap();
    assert_eq!(made["levels"], found["levels"]);
    // For a task, into the same file, beside what is there.
    let arguments =
        ["search", "kept/model.safetensors", "builtin:emoji:test", "-n", "16", "--grid", "4", "--steps", "1"];
    let written = [&arguments[..], &["--task", "inpaint", "--write", "kept/model.safetensors"]].concat();
    expect(&onestep(home, &written), 73);
    let written = [&written[..], &["--overwrite"]].concat();
    expect(&onestep(home, &written), 0);
    let info = onestep(home, &["info", "kept/model.safetensors"]);
    expect(&info, 0);
    assert!(
        stdout(&info).contains("levels       [80.0") && stdout(&info).contains("· inpaint"),
        "{}",
        stdout(&info)
    );
    mask(home.join("mask.png"), 16, 16, |x, _| x < 8);
    let edit =
        ["edit", "inpaint", "kept/model.safetensors", "photo.png", "--mask", "mask.png", "--class", "0"];
    expect(&onestep(home, &edit), 0);
    let made: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(home.join("edit.json")).unwrap()).unwrap();
    assert_eq!(made["edit"]["levels"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_edited_is_one_clear_error() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    tiny_run(home, "emoji-edm", "teacher");
    expect(&onestep(home, &["train", "toy2d-ct", "--out", "toy", "--set", "train.steps=1"]), 0);
    photo(home.join("photo.png"), 16, 16);
    mask(home.join("mask.png"), 16, 16, |x, _| x < 8);
    mask(home.join("wide.png"), 32, 16, |x, _| x < 8);
    mask(home.join("black.png"), 16, 16, |_, _| false);
    mask(home.join("edge.png"), 64, 16, |x, _| x < 3);
    photo(home.join("wide-photo.png"), 64, 16);
    std::fs::write(home.join("text.png"), "no picture").unwrap();
    let whole = std::fs::read(home.join("photo.png")).unwrap();
    std::fs::write(home.join("half.png"), &whole[..whole.len() / 2]).unwrap();
    // A header that promises more pixels than anybody has.
    let mut huge = whole.clone();
    huge[16..24].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff]);
    std::fs::write(home.join("huge.png"), huge).unwrap();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["inpaint", "run", "photo.png"], 2, "--mask"),
        (
            &["inpaint", "run", "photo.png", "--mask", "wide.png"],
            2,
            "is 32x16, the picture photo.png is 16x16",
        ),
        (&["inpaint", "run", "photo.png", "--mask", "black.png"], 2, "marks nothing"),
        (&["inpaint", "run", "wide-photo.png", "--mask", "edge.png"], 2, "--fit pad"),
        (&["inpaint", "run", "photo.png", "--mask", "nowhere.png"], 65, "nowhere.png"),
        (&["inpaint", "run", "nowhere.png"], 65, "nowhere.png"),
        (&["vary", "run", "text.png"], 65, "text.png"),
        (&["vary", "run", "half.png"], 65, "half.png"),
        (&["vary", "run", "huge.png"], 65, "huge.png"),
        (&["vary", "run", "run"], 65, "is a folder"),
        (&["vary", "nowhere", "photo.png"], 65, "nowhere"),
        (&["vary", "teacher", "photo.png"], 2, "diffusion model"),
        (&["vary", "toy", "photo.png"], 2, "points"),
        (&["vary", "run", "photo.png", "--strength", "2"], 2, "share from 0 to 1"),
        (&["vary", "run"], 2, "<IMAGE>"),
        (&["colorize", "run", "photo.png", "--class", "cars"], 2, "there is no class `cars`"),
        (&["colorize", "run", "photo.png", "--levels", "1,5"], 2, "try 5,1"),
        (&["colorize", "run", "photo.png", "--levels", "200"], 2, "from 0.002 to 80"),
        (&["colorize", "run", "photo.png", "--steps", "0"], 2, "--steps"),
        (&["colorize", "run", "photo.png", "--out", "x.jpg"], 2, ".jpg"),
        (&["colorize", "run", "photo.png", "--out", "photo.png/x.png"], 73, "photo.png"),
        (&["super-resolve", "run", "photo.png", "--factor", "3"], 2, "must divide 16"),
        (&["denoise", "run", "photo.png", "--noise", "-3"], 2, "--noise"),
        (&["interpolate", "run", "photo.png", "photo.png"], 2, "--teacher"),
        (&["interpolate", "run", "photo.png", "photo.png", "--teacher", "run"], 2, "only knows the way down"),
        (&["interpolate", "run", "--between", "3"], 2, "write 0,1"),
        (&["--from", "photo.png"], 65, "does not say how it was made"),
        (&["--from", "nowhere.png"], 65, "nowhere.png"),
    ];
    for (arguments, code, part) in rows {
        let output = onestep(home, &[&["edit"], *arguments].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.contains("error: ") && text.contains(part), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        assert!(!home.join("edit.png").exists(), "{arguments:?} left a picture");
    }
    for (arguments, code, part) in [
        (&["search", "teacher", "builtin:emoji"][..], 2, "diffusion model"),
        (&["search", "run", "nowhere"], 65, "nowhere"),
        (&["search", "run", "builtin:two-moons"], 65, "points"),
        (&["search", "run", "builtin:emoji", "--write", "run"], 2, "folder"),
        (&["search", "run", "builtin:emoji:test", "-n", "16", "--grid", "3", "--steps", "9"], 2, "grid"),
    ] {
        let output = onestep(home, arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains("error: ") && text.contains(part), "{arguments:?}: {text}");
    }
}
