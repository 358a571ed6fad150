//! What can go wrong while a file is fetched.

use std::io;
use std::path::PathBuf;

/// A file that was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server cannot be reached, or speaks no HTTP that is understood.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// What was asked for.
        address: String,
        /// What was met.
        reason: String,
    },
    /// The server refuses.
    #[error("{address}: the server answers {status}")]
    Refused {
        /// What was asked for.
        address: String,
        /// The status of its answer.
        status: u16,
    },
    /// The connection broke or stalled, again and again.
    #[error(
        "the connection broke off {attempts} times without getting on, at {received} bytes; the same command goes on from there"
    )]
    BrokenOff {
        /// How often in a row.
        attempts: usize,
        /// Bytes that are there.
        received: u64,
    },
    /// More or fewer bytes than were promised.
    #[error("the file has {found} bytes, {expected} were promised; it was removed")]
    WrongSize {
        /// Bytes received.
        found: u64,
        /// Bytes promised.
        expected: u64,
    },
    /// A file that says of itself that it is longer than it may be.
    #[error("the server offers {found} bytes, {most} at most are expected of this file")]
    TooLarge {
        /// Bytes offered.
        found: u64,
        /// Most that is taken.
        most: u64,
    },
    /// Bytes that are not those that were promised.
    #[error(
        "the file is damaged or another one: its digest is {found}, {expected} was promised; it was removed"
    )]
    WrongDigest {
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// No room.
    #[error("not enough space: {needed} bytes needed, {available} available in {}", folder.display())]
    DiskFull {
        /// Where.
        folder: PathBuf,
        /// Bytes that are still to come.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// Another process fetches the same file.
    #[error("another process is fetching it: {}", path.display())]
    InUse {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The caller said stop; what is there stays and is gone on with.
    #[error("stopped at {received} bytes; the same command goes on from there")]
    Stopped {
        /// Bytes that are there.
        received: u64,
    },
    /// The system refuses to write.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}
