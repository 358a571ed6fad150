//! What commands write: over nothing without being told, and over nothing of others; as it is drawn, and on from where it stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::edit::{photo, tiny_run};
use super::{command, expect, onestep, stderr, stdout, train};

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn refused(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let output = onestep(folder, arguments);
    expect(&output, 73);
    for part in parts {
        assert!(stderr(&output).contains(part), "{arguments:?}: {part}: {}", stderr(&output));
    }
}

#[test]
fn a_folder_holds_one_draw_whole() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    // One seed under three classes, and one of them again: four files.
    let draw = ["sample", "run", "--seeds", "3,3,3,3", "--classes", "0,1,2,0", "--out", "o"];
    expect(&onestep(home, &draw), 0);
    let expected = [
        "samples.json",
        "seed-000003-class-00-2.png",
        "seed-000003-class-00.png",
        "seed-000003-class-01.png",
        "seed-000003-class-02.png",
    ];
    assert_eq!(names(&home.join("o")), BTreeSet::from(expected.map(String::from)));
    // The same again: nothing is left to draw.
    let again = onestep(home, &draw);
    expect(&again, 0);
    assert!(stderr(&again).contains("4 of 4 were there"), "{}", stderr(&again));
    // Another draw: both are named.
    let other = ["sample", "run", "--seeds", "20-22", "--classes", "1", "--out", "o"];
    refused(home, &other, &["holds another draw", "4 seeds from 3 to 3", "seeds 20-22", "--overwrite"]);
    assert_eq!(names(&home.join("o")).len(), 5);
    // Told to, it takes the place of the first, all of it.
    expect(&onestep(home, &[&other[..], &["--overwrite"]].concat()), 0);
    assert_eq!(names(&home.join("o")).len(), 4);
    assert!(home.join("o/seed-000021-class-01.png").exists());
    // What is different is said, and more than that: a class, a scale.
    let class = ["sample", "run", "--seeds", "20-22", "--classes", "1,2,1", "--out", "o"];
    refused(home, &class, &["image 2 is seed 21 of class 1", "image 2 is seed 21 of class 2"]);
    refused(home, &[&other[..], &["--scale", "2"]].concat(), &["no scale", "scale 2"]);
    // A picture that has the name of one to come stays, and so does what there is.
    photo(home.join("o/seed-000007-class-00.png"), 16, 16);
    let seven = ["sample", "run", "--seeds", "7", "--classes", "0", "--out", "o", "--overwrite"];
    refused(home, &seven, &["onestep did not make", "seed-000007-class-00.png"]);
    assert_eq!(names(&home.join("o")).len(), 5);
    std::fs::remove_file(home.join("o/seed-000007-class-00.png")).unwrap();
    // A picture that was put in the place of a sample is nobody's to replace.
    photo(home.join("o/seed-000021-class-01.png"), 16, 16);
    refused(home, &other, &["onestep did not make", "seed-000021-class-01.png"]);
    let third = ["sample", "run", "--seeds", "5", "--out", "o", "--overwrite"];
    refused(home, &third, &["onestep did not make", "seed-000021-class-01.png"]);
    assert_eq!(names(&home.join("o")).len(), 4);
    // A folder of one's own pictures stays one.
    std::fs::create_dir(home.join("photos")).unwrap();
    photo(home.join("photos/cat.png"), 16, 16);
    refused(home, &["sample", "run", "--out", "photos"], &["not empty", "cat.png"]);
    refused(home, &["edit", "vary", "run", "--like", "1", "--out", "photos"], &["cat.png"]);
    assert_eq!(names(&home.join("photos")).len(), 1);
    // So does a data set, whose pictures lie further down.
    std::fs::create_dir_all(home.join("set/cats")).unwrap();
    photo(home.join("set/cats/cat.png"), 16, 16);
    for out in ["set", "run", "."] {
        let before = names(&home.join(out));
        refused(home, &["sample", "run", "--out", out], &["not empty"]);
        refused(home, &["edit", "vary", "run", "--like", "1", "--out", out, "--overwrite"], &["not empty"]);
        assert_eq!(names(&home.join(out)), before);
    }
}

#[test]
fn nothing_of_others_is_written_over() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    photo(home.join("p.png"), 16, 16);
    let read = |name: &str| std::fs::read(home.join(name)).unwrap();
    let sample = |out: &'static str| vec!["sample", "run", "--seeds", "0-3", "--out", out];
    // A json of the user's beside a picture that is not there yet.
    std::fs::write(home.join("keep.json"), "{}").unwrap();
    refused(home, &sample("keep.png"), &["onestep did not make", "keep.json"]);
    refused(
        home,
        &[&sample("keep.png")[..], &["--overwrite"]].concat(),
        &["onestep did not make", "keep.json"],
    );
    let edit = ["edit", "vary", "run", "p.png", "--out", "keep.png"];
    refused(home, &edit, &["keep.json"]);
    assert_eq!(read("keep.json"), b"{}");
    assert!(!home.join("keep.png").exists());
    // What was made may be made anew, when told so; a picture that is replaced by hand is no longer ours.
    expect(&onestep(home, &sample("mine.png")), 0);
    refused(home, &sample("mine.png"), &["mine.png", "--overwrite"]);
    let first = read("mine.png");
    let over = ["sample", "run", "--seeds", "9", "--out", "mine.png", "--overwrite"];
    expect(&onestep(home, &over), 0);
    assert!(read("mine.png") != first);
    photo(home.join("mine.png"), 8, 8);
    refused(home, &over, &["onestep did not make", "mine.png"]);
    // What is read is never written over, by no name and no link, whatever is said.
    let photo_before = read("p.png");
    std::fs::hard_link(home.join("p.png"), home.join("hard.png")).unwrap();
    let mut outs = vec!["p.png", "./run/../p.png", "hard.png"];
    if cfg!(unix) {
        Command::new("ln").args(["-s", "p.png", "soft.png"]).current_dir(home).status().unwrap();
        outs.push("soft.png");
    }
    for out in outs {
        let edit = ["edit", "vary", "run", "p.png", "--out", out, "--overwrite"];
        refused(home, &edit, &["what is read", "p.png"]);
        assert!(read("p.png") == photo_before);
    }
    expect(&onestep(home, &sample("again.png")), 0);
    for from in ["again.png", "again.json"] {
        let again = ["sample", "--from", from, "--out", "again.png", "--overwrite"];
        refused(home, &again, &["what is read", from]);
    }
    // The pictures of an edit that is made again are read, too.
    expect(&onestep(home, &["edit", "vary", "run", "p.png", "--n", "3", "--out", "varied"]), 0);
    let from = ["edit", "--from", "varied/0001.png", "--out", "p.png", "--overwrite"];
    refused(home, &from, &["what is read", "p.png"]);
    // Fewer candidates do not lie among those of before.
    refused(home, &["edit", "vary", "run", "p.png", "--out", "varied"], &["varied/edit.json"]);
    expect(&onestep(home, &["edit", "vary", "run", "p.png", "--out", "varied", "--overwrite"]), 0);
    assert_eq!(names(&home.join("varied")), BTreeSet::from(["0000.png", "edit.json"].map(String::from)));
    photo(home.join("varied/0001.png"), 8, 8);
    let more = ["edit", "vary", "run", "p.png", "--n", "3", "--out", "varied", "--overwrite"];
    refused(home, &more, &["onestep did not make", "0001.png"]);
    assert!(home.join("varied/0000.png").exists());
    // JSON of a picture says nothing of an npz and a GIF of that name; of those that it names, it does.
    for (made, mine) in [("data.png", "data.npz"), ("film.png", "film.gif")] {
        let draw = |out: &'static str| match out.ends_with(".gif") {
            true => vec!["edit", "vary", "run", "p.png", "--out", out],
            false => sample(out),
        };
        expect(&onestep(home, &sample(made)), 0);
        std::fs::write(home.join(mine), "numbers of somebody").unwrap();
        refused(home, &[&draw(mine)[..], &["--overwrite"]].concat(), &["onestep did not make", mine]);
        assert_eq!(read(mine), b"numbers of somebody");
        std::fs::remove_file(home.join(mine)).unwrap();
        for _ in 0..2 {
            expect(&onestep(home, &[&draw(mine)[..], &["--overwrite"]].concat()), 0);
        }
    }
    // The grid beside the npz of one draw does not make it a stranger.
    for out in ["data.png", "data.npz"] {
        expect(&onestep(home, &[&sample(out)[..], &["--overwrite"]].concat()), 0);
    }
}

#[test]
fn every_command_that_writes_keeps_to_the_rule() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    std::fs::write(home.join("mine.json"), "{}").unwrap();
    photo(home.join("mine.png"), 4, 4);
    std::fs::write(home.join("mine.svg"), "<svg/>").unwrap();
    std::fs::write(home.join("mine.npz"), "numbers").unwrap();
    std::fs::write(home.join("mine.safetensors"), "weights").unwrap();
    std::fs::create_dir(home.join("dump")).unwrap();
    std::fs::write(home.join("dump/case.safetensors"), "case").unwrap();
    let files =
        ["mine.json", "mine.png", "mine.svg", "mine.npz", "mine.safetensors", "dump/case.safetensors"];
    let contents = || files.map(|file| std::fs::read(home.join(file)).unwrap());
    let before = contents();
    let eval = ["eval", "builtin:emoji:test", "builtin:emoji:test", "-n", "20"];
    let rows: [(&[&str], &str); 7] = [
        (&[&eval[..], &["--out", "mine.json"]].concat(), "mine.json"),
        (&["eval", "builtin:emoji:test", "-n", "20", "--stats-out", "mine.npz"], "mine.npz"),
        (&["eval", "curve", "run", "builtin:emoji:test", "-n", "20", "--out", "mine.svg"], "mine.svg"),
        (
            &["eval", "merge", "nowhere.safetensors", "--no-reference", "--stats-out", "mine.safetensors"],
            "nowhere.safetensors",
        ),
        (&["search", "run", "builtin:emoji:test", "--write", "mine.safetensors"], "mine.safetensors"),
        (&["data", "info", "builtin:emoji", "--picture", "mine.png"], "mine.png"),
        (
            &["bench", "emoji", "--dump", "dump", "--seconds", "0", "--what", "forward"],
            "dump/case.safetensors",
        ),
    ];
    for (arguments, name) in rows {
        for more in [&[][..], &["--overwrite"]] {
            let output = onestep(home, &[arguments, more].concat());
            let code = if name == "nowhere.safetensors" { 65 } else { 73 };
            expect(&output, code);
            assert!(stderr(&output).contains(name), "{arguments:?}: {}", stderr(&output));
            assert!(contents() == before, "{arguments:?} {more:?}");
        }
    }
    // What these commands made themselves is replaced when told so.
    let rows: [&[&str]; 3] = [
        &["data", "info", "builtin:emoji", "--picture", "emoji.png"],
        &["bench", "emoji", "--dump", "own", "--seconds", "0", "--what", "forward", "--batch", "1"],
        &[&eval[..], &["--out", "scores.json"]].concat(),
    ];
    for arguments in rows {
        expect(&onestep(home, arguments), 0);
        expect(&onestep(home, arguments), 73);
        expect(&onestep(home, &[arguments, &["--overwrite"]].concat()), 0);
    }
    // Parts that are added up are not what their sum takes the place of.
    let part = ["eval", "builtin:emoji:test", "-n", "20", "--stats-out", "part.safetensors"];
    expect(&onestep(home, &part), 0);
    let merge = [
        "eval",
        "merge",
        "part.safetensors",
        "--no-reference",
        "--stats-out",
        "part.safetensors",
        "--overwrite",
    ];
    refused(home, &merge, &["what is read", "part.safetensors"]);
}

/// Killed or stopped in the middle, a folder keeps what it has, and the same command draws the rest: to the bytes of a draw that was
/// never stopped.
#[test]
#[cfg_attr(not(unix), ignore = "no process can send another a signal there")]
fn a_stopped_draw_goes_on_where_it_stopped() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let draw = |out: &str, batch: &str| {
        let seeds = ["sample", "run", "--seeds", "0-799", "--steps", "10", "--out"];
        [&seeds[..], &[out, "--batch", batch]].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    let arguments = |draw: &[String]| draw.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    let run = |draw: &[String]| onestep(home, &draw.iter().map(String::as_str).collect::<Vec<_>>());
    expect(&run(&draw("whole", "64")), 0);
    for signal in ["KILL", "TERM", "HUP"] {
        let parts = draw(signal, "8");
        let typed: Vec<&str> = parts.iter().map(String::as_str).collect();
        let mut child = command(home, &typed).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        while !home.join(signal).exists() || names(&home.join(signal)).len() < 20 {
            assert!(started.elapsed() < Duration::from_secs(120), "{} draws nothing", arguments(&parts));
            assert!(child.try_wait().unwrap().is_none(), "{} is done", arguments(&parts));
            std::thread::sleep(Duration::from_millis(2));
        }
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let n_there = names(&home.join(signal)).iter().filter(|name| name.starts_with("seed-")).count();
        assert!((16..800).contains(&n_there), "{n_there}");
        if signal != "KILL" {
            expect(&output, 75);
            let says = format!("{n_there} of 800 images are in {signal}: the same command goes on");
            assert!(stderr(&output).contains(&says), "{}", stderr(&output));
        }
        let rest = run(&draw(signal, "64"));
        expect(&rest, 0);
        assert!(stderr(&rest).contains(&format!("{n_there} of 800 were there")), "{}", stderr(&rest));
        assert!(names(&home.join(signal)).iter().all(|name| !name.starts_with('.')), "leftovers: {signal}");
        let pictures = |folder: &str| {
            let all = names(&home.join(folder)).into_iter().filter(|name| !name.starts_with('.'));
            all.map(|name| std::fs::read(home.join(folder).join(name)).unwrap()).collect::<Vec<_>>()
        };
        assert!(pictures(signal) == pictures("whole"), "{signal}");
    }
    // A file is there whole or not at all; of a large npz, parts are kept.
    let mut child =
        command(home, &["sample", "run", "--seeds", "0-99999", "--out", "all.npz", "--batch", "8"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    while !home.join("all.npz.parts/samples.json").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    // What is written together has one record, and one writer.
    let busy = format!("process {} is writing it", child.id());
    refused(home, &["sample", "run", "--seeds", "0", "--out", "all.png"], &[&busy, "all.json"]);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    expect(&output, 75);
    assert!(
        stderr(&output).contains("of 100000 images are in all.npz.parts: the same command goes on"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        names(home).iter().filter(|name| name.contains("all.")).collect::<Vec<_>>(),
        ["all.npz.parts"]
    );
    let scratch = names(&home.join("all.npz.parts")).into_iter().filter(|name| name.starts_with('.'));
    assert_eq!(scratch.count(), 0);
}

/// An npz is the same whatever the batch, and too many images for a picture are refused before they are drawn.
#[test]
fn files_grow_as_they_are_drawn() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    for (out, batch) in [("a.npz", "64"), ("b.npz", "7")] {
        expect(&onestep(home, &["sample", "run", "--seeds", "0-40", "--out", out, "--batch", batch]), 0);
    }
    let read = |name: &str| std::fs::read(home.join(name)).unwrap();
    assert!(read("a.npz") == read("b.npz"));
    let started = Instant::now();
    let many = onestep(home, &["sample", "run", "--seeds", "0-9999999", "--out", "all.png"]);
    expect(&many, 65);
    assert!(stderr(&many).contains(".npz or a folder"), "{}", stderr(&many));
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// Points go into every kind of file.
#[test]
fn points_are_numbers_too() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-ct", "run", 2, &[]), 0);
    let sample = |out: &str| {
        expect(&onestep(home, &["sample", "run", "--seeds", "5,7-8", "--out", out, "--batch", "2"]), 0);
    };
    sample("points.npz");
    sample("points/of.csv");
    let table = std::fs::read_to_string(home.join("points/of.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "seed,x,y"));
    assert!(lines[1].starts_with("5,") && lines[3].starts_with("8,"), "{table}");
    // The same numbers, to the bit: numpy's header says float32 and (3, 2), and they follow it.
    let npz = std::fs::read(home.join("points.npz")).unwrap();
    let text = String::from_utf8_lossy(&npz);
    assert!(text.contains("'<f4'") && text.contains("(3, 2)"), "{text}");
    let numbers = lines[1..].iter().flat_map(|line| line.split(',').skip(1));
    let bytes: Vec<u8> = numbers.flat_map(|number| number.parse::<f32>().unwrap().to_le_bytes()).collect();
    assert!(npz.windows(bytes.len()).any(|window| window == bytes));
    tiny_run(home, "emoji-ct", "images");
    let images = onestep(home, &["sample", "images", "--seeds", "0", "--out", "images.csv"]);
    expect(&images, 2);
    assert!(stderr(&images).contains("a .csv holds points"), "{}", stderr(&images));
}

#[test]
fn names_say_what_is_meant() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let sample = |out: &str| onestep(home, &["sample", "run", "--seeds", "0", "--out", out]);
    expect(&sample("x.PNG"), 0);
    assert!(home.join("x.PNG").is_file() && home.join("x.json").is_file());
    let unknown = sample("v0.5");
    expect(&unknown, 2);
    assert!(stderr(&unknown).contains("cannot write a .5") && stderr(&unknown).contains("a slash behind it"));
    expect(&sample("v0.5/"), 0);
    assert!(home.join("v0.5/samples.json").is_file());
    expect(&sample("v0.5"), 0);
    let unknown = onestep(home, &["edit", "vary", "run", "--like", "1", "--out", "v1.0"]);
    expect(&unknown, 2);
    assert!(stderr(&unknown).contains("a slash behind it"));
    expect(&onestep(home, &["edit", "vary", "run", "--like", "1", "--out", "v1.0/"]), 0);
    expect(&onestep(home, &["edit", "vary", "run", "--like", "1", "--out", "E.GIF"]), 0);
    // Standard output takes the same bytes as a file.
    for (out, file) in [("--out=-", "f.png"), ("--out=-.npz", "f.npz")] {
        let piped = onestep(home, &["sample", "run", "--seeds", "3-5", out]);
        expect(&piped, 0);
        expect(&onestep(home, &["sample", "run", "--seeds", "3-5", "--out", file]), 0);
        assert!(piped.stdout == std::fs::read(home.join(file)).unwrap(), "{out}");
    }
    let piped = onestep(home, &["edit", "vary", "run", "--like", "1", "-o", "-", "-q"]);
    expect(&piped, 0);
    assert!(piped.stdout.starts_with(b"\x89PNG") && stderr(&piped).is_empty());
    // Numbers that are none of the allowed ones get a sentence that says which are.
    for (arguments, part) in [
        (["sample", "run", "--seeds", "-1"], "from 0 to 18446744073709551615"),
        (["sample", "run", "--levels", "200"], "from 0.002 to 80"),
        (["sample", "run", "--levels", "80,0.0001"], "from 0.002 to 80"),
        (["edit", "vary", "run", "--seed=-1"], "from 0 to 18446744073709551615"),
    ] {
        let wrong = onestep(home, &arguments);
        expect(&wrong, 2);
        assert!(stderr(&wrong).contains(part), "{arguments:?}: {}", stderr(&wrong));
    }
}

/// A path need not be text, but where it cannot be written down it is refused in a sentence, before any work.
#[test]
#[cfg(target_os = "linux")]
fn paths_that_are_no_text_work_or_say_why_not() {
    use std::os::unix::ffi::OsStrExt;
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let name = std::ffi::OsStr::from_bytes(b"gr\xfcn");
    let sample = |model: &std::ffi::OsStr, out: &std::ffi::OsStr| {
        let mut command = command(home, &["sample", "--seeds", "0"]);
        command.arg(model).arg("--out").arg(out).output().unwrap()
    };
    expect(&sample("run".as_ref(), name), 0);
    assert!(home.join(name).join("samples.json").is_file());
    std::fs::rename(home.join("run"), home.join(name).join("run")).unwrap();
    let output = sample(home.join(name).join("run").as_os_str(), "x.png".as_ref());
    expect(&output, 65);
    assert!(stderr(&output).contains("UTF-8"), "{}", stderr(&output));
    assert!(!home.join("x.png").exists());
}

/// Heun's method evaluates twice between two levels and once for the last: 2n - 1 for n levels, of which there are two at least.
#[test]
fn evaluations_are_counted() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-edm", "edm", 2, &[]), 0);
    for (steps, says) in [("1", "2 levels, 3 network evaluations"), ("9", "17 network evaluations each")] {
        let out = format!("{steps}.png");
        let output = onestep(home, &["sample", "edm", "--seeds", "0", "--steps", steps, "--out", &out]);
        expect(&output, 0);
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        assert_eq!(stdout(&output).trim(), out);
    }
}
