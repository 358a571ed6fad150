//! `onestep studio`: opens, answers, closes, and loses nothing that was finished.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::{command, expect, onestep, stderr};

/// A studio that is killed when it is dropped.
struct Open {
    child: Child,
    address: String,
}

impl Open {
    fn new(home: &Path, more: &[&str]) -> Self {
        let arguments = [&["studio", "--port", "0", "--no-browser", "--state", "state"], more].concat();
        let mut child =
            command(home, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").expect("an address").to_owned();
        Self { child, address }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        let kind = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all((head + &kind).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What stands behind a name in an answer.
    fn word(answer: &str, name: &str) -> String {
        let (_, rest) = answer.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("{answer}"));
        rest.split('"').next().unwrap().to_owned()
    }

    fn done(&self, asked: &str) -> String {
        let path = Self::word(&self.ask("POST", "/api/v1/jobs", asked), "poll_url");
        loop {
            let answer = self.ask("GET", &path, "");
            match Self::word(&answer, "status").as_str() {
                "done" => return answer,
                "queued" | "running" => std::thread::sleep(std::time::Duration::from_millis(10)),
                _ => panic!("{answer}"),
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_was_finished_outlives_a_server_that_is_killed() {
    let home = TempDir::new().unwrap();
    let studio = Open::new(home.path(), &[]);
    assert!(studio.ask("GET", "/", "").contains("<title>onestep studio</title>"));
    let done = studio.done(r#"{"task": "generate", "seeds": [7]}"#);
    let (id, url) = (Open::word(&done, "id"), Open::word(&done, "url"));
    drop(studio);
    let studio = Open::new(home.path(), &[]);
    assert!(studio.ask("GET", &format!("/api/v1/jobs/{id}"), "").contains("\"status\":\"done\""));
    assert!(studio.ask("GET", &url, "").starts_with("HTTP/1.1 200"));
    // The picture is one of `sample`, and is made again by it.
    let picture = std::fs::read_dir(home.path().join("state/pictures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "png"))
        .unwrap();
    let picture = picture.to_str().unwrap();
    expect(&onestep(home.path(), &["sample", "--from", picture, "--out", "again/"]), 0);
    let pixels = |path: &Path| image::open(path).unwrap().to_rgb8().into_raw();
    assert_eq!(pixels(&home.path().join("again/000007.png")), pixels(Path::new(picture)));
}

#[cfg(unix)]
#[test]
fn a_signal_closes_it_and_saves_the_run() {
    let home = TempDir::new().unwrap();
    let mut studio = Open::new(home.path(), &[]);
    let asked = r#"{"recipe": "toy2d-ct", "name": "mine", "steps": 100000, "preview_every": 100000}"#;
    assert!(studio.ask("POST", "/api/v1/runs", asked).starts_with("HTTP/1.1 201"));
    while studio.ask("GET", "/api/v1/runs/mine", "").contains("\"step\":0,") {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let id = studio.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = studio.child.wait().unwrap();
    assert!(status.success(), "{status}");
    let checkpoints = home.path().join("runs/mine/ckpt");
    assert!(std::fs::read_dir(checkpoints).unwrap().count() > 0);
    expect(&onestep(home.path(), &["info", "runs/mine"]), 0);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let home = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    std::fs::write(home.path().join("short"), "abc\n").unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    for (arguments, code, words) in [
        (&["--port", port.as_str()][..], 73, &["cannot listen on", "--port 0"][..]),
        (&["--listen", "0.0.0.0", "--port", "0"], 2, &["token", "--token-file"]),
        (&["--token-file", "short"], 2, &["3 letters", "openssl"]),
        (&["--token-file", "none"], 65, &["none"]),
        (&["--model", "mine=none"], 65, &["none"]),
        (&["--model", "=x"], 2, &["NAME=PATH"]),
        (&["--memory", "0"], 2, &["--memory"]),
        (&["--state", "file/x"], 73, &["file/x", "--state"]),
    ] {
        let mut command = command(home.path(), &[&["studio", "--no-browser"], arguments].concat());
        let output = command.env("XDG_STATE_HOME", home.path()).output().unwrap();
        expect(&output, code);
        for word in words {
            assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
        }
    }
    let open = Open::new(home.path(), &[]);
    let second = onestep(home.path(), &["studio", "--port", "0", "--no-browser", "--state", "state"]);
    expect(&second, 73);
    assert!(stderr(&second).contains(&open.child.id().to_string()), "{}", stderr(&second));
}
