//! The studio: a page and an HTTP API over the library, for drawing, editing, training and judging. Nothing is printed.
//!
//! 1. [`Settings`] say which models there are, where pictures are kept and what is allowed.
//! 2. A [`Studio`] has one worker, which computes, and jobs that wait for it.
//! 3. [`app`] is the page and the API as a router; it translates requests into jobs and jobs into answers, and knows nothing else.
//! 4. A [`Server`] listens: within its limits, until it is told to stop.
//!
//! ```no_run
//! use onestep_studio::{Server, Settings, Studio};
//!
//! let studio = Studio::open(Settings::default())?;
//! let server = Server::bind("127.0.0.1:0".parse()?, studio)?;
//! println!("http://{}", server.address());
//! server.run(|| false)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod api;
mod curve;
mod drawing;
mod editing;
mod encoding;
mod history;
mod inner;
mod input;
mod job;
mod jobs;
mod limits;
mod log;
mod metrics;
mod refusal;
mod request;
mod restore;
mod server;
mod settings;
mod shelf;
mod studio;
mod training;
mod watcher;
mod work;
mod worker;

pub use api::{app, document};
pub use limits::Limits;
pub use log::{Level, LogLine};
pub use server::Server;
pub use settings::{NamedModel, Settings};
pub use studio::{Studio, StudioError};
