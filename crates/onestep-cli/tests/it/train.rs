//! `onestep train` on pictures of one's own, as people have them.

use std::path::Path;

use onestep::train::Run;
use tempfile::TempDir;

use super::{expect, onestep, stderr, stdout};

/// Pictures of noise, `n` of them, in a folder that is made.
fn pictures(folder: &Path, n: usize, width: u32, height: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..n {
        let pixel = |x: u32, y: u32| {
            let value = (x * 37 + y * 101 + number as u32 * 53) % 256;
            image::Rgb([value as u8, (value / 2) as u8, 255 - value as u8])
        };
        image::RgbImage::from_fn(width, height, pixel).save(folder.join(format!("{number:03}.png"))).unwrap();
    }
}

/// Settings that make a run short.
const SHORT: [&str; 8] = [
    "--set",
    "train.steps=2",
    "--set",
    "train.batch=2",
    "--set",
    "train.preview_every=0",
    "--set",
    "network.model_channels=8",
];

/// The way of the README: a built-in recipe as a file, and a folder of pictures.
#[test]
fn a_built_in_recipe_trains_on_pictures_of_ones_own() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    pictures(&home.join("photos"), 5, 50, 40);
    ["cat", "dog"].iter().for_each(|class| pictures(&home.join("classes").join(class), 3, 48, 48));
    let shown = onestep(home, &["recipe", "show", "emoji-ct"]);
    expect(&shown, 0);
    std::fs::write(home.join("mine.toml"), stdout(&shown)).unwrap();
    for (out, settings, image, n_classes) in [
        ("a", &["data.source=photos", "data.image_size=32", "data.labels=false"][..], [32, 32, 3], None),
        ("b", &["data.source=photos", "data.image_size=64"], [64, 64, 3], None),
        ("c", &["data.source=classes"], [48, 48, 3], Some(2)),
        ("d", &["data.source=classes", "data.grey=true", "data.labels=false"], [48, 48, 1], None),
    ] {
        let mut arguments = vec!["train", "mine.toml", "--out", out];
        arguments.extend(SHORT);
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        expect(&onestep(home, &arguments), 0);
        // The folder keeps the recipe with everything settled.
        let network = Run::recipe_in(home.join(out), &[]).unwrap().network.build().unwrap();
        assert_eq!((network.image(), network.n_classes()), (image, n_classes), "{out}");
        expect(&onestep(home, &["sample", out, "--seeds", "0-1", "--out", &format!("{out}.png")]), 0);
    }
    // What is said against the data is refused, with the way back.
    let mut arguments = vec![
        "train",
        "mine.toml",
        "--out",
        "e",
        "--set",
        "data.source=photos",
        "--set",
        "data.image_size=32",
    ];
    arguments.extend(SHORT);
    arguments.extend(["--set", "network.n_classes=9"]);
    let refused = onestep(home, &arguments);
    expect(&refused, 65);
    assert!(stderr(&refused).contains("leave `network.n_classes` out"), "{}", stderr(&refused));
    arguments.extend(["--set", "network.n_classes=null"]);
    expect(&onestep(home, &arguments), 0);
}

/// A short run on points.
fn moons(home: &Path, out: &str, more: &[&str]) -> std::process::Output {
    let mut arguments =
        vec!["train", "toy2d-ct", "--out", out, "--set", "train.batch=16", "--set", "train.preview_every=0"];
    arguments.extend(more);
    onestep(home, &arguments)
}

#[test]
fn going_on_says_from_where_what_changes_and_what_comes_next() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let started = moons(home, "r", &["--set", "train.steps=6", "--resume"]);
    expect(&started, 0);
    assert!(
        stderr(&started).contains("r holds no checkpoint: this starts a new run"),
        "{}",
        stderr(&started)
    );
    for next in ["onestep sample r --out samples.png", "onestep train --resume --out r --set train.steps=12"]
    {
        assert!(stderr(&started).contains(next), "{}", stderr(&started));
    }
    let resume = |more: &[&str]| {
        let mut arguments = vec!["train", "--resume", "--out", "r"];
        arguments.extend(more);
        onestep(home, &arguments)
    };
    // A schedule that spans the run: not without a word, and both ways in numbers.
    let unclear = resume(&["--set", "train.steps=12"]);
    expect(&unclear, 2);
    for words in ["train.steps` was 6 and is now 12", "levels", "--extend schedule", "--extend end"] {
        assert!(stderr(&unclear).contains(words), "{}", stderr(&unclear));
    }
    let longer =
        resume(&["--set", "train.steps=12", "--extend", "end", "--set", "train.learning_rate.peak=1e-4"]);
    expect(&longer, 0);
    assert!(
        stderr(&longer).contains("goes on after step 6 of 12, from r/ckpt/step-00000006"),
        "{}",
        stderr(&longer)
    );
    assert!(
        stderr(&longer).contains("train.learning_rate.peak: 0.001 before, 0.0001 from here on"),
        "{}",
        stderr(&longer)
    );
    let events = std::fs::read_to_string(home.join("r/events.jsonl")).unwrap();
    for key in ["train.learning_rate.peak", "train.schedule_steps", "train.steps"] {
        assert!(events.contains("\"event\":\"changed\"") && events.contains(key), "{key}: {events}");
    }
    let other = resume(&["--set", "train.batch=8"]);
    expect(&other, 2);
    assert!(stderr(&other).contains("`train.batch` was 16 and is now 8"), "{}", stderr(&other));
    let fewer = resume(&["--set", "train.steps=3"]);
    expect(&fewer, 2);
    assert!(stderr(&fewer).contains("has done 12 steps"), "{}", stderr(&fewer));
    // A folder of runs tells how far each is.
    let info = onestep(home, &["info", "."]);
    expect(&info, 0);
    assert!(stdout(&info).contains("toy2d-ct") && stdout(&info).contains("12 of 12"), "{}", stdout(&info));
}

#[test]
fn what_cannot_be_is_refused_before_it_starts() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for more in [&["--set", "train.batch=1000000000"][..], &["--set", "train.batch=1000000000", "--dry-run"]]
    {
        let large = moons(home, "large", more);
        expect(&large, 2);
        assert!(stderr(&large).contains("GB of memory"), "{}", stderr(&large));
    }
    let absurd =
        onestep(home, &["train", "emoji-ct", "--out", "large", "--set", "network.num_blocks=100000"]);
    expect(&absurd, 2);
    assert!(stderr(&absurd).contains("at most 1000"), "{}", stderr(&absurd));
    let needless = moons(home, "large", &["--teacher", "nothing"]);
    expect(&needless, 2);
    assert!(stderr(&needless).contains("asks none"), "{}", stderr(&needless));
    assert!(!home.join("large").exists());
    // A dry run opens what a run would open.
    let dry = moons(home, "r", &["--dry-run"]);
    expect(&dry, 0);
    assert!(stdout(&dry).contains("# data        65536 images"), "{}", stdout(&dry));
    expect(&onestep(home, &["train", "toy2d-cd", "--dry-run", "--teacher", "nothing"]), 65);
    let published = onestep(home, &["train", "cifar10-edm-small", "--dry-run"]);
    expect(&published, 65);
    assert!(
        stdout(&published).contains("# parameters  12"),
        "what can be told without data is told: {}",
        stdout(&published)
    );
}

#[test]
fn a_bad_image_ends_a_run_that_can_be_gone_on_with() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    pictures(&home.join("data"), 12, 16, 16);
    let mut arguments =
        vec!["train", "emoji-edm", "--out", "r", "--set", "data.source=data", "--set", "data.split=null"];
    arguments.extend(SHORT);
    arguments.extend(["--set", "train.steps=40", "--set", "train.batch=1"]);
    // The last to be met: every image is met once in the first 12 steps.
    // Its header is whole, so that only decoding it tells.
    let whole = std::fs::read(home.join("data/011.png")).unwrap();
    std::fs::write(home.join("data/011.png"), &whole[..whole.len() * 2 / 3]).unwrap();
    let stopped = onestep(home, &arguments);
    expect(&stopped, 65);
    let message = stderr(&stopped);
    assert!(
        message.contains("011.png") && message.contains("--resume") && message.contains("data.on_error=skip"),
        "{message}"
    );
    pictures(&home.join("data"), 12, 16, 16);
    let repaired = onestep(home, &["train", "--resume", "--out", "r"]);
    assert!(message.contains("saved r/ckpt/step-"), "{message}");
    expect(&repaired, 0);
    assert!(
        stderr(&repaired).contains("the data were repaired: 1 bad images replaced"),
        "{}",
        stderr(&repaired)
    );
}

#[test]
fn recipes_are_listed_in_80_columns_and_shown_in_full() {
    let home = TempDir::new().unwrap();
    let list = onestep(home.path(), &["recipe", "list"]);
    expect(&list, 0);
    let list = stdout(&list);
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let families: Vec<&str> =
        list.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    assert_eq!(families, ["toy2d", "portraits", "emoji", "cifar10", "imagenet64", "lsun256"]);
    let full = onestep(home.path(), &["recipe", "show", "emoji-ct", "--full"]);
    expect(&full, 0);
    for line in [
        "image_size = 32",
        "n_classes = 9",
        "keep = 2",
        "on_error = \"stop\"",
        "sigma_max = 80.0",
        "beta1 = 0.9",
    ] {
        assert!(stdout(&full).contains(line), "{line}: {}", stdout(&full));
    }
}

#[test]
fn new_writes_a_recipe_that_trains_and_overwrites_nothing() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    ["cat", "dog"].iter().for_each(|class| pictures(&home.join("photos").join(class), 8, 50, 40));
    let made = onestep(home, &["new", "photos", "--hours", "0.01"]);
    expect(&made, 0);
    assert_eq!(stdout(&made).trim(), "photos.toml");
    for next in [
        "onestep train photos.toml --dry-run",
        "onestep train photos.toml --out runs/photos",
        "onestep sample runs/photos",
    ] {
        assert!(stderr(&made).contains(next), "{}", stderr(&made));
    }
    let text = std::fs::read_to_string(home.join("photos.toml")).unwrap();
    assert!(text.contains("image_size = [32, 40]") && text.contains("2 classes"), "{text}");
    let again = onestep(home, &["new", "photos"]);
    expect(&again, 73);
    assert_eq!(std::fs::read_to_string(home.join("photos.toml")).unwrap(), text);
    expect(&onestep(home, &["train", "photos.toml", "--dry-run"]), 0);
    let mut arguments = vec!["train", "photos.toml", "--out", "runs/photos"];
    arguments.extend(SHORT);
    expect(&onestep(home, &arguments), 0);
    expect(
        &onestep(home, &["sample", "runs/photos", "--seeds", "0", "--classes", "dog", "--out", "dog.png"]),
        0,
    );
    expect(&onestep(home, &["new", "builtin:two-moons"]), 2);
}

/// What is printed to be typed can be typed: names in quotes, and the data as they were looked at.
#[cfg(unix)]
#[test]
fn commands_that_are_printed_can_be_typed() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for part in ["train", "val"] {
        pictures(&home.join("my ph'otos").join(part), 6, 50, 40);
    }
    let mut arguments = vec!["train", "emoji-edm", "--out", "my run"];
    for setting in [
        "data.source=my ph'otos",
        "data.split=val",
        "data.image_size=[16,32]",
        "data.fit=pad",
        "data.labels=false",
    ] {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(SHORT);
    let finished = onestep(home, &arguments);
    expect(&finished, 0);
    let message = stderr(&finished);
    for command in [
        "onestep sample 'my run' --out samples.png",
        r"onestep eval 'my run' 'my ph'\''otos:val' --image-size 32x16 --fit pad",
        "onestep train --resume --out 'my run' --set train.steps=4",
    ] {
        assert!(message.contains(command), "{message}");
    }
    // The shell takes what is printed.
    let judged = message.lines().find_map(|line| line.strip_prefix("judge it:")).unwrap().trim();
    let program = env!("CARGO_BIN_EXE_onestep");
    let command = format!("{} -n 2", judged.replacen("onestep", &format!("'{program}'"), 1));
    let judged = std::process::Command::new("sh").arg("-c").arg(command).current_dir(home).output().unwrap();
    expect(&judged, 0);
    // Data that were moved are named, with the way to say where they are.
    std::fs::rename(home.join("my ph'otos"), home.join("moved")).unwrap();
    let resume = ["train", "--resume", "--out", "my run", "--set", "train.keep=3"];
    let lost = onestep(home, &resume);
    expect(&lost, 65);
    assert!(stderr(&lost).contains("--set data.source=PATH"), "{}", stderr(&lost));
    expect(&onestep(home, &[&resume[..], &["--set", "data.source=moved"]].concat()), 0);
}
