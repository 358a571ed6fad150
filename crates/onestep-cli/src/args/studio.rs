//! Options of `studio`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{DeviceChoice, DeviceParser};

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogName {
    /// What goes wrong, in words.
    #[default]
    Errors,
    /// Every request, in words.
    All,
    /// Every request, one line of JSON each.
    Json,
}

/// Options of `studio`.
#[derive(Debug, Args)]
pub struct StudioArgs {
    /// A model beside those that come along: NAME=PATH, or a path whose last part becomes the name. The first is the usual one.
    #[arg(short, long = "model", value_name = "NAME=PATH")]
    pub models: Vec<String>,
    /// The folder of runs: their models can be drawn from, and new runs begin there.
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    pub runs: PathBuf,
    /// Where pictures are kept; by default in the user's state folder.
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// The port to listen on; 0 is any that is free, and it is said which.
    #[arg(short, long, default_value_t = 7860)]
    pub port: u16,
    /// The address to listen on. One that other machines can reach needs a token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// A file with the token that every request has to show; ONESTEP_TOKEN does the same.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A name that the server may be called by, such as that of a proxy before it.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Gigabytes of memory for open models; the one that was asked longest ago is closed first.
    #[arg(long, value_name = "GB", default_value_t = 4.0)]
    pub memory: f64,
    /// What is written to standard error.
    #[arg(long, value_enum, default_value_t)]
    pub log: LogName,
    /// Do not open a browser.
    #[arg(long)]
    pub no_browser: bool,
    /// Where to compute.
    #[arg(long, value_name = "NAME[:N]", value_parser = DeviceParser, default_value_t)]
    pub device: DeviceChoice,
}
