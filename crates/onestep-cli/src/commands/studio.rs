//! `onestep studio`: a page and an API, until somebody stops it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use onestep_studio::{Level, Limits, LogLine, NamedModel, Server, Settings, Studio, StudioError};

use crate::args::{LogName, StudioArgs};
use crate::failure::{Failure, Outcome, code, io_failure};
use crate::print::{answer, say};
use crate::signals::StopFlag;
use crate::{device, memory};

/// The variable that holds the token.
const TOKEN: &str = "ONESTEP_TOKEN";

/// The shortest token that nobody guesses.
const TOKEN_LENGTH: usize = 16;

/// Runs the command.
pub fn run(args: &StudioArgs, quiet: bool) -> Outcome<ExitCode> {
    let stop = StopFlag::listen()?;
    if !(args.memory.is_finite() && args.memory > 0.0) {
        return Err(Failure::usage(format!(
            "--memory takes a number of gigabytes above 0, not {}",
            args.memory
        )));
    }
    let log = args.log;
    let settings = Settings {
        models: args.models.iter().map(|model| named(model)).collect::<Outcome<_>>()?,
        runs: Some(args.runs.clone()),
        state: args.state.clone().or_else(state).unwrap_or_else(|| "studio".into()),
        token: token(args.token_file.as_deref())?,
        hosts: args.hosts.clone(),
        limits: Limits { model_bytes: (args.memory * 1e9) as u64, ..Limits::default() },
        device: device::open(args.device)?,
        available_memory: memory::available(),
        log: Arc::new(move |line: &LogLine| write(log, line)),
    };
    let address = SocketAddr::new(args.listen, args.port);
    let kept = settings.state.clone();
    let studio = Studio::open(settings)?;
    let server = Server::bind(address, studio)?;
    let url = format!("http://{}", server.address());
    answer!("{url}");
    if !quiet {
        say!("the studio is open; Ctrl-C closes it. What it makes is kept in {}", kept.display());
    }
    let seen = std::io::stderr().is_terminal() && args.listen.is_loopback();
    if seen && !args.no_browser {
        browse(&url);
    }
    stop.heed(
        quiet,
        "closing; what is being made is finished or given up, and a training run is saved ...",
        || {
            "ended at once; pictures that were finished are kept, and a training run has its last checkpoint"
                .into()
        },
    );
    server.run(move || stop.is_set())?;
    Ok(ExitCode::SUCCESS)
}

/// A model as it was typed.
fn named(typed: &str) -> Outcome<NamedModel> {
    let (name, path) = match typed.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(typed);
            let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
            (stem.unwrap_or_default().to_string_lossy().into_owned(), path)
        }
    };
    if name.is_empty() || path.as_os_str().is_empty() {
        return Err(Failure::usage(format!("--model takes NAME=PATH, not `{typed}`")));
    }
    Ok(NamedModel { name, path })
}

/// The token of a file, or of the environment.
fn token(file: Option<&Path>) -> Outcome<Option<String>> {
    let token = match file {
        Some(file) => Some(std::fs::read_to_string(file).map_err(|error| io_failure("read", file, &error))?),
        None => std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
    };
    match token.map(|token| token.trim().to_owned()) {
        Some(token) if token.len() < TOKEN_LENGTH => Err(Failure::usage(format!(
            "the token has {} letters; it needs {TOKEN_LENGTH} or more",
            token.len()
        ))
        .hint("openssl rand -hex 16 > token makes one")),
        token => Ok(token),
    }
}

/// `$XDG_STATE_HOME/onestep/studio`, or `~/.local/state/onestep/studio`.
fn state() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME").or_else(|| set("LOCALAPPDATA"))?.join(".local/state")));
    root.map(|root| root.join("onestep").join("studio"))
}

/// Opens the page, where there is something to show it.
fn browse(url: &str) {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) => return,
        _ => ("xdg-open", &[]),
    };
    // Whoever has no browser has the address.
    let _ = Command::new(program)
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}

fn write(log: LogName, line: &LogLine) {
    match log {
        LogName::Json => {
            if let Ok(line) = serde_json::to_string(line) {
                say!("{line}");
            }
        }
        LogName::Errors if line.level == Level::Info => {}
        _ => {
            let request = line.request.as_ref().map_or_else(String::new, |id| format!(" [{id}]"));
            say!("{}{request}", line.message);
        }
    }
}

impl From<StudioError> for Failure {
    fn from(error: StudioError) -> Self {
        match error {
            StudioError::Library(error) => Self::from(error),
            StudioError::NoToken { .. } => Self::usage(error)
                .hint("put one into a file, --token-file token; openssl rand -hex 16 > token makes one")
                .hint("or leave --listen out: the page is for this machine alone then"),
            StudioError::Listen { address, source } => {
                Self::new(code::CANNOT_CREATE, format!("cannot listen on {address}: {source}"))
                    .hint("choose another port: --port 0 takes any that is free")
            }
            StudioError::Folder { path, source } => Self::new(
                code::CANNOT_CREATE,
                format!("cannot create the folder {}: {source}", path.display()),
            )
            .hint("choose another with --state"),
            other => Self::new(code::INTERNAL, other),
        }
    }
}
