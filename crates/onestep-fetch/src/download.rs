//! One download.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::part::{Identity, Part};
use crate::trust::as_the_system;
use crate::{Expected, FetchError};

/// A file to be fetched.
#[derive(Debug, Clone)]
pub struct Download {
    /// Where it is.
    pub address: String,
    /// What it will be called here; its folder must exist.
    pub to: PathBuf,
    /// The digest that it must have, where its publisher gives one; else what the server says is taken.
    pub expected: Option<Expected>,
    /// Bytes that it has at most.
    pub most: u64,
    /// How patient to be.
    pub limits: Limits,
}

/// How long a server may be silent or slow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a connection, and for the beginning of an answer.
    pub answer: Duration,
    /// For one stretch of a body. A connection that has not ended by then is broken off and taken up again.
    pub stretch: Duration,
    /// Bytes that a stretch brings at least; with fewer, it has not got on.
    pub least: u64,
    /// Stretches in a row that may not get on.
    pub attempts: usize,
    /// Redirections that are followed.
    pub redirects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            stretch: Duration::from_secs(120),
            least: 64 << 10,
            attempts: 5,
            redirects: 10,
        }
    }
}

/// What a server says of a file before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its size in bytes, if the server says.
    pub size: Option<u64>,
    /// Its digest, if the server says.
    pub digest: Option<Expected>,
    /// The server's tag of this version of the file.
    etag: Option<String>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub received: u64,
    /// Bytes of the whole, if the server says.
    pub size: Option<u64>,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest that it was compared with; none where neither publisher nor server gives one.
    pub compared: Option<Expected>,
}

impl Download {
    /// Asks the server about the file.
    ///
    /// # Errors
    ///
    /// [`FetchError::Unreachable`], [`FetchError::Refused`], [`FetchError::TooLarge`].
    pub fn look(&self) -> Result<Offer, FetchError> {
        let answer = self.agent().head(&self.address).call().map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(FetchError::Refused { address: self.address.clone(), status });
        }
        let header = |name: &str| header(&answer, name);
        let size = ["x-linked-size", "content-length"].iter().find_map(|name| header(name)?.parse().ok());
        match size {
            Some(found) if found > self.most => Err(FetchError::TooLarge { found, most: self.most }),
            _ => Ok(Offer { size, digest: Expected::of_headers(header), etag: header("etag") }),
        }
    }

    /// Fetches the file that was offered; `progress` is told how far it is and says whether to go on.
    ///
    /// # Errors
    ///
    /// [`FetchError`]. After [`FetchError::BrokenOff`] and [`FetchError::Stopped`] the same call goes on where it was; a file of the
    /// wrong size or digest is removed.
    pub fn run(
        &self,
        offer: &Offer,
        mut progress: impl FnMut(Progress) -> bool,
    ) -> Result<Fetched, FetchError> {
        let identity = Identity { address: self.address.clone(), etag: offer.etag.clone(), size: offer.size };
        let mut part = Part::open(&self.to, &identity)?;
        let most = offer.size.unwrap_or(self.most);
        self.check_space(most.saturating_sub(part.received()), offer.size.is_some())?;
        let mut failures = 0;
        while offer.size.is_none_or(|size| part.received() < size) {
            let before = part.received();
            let outcome = self.stretch(&mut part, offer, most, &mut progress);
            match outcome {
                Ok(Stretch::Ended) if offer.size.is_none() => break,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
            let has_got_on = part.received() >= before.saturating_add(self.limits.least)
                || offer.size == Some(part.received());
            failures = if has_got_on { 0 } else { failures + 1 };
            if failures >= self.limits.attempts {
                let received = part.received();
                return Err(FetchError::BrokenOff { attempts: failures, received });
            }
        }
        self.finish(part, offer)
    }

    /// Fetches until the connection ends, however it does.
    fn stretch(
        &self,
        part: &mut Part,
        offer: &Offer,
        most: u64,
        progress: &mut impl FnMut(Progress) -> bool,
    ) -> Result<Stretch, FetchError> {
        let mut request = self.agent().get(&self.address).header("accept-encoding", "identity");
        if part.received() > 0 {
            request = request.header("range", format!("bytes={}-", part.received()));
            if let Some(etag) = &offer.etag {
                // A file that has changed meanwhile is sent whole.
                request = request.header("if-range", etag);
            }
        }
        let Ok(answer) = request.call() else { return Ok(Stretch::Broken) };
        match answer.status().as_u16() {
            200 => part.begin()?,
            206 if starts_at(&answer) == Some(part.received()) => {}
            // What busy servers answer for a while.
            429 | 500..=599 => return Ok(Stretch::Broken),
            206 | 416 => {
                part.begin()?;
                return Ok(Stretch::Broken);
            }
            status => return Err(FetchError::Refused { address: self.address.clone(), status }),
        }
        let mut body = answer.into_body().into_reader();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => return Ok(Stretch::Ended),
                Ok(n) => n,
                Err(_) => return Ok(Stretch::Broken),
            };
            if part.received() + n as u64 > most {
                return Err(FetchError::TooLarge { found: part.received() + n as u64, most });
            }
            part.append(&buffer[..n])?;
            if !progress(Progress { received: part.received(), size: offer.size }) {
                return Err(FetchError::Stopped { received: part.received() });
            }
        }
    }

    /// Compares size and digest, and gives the file its name.
    fn finish(&self, part: Part, offer: &Offer) -> Result<Fetched, FetchError> {
        let (found, expected) = (part.received(), offer.size.unwrap_or(part.received()));
        if found != expected {
            part.discard();
            return Err(FetchError::WrongSize { found, expected });
        }
        let compared = self.expected.clone().or_else(|| offer.digest.clone());
        let (sha256, difference) = part.digests().compare(compared.as_ref());
        if let Some([found, expected]) = difference {
            part.discard();
            return Err(FetchError::WrongDigest { found, expected });
        }
        part.finish(&self.to)?;
        Ok(Fetched { sha256, size: found, compared })
    }

    /// Refuses what the disk has no room for, where it is known how much is to come.
    fn check_space(&self, needed: u64, is_known: bool) -> Result<(), FetchError> {
        let folder = match self.to.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        match fs4::available_space(folder) {
            Ok(available) if is_known && available < needed => {
                Err(FetchError::DiskFull { folder: folder.to_path_buf(), needed, available })
            }
            _ => Ok(()),
        }
    }

    fn agent(&self) -> Agent {
        let config = Agent::config_builder()
            // What begins encrypted stays so, redirected or not.
            .https_only(self.address.starts_with("https://"))
            .max_redirects(self.limits.redirects)
            .timeout_connect(Some(self.limits.answer))
            .timeout_recv_response(Some(self.limits.answer))
            .timeout_recv_body(Some(self.limits.stretch))
            .http_status_as_error(false)
            .user_agent(concat!("onestep/", env!("CARGO_PKG_VERSION")));
        as_the_system(config).build().new_agent()
    }

    fn unreachable(&self, error: &ureq::Error) -> FetchError {
        FetchError::Unreachable { address: self.address.clone(), reason: error.to_string() }
    }
}

/// How a stretch of a body ended.
enum Stretch {
    /// As the server meant it.
    Ended,
    /// In the middle, or before it began.
    Broken,
}

fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Where the bytes of a partial answer begin: `content-range: bytes 100-199/200`.
fn starts_at(answer: &Response<Body>) -> Option<u64> {
    header(answer, "content-range")?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
