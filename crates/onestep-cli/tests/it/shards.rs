//! Samples that are drawn in parts, by one process or by several.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{command, expect, onestep, stderr, stdout, train};

fn toy(home: &Path) {
    expect(&train(home, "toy2d-ct", "toy", 5, &[]), 0);
}

fn sample(home: &Path, out: &str, more: &[&str]) -> std::process::Output {
    draw(home, &["toy", "--seeds", "0-2999"], out, more)
}

fn draw(home: &Path, what: &[&str], out: &str, more: &[&str]) -> std::process::Output {
    onestep(home, &[&["sample"], what, &["--out", out], more].concat())
}

#[test]
fn shards_put_together_are_the_whole_to_the_bit() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    toy(home);
    expect(&sample(home, "whole.npz", &[]), 0);
    let whole = fs::read(home.join("whole.npz")).unwrap();
    assert!(!home.join("whole.npz.parts").exists(), "parts that are put together are gone");
    // In any order; six parts of 512 samples make unequal shards.
    for shard in ["4/4", "1/4", "3/4"] {
        let output = sample(home, "shards.npz", &["--shard", shard]);
        expect(&output, 0);
        assert_eq!(stdout(&output).trim(), "shards.npz.parts");
        assert!(stderr(&output).contains("without --shard"), "{}", stderr(&output));
        assert!(!home.join("shards.npz").exists());
    }
    // A part that was torn, or changed, is drawn again, and so is one whose record is gone.
    let part = |number: usize, kind: &str| home.join(format!("shards.npz.parts/part-{number:06}.{kind}"));
    let mut torn = fs::read(part(0, "raw")).unwrap();
    torn[100] ^= 1;
    fs::write(part(0, "raw"), torn).unwrap();
    fs::remove_file(part(5, "json")).unwrap();
    // Again: what is there is not drawn again.
    let again = sample(home, "shards.npz", &["--shard", "4/4"]);
    expect(&again, 0);
    assert!(stderr(&again).contains("512 of 952 were there"), "{}", stderr(&again));
    // The same without --shard draws what is missing, and puts all together.
    let put = sample(home, "shards.npz", &[]);
    expect(&put, 0);
    assert!(stderr(&put).contains("of 3000 were there"), "{}", stderr(&put));
    assert!(fs::read(home.join("shards.npz")).unwrap() == whole, "the whole has the bits of one");
    assert!(!home.join("shards.npz.parts").exists());
    let records = ["whole.json", "shards.json"].map(|name| fs::read_to_string(home.join(name)).unwrap());
    assert_eq!(records[0].replace("whole.npz", "shards.npz"), records[1]);
}

#[test]
fn shards_of_a_folder_fill_it() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let draw = |out: &str, more: &[&str]| draw(home, &["--seeds", "0-9"], out, more);
    expect(&draw("whole", &[]), 0);
    for shard in ["2/3", "1/3", "3/3"] {
        expect(&draw("shards", &["--shard", shard]), 0);
    }
    let files = |folder: &str| {
        let mut names: Vec<_> =
            fs::read_dir(home.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
            .iter()
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect::<Vec<_>>()
    };
    assert!(files("whole") == files("shards"));
    let done = draw("shards", &[]);
    expect(&done, 0);
    assert!(stderr(&done).contains("10 of 10 were there"), "{}", stderr(&done));
    // Another draw is refused, sharded or not; shards replace nothing, for another one may have begun.
    let other = onestep(home, &["sample", "--seeds", "0-8", "--out", "shards", "--shard", "1/3"]);
    expect(&other, 73);
    let over =
        onestep(home, &["sample", "--seeds", "0-8", "--out", "shards", "--shard", "1/3", "--overwrite"]);
    expect(&over, 73);
    assert!(files("whole") == files("shards"));
}

#[test]
fn shards_of_a_small_file_are_put_together_too() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let draw = |out: &str, more: &[&str]| draw(home, &["--seeds", "0-19"], out, more);
    expect(&draw("s.npz", &["--shard", "1/2"]), 0);
    expect(&draw("s.npz", &["--shard", "2/2"]), 0);
    let put = draw("s.npz", &[]);
    expect(&put, 0);
    assert!(stderr(&put).contains("20 of 20 were there"), "{}", stderr(&put));
    assert!(!home.join("s.npz.parts").exists());
    expect(&draw("w.npz", &[]), 0);
    assert!(fs::read(home.join("s.npz")).unwrap() == fs::read(home.join("w.npz")).unwrap());
    expect(&draw("-.npz", &["--shard", "1/2"]), 2);
}

#[test]
fn a_killed_drawing_goes_on_from_its_parts() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let arguments = ["sample", "--seeds", "0-2047", "--steps", "4", "--out", "faces.npz"];
    let mut child = command(home, &arguments).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !home.join("faces.npz.parts/part-000000.json").exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(),
            "no part came"
        );
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!home.join("faces.npz").exists());
    let resumed = onestep(home, &arguments);
    expect(&resumed, 0);
    assert!(stderr(&resumed).contains("of 2048 were there"), "{}", stderr(&resumed));
    expect(&onestep(home, &["sample", "--seeds", "0-2047", "--steps", "4", "--out", "again.npz"]), 0);
    assert!(fs::read(home.join("faces.npz")).unwrap() == fs::read(home.join("again.npz")).unwrap());
}

#[test]
fn what_cannot_be_sharded_is_refused() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let refused = onestep(home, &["sample", "--out", "faces.png", "--shard", "1/2"]);
    expect(&refused, 2);
    assert!(stderr(&refused).contains("only an .npz or a folder"), "{}", stderr(&refused));
    let untold = command(home, &["sample", "--out", "faces", "--shard", "auto"]).output().unwrap();
    expect(&untold, 2);
    assert!(stderr(&untold).contains("write 2/8"), "{}", stderr(&untold));
    // A job array tells it.
    let mut array = command(home, &["sample", "--seeds", "0-7", "--out", "faces", "--shard", "auto"]);
    array.envs([("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_MIN", "0"), ("SLURM_ARRAY_TASK_MAX", "3")]);
    array.env("SLURM_ARRAY_TASK_COUNT", "4");
    expect(&array.output().unwrap(), 0);
    let pictures = fs::read_dir(home.join("faces")).unwrap().filter_map(Result::ok);
    let names = pictures.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert_eq!(names.filter(|name| name.ends_with(".png")).count(), 2);
    // Trained by several processes without MPI, all would write one folder.
    #[cfg(not(feature = "mpi"))]
    {
        let mut launched = command(home, &["train", "toy2d-ct", "--out", "x"]);
        launched.envs([("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]);
        let refused = launched.output().unwrap();
        expect(&refused, 2);
        assert!(stderr(&refused).contains("--features mpi"), "{}", stderr(&refused));
        assert!(!home.join("x").exists());
    }
}
