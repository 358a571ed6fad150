//! Nothing dies of its messages, and a wish to stop is answered.
#![cfg(unix)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::edit::{photo, tiny_run};
use super::{checkpoint, command, expect, onestep, stderr, train};

/// Runs a line of a shell, in which `$onestep` is the command.
fn shell(folder: &Path, line: &str) -> Output {
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", line]).env("onestep", env!("CARGO_BIN_EXE_onestep"));
    shell.current_dir(folder).stdin(Stdio::null()).output().expect("a shell")
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
}

/// The code with which a process ends within some time; it is killed, and the test fails, where it does not.
fn code_within(mut child: Child, patience: Duration) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("it did not end within {patience:?}");
}

const TRAIN: &str = "train toy2d-ct --set train.steps=40 --set train.batch=32 --set train.preview_every=0 \
                     --set train.checkpoint_every=10";

#[test]
fn a_run_outlives_its_terminal() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&shell(home, &format!("$onestep {TRAIN} --out heard")), 0);
    // Standard error is full, both are full, both are closed, both go to a reader that leaves.
    for (name, redirected, code) in [
        ("full", "2>/dev/full", 0),
        ("both", ">/dev/full 2>&1", 74),
        ("closed", ">&- 2>&-", 0),
        ("left", "2>&1 | head -1", 141),
        ("gone", "2>&1 | true", 141),
    ] {
        let output = shell(home, &format!("$onestep {TRAIN} --out {name} {redirected}"));
        assert_eq!(output.status.code(), Some(code), "{name}: {}", stderr(&output));
        assert!(checkpoint(&home.join(name)) == checkpoint(&home.join("heard")), "{name} is another run");
    }
    // The others, too, do their work first.
    tiny_run(home, "emoji-ct", "run");
    photo(home.join("p.png"), 16, 16);
    let eval = "eval builtin:emoji:test builtin:emoji:test -n 20";
    for (line, file) in [
        ("sample run --seeds 0-3 --out s.png", "s.png"),
        ("edit vary run p.png --out e.png", "e.png"),
        (&format!("{eval} --out scores.json"), "scores.json"),
        ("search run builtin:emoji:test -n 16 --grid 3 --steps 1 --write m.safetensors", "m.safetensors"),
    ] {
        let output = shell(home, &format!("$onestep {line} 2>/dev/full"));
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert!(home.join(file).exists(), "{line}");
        let output = shell(home, &format!("$onestep {line} --overwrite >/dev/full"));
        expect(&output, 74);
        let text = stderr(&output);
        assert!(
            text.contains("cannot write to standard output") && !text.contains("panicked"),
            "{line}: {text}"
        );
    }
    // A file for standard output is lost where that is closed, and not where it is thrown away.
    for (redirected, code) in [(">&-", 74), (">/dev/null", 0)] {
        let output = shell(home, &format!("$onestep sample run --seeds 0 --out - {redirected}"));
        expect(&output, code);
        assert_eq!(stderr(&output).contains("standard output, which is closed"), code == 74);
    }
    // An archive without room is an error in our words alone, and leaves nothing.
    let output = shell(home, "ulimit -f 8; $onestep sample run --seeds 0-63 --out full.npz");
    expect(&output, 73);
    assert!(stderr(&output).starts_with("error: cannot write `full.npz`"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("ZipWriter"), "{}", stderr(&output));
    let left =
        std::fs::read_dir(home).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert_eq!(left.filter(|name| name.contains("full")).collect::<Vec<_>>(), ["full"]);
}

#[test]
fn answers_that_reach_nobody_are_an_error_and_a_reader_that_leaves_is_none() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let home = TempDir::new().unwrap();
    let home = home.path();
    expect(&train(home, "toy2d-ct", "run", 1, &[]), 0);
    for line in [
        "recipe list",
        "recipe show emoji-ct",
        "recipe show emoji-ct --set train.steps=3",
        "info run",
        "info run --json",
        "data info builtin:emoji",
        "data check builtin:emoji --limit 5",
        "train toy2d-ct -n",
        "eval distance builtin:emoji builtin:emoji -n 1",
        "--help",
        "sample --help",
        "--version",
    ] {
        let full = shell(home, &format!("$onestep {line} >/dev/full"));
        assert_eq!(full.status.code(), Some(74), "{line}: {}", stderr(&full));
        let text = stderr(&full);
        assert!(
            text.contains("error: cannot write to standard output") && !text.contains("panicked"),
            "{text}"
        );
        let left = shell(home, &format!("$onestep {line} | true"));
        assert!(matches!(left.status.code(), Some(0 | 141)), "{line}: {}", left.status);
        assert_eq!(stderr(&left), "", "{line}");
    }
}

/// A closed terminal saves as a stop does, and the first signal says what it leads to.
#[test]
fn a_hangup_saves_unless_it_is_to_be_ignored() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let arguments = ["train", "toy2d-ct", "--set", "train.steps=1000000", "--set", "train.batch=32", "--out"];
    let started = |name: &str| {
        let events = home.join(name).join("events.jsonl");
        let began = Instant::now();
        while std::fs::read_to_string(&events).map_or(0, |text| text.lines().count()) < 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "{name} does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut child =
        command(home, &[&arguments[..], &["run"]].concat()).stderr(Stdio::piped()).spawn().unwrap();
    started("run");
    signal(&child, "HUP");
    let lines: Vec<String> =
        BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
    assert_eq!(code_within(child, Duration::from_secs(20)), Some(75), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("saving ...")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("--resume --out run")), "{lines:?}");
    assert!(!checkpoint(&home.join("run")).is_empty());
    // Who asked by `nohup` to outlive the terminal does.
    if cfg!(target_os = "linux") {
        let mut nohup = Command::new("nohup");
        nohup.arg(env!("CARGO_BIN_EXE_onestep")).args(arguments).arg("kept").current_dir(home);
        let mut child =
            nohup.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        started("kept");
        signal(&child, "HUP");
        std::thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none());
        signal(&child, "TERM");
        assert_eq!(code_within(child, Duration::from_secs(20)), Some(75));
    }
}

/// Half a million images in numbers of 64 bits, all zero, which a file has without its blocks.
fn slow_to_open(path: &Path) {
    let mut header = String::from("{'descr': '<f8', 'fortran_order': False, 'shape': (524288, 32, 32, 1), }");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let start = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    std::fs::write(path, &start).unwrap();
    File::options().write(true).open(path).unwrap().set_len(start.len() as u64 + (8 << 29)).unwrap();
}

/// Before anything is begun there is nothing to wait for; and a second signal does not wait, but says what it cost.
#[test]
fn signals_are_answered_at_once() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    // Data that take long to open: four gigabytes of numbers, of a file that takes no room.
    slow_to_open(&home.join("slow.npy"));
    for name in ["TERM", "INT", "HUP"] {
        let train = ["train", "emoji-ct", "--out", "never", "--set", "data.source=slow.npy"];
        let mut child = command(home, &train).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, name);
        let heard = child.stderr.take().unwrap();
        assert_eq!(code_within(child, Duration::from_secs(2)), Some(75), "{name}");
        let text = std::io::read_to_string(heard).unwrap();
        assert!(text.contains("before anything was begun"), "{name}: {text}");
    }
    // One batch that takes long.
    let long = ["sample", "run", "--seeds", "0-4095", "--batch", "4096", "--steps", "500", "--out", "x.png"];
    let mut child = command(home, &long).stderr(Stdio::piped()).spawn().unwrap();
    let mut heard = BufReader::new(child.stderr.take().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "TERM");
    let mut line = String::new();
    heard.read_line(&mut line).unwrap();
    assert!(line.contains("stopping after this batch"), "{line}");
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "TERM");
    assert_eq!(code_within(child, Duration::from_secs(2)), Some(75));
    let rest = std::io::read_to_string(heard).unwrap();
    assert!(rest.contains("ended at once; nothing was written"), "{rest}");
    assert!(!home.join("x.png").exists());
}

/// What is stopped says how to go on, with the code that says it is safe to.
#[test]
fn judging_and_searching_stop_with_a_line() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    tiny_run(home, "emoji-ct", "run");
    let kept = ["--stats-out", "s.safetensors"];
    let rows: [(&[&str], &str); 4] = [
        (&["eval", "run", "-n", "100000", "--steps", "2"], "with --stats-out"),
        (&[&["eval", "run", "-n", "100000", "--steps", "2"][..], &kept].concat(), "the same command goes on"),
        (&["search", "run", "-n", "10000"], "nothing was written"),
        (&["eval", "curve", "run", "-n", "100000", "--points", "points"], "the same command goes on"),
    ];
    expect(&onestep(home, &["eval", "builtin:emoji:test", "-n", "20", "--stats-out", "real.safetensors"]), 0);
    for (arguments, says) in rows {
        let reference = if arguments[0] == "search" { "builtin:emoji:test" } else { "real.safetensors" };
        // The reference is the last path.
        let at = if arguments[1] == "curve" { 3 } else { 2 };
        let typed = [&arguments[..at], &[reference], &arguments[at..]].concat();
        let said = File::create(home.join("said")).unwrap();
        let child = command(home, &typed).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        signal(&child, "TERM");
        assert_eq!(code_within(child, Duration::from_secs(30)), Some(75), "{typed:?}");
        let said = std::fs::read_to_string(home.join("said")).unwrap();
        assert!(said.contains("stopped") && said.contains(says), "{typed:?}: {said}");
    }
}
