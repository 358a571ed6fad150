//! A server in a folder of its own, and the plainest client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use onestep_studio::{Limits, Server, Settings, Studio};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs until it is dropped.
pub struct Place {
    pub home: Arc<TempDir>,
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Place {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::in_home(Arc::new(TempDir::new().unwrap()), change)
    }

    pub fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|settings| change(&mut settings.limits))
    }

    pub fn in_home(home: Arc<TempDir>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            state: home.path().join("state"),
            runs: Some(home.path().join("runs")),
            ..Settings::default()
        };
        settings.limits.farewell_seconds = 2;
        change(&mut settings);
        let studio = Studio::open(settings).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), studio).unwrap();
        let (address, stop) = (server.address(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || server.run(|| stopped.load(Ordering::Relaxed)).unwrap());
        Self { home, address, stop, thread: Some(thread) }
    }

    /// Stops the server, and keeps its folder.
    pub fn closed(mut self) -> Arc<TempDir> {
        self.close();
        self.home.clone()
    }

    fn close(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(&[head.as_bytes(), b"\r\n", body].concat())
    }

    /// Sends bytes as they are, and reads until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A server that refuses need not read all of it.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::of(&answer)
    }

    /// Asks for a job.
    pub fn ask(&self, request: &Value) -> Value {
        let answer = self.post("/api/v1/jobs", request);
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()
    }

    /// Asks for a job and waits until it is over.
    pub fn run(&self, request: &Value) -> Value {
        let job = self.ask(request);
        self.wait(job["poll_url"].as_str().unwrap(), |job| {
            !matches!(job["status"].as_str(), Some("queued" | "running"))
        })
    }

    /// Asks again and again.
    pub fn wait(&self, path: &str, until: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path);
            let value = answer.json();
            if until(&value) {
                return value;
            }
            assert!(started.elapsed() < PATIENCE, "{path}: {value}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.close();
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Self { status, head, body }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The word that a refusal has for programs.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length =
            usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap_or("0").trim(), 16).unwrap_or(0);
        let Some(chunk) = bytes.get(end + 2..end + 2 + length).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        whole.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + length..).unwrap_or_default();
    }
    whole
}

/// A job that takes long: a diffusion model in many levels.
pub fn long_job() -> Value {
    serde_json::json!({ "task": "generate", "model": "portraits-edm", "n": 64, "steps": 1000, "keep": false })
}
