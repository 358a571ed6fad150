//! Fetching files over HTTP: whole, checked, or not at all.
//!
//! [`Download::run`] writes to a `.part` file beside the final name, resumes it where an earlier attempt broke off (if the server says
//! that it is still the same file), and gives it its final name when size and digest are right. What is known of the file is asked of
//! the server first ([`Download::look`]), so that it can be shown before anything is fetched.
//!
//! A connection that stalls is broken off and taken up again; a server that only drips is given up.

mod digest;
mod download;
mod error;
mod part;
mod trust;

pub use digest::Expected;
pub use download::{Download, Fetched, Limits, Offer, Progress};
pub use error::FetchError;
