//! Where a command's output goes: a file or folder by its name, or, with `-`, standard output.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use onestep::data::ending;

use crate::failure::{Failure, Outcome, code, io_failure};
use crate::print::{self, answer};
use crate::show::ShowName;

/// Where output goes. What is meant for standard output is made as a file first, because some kinds are not written from their
/// beginning to their end.
pub struct Target {
    path: PathBuf,
    /// A folder of our own, which holds the file on its way to standard output.
    transit: Option<PathBuf>,
}

impl Target {
    /// What `--out` names: `-` is a PNG on standard output, `-.npz` an npz, and so on.
    pub fn of(out: &Path) -> Outcome<Self> {
        let Some(name) = out.to_str().filter(|name| *name == "-" || name.starts_with("-.")) else {
            return Ok(Self { path: out.to_path_buf(), transit: None });
        };
        if io::stdout().is_terminal() {
            return Err(Failure::usage(format!("--out {name} writes a file to the terminal"))
                .hint("redirect it into a file or a program, or name a file"));
        }
        if is_closed() {
            return Err(Failure::new(
                code::IO,
                format!("--out {name} writes a file to standard output, which is closed"),
            )
            .hint("redirect it into a file or a program, or name a file"));
        }
        let folder = std::env::temp_dir().join(format!("onestep-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| {
            let message = format!("cannot create the folder {}: {error}", folder.display());
            Failure::new(code::CANNOT_CREATE, message)
        })?;
        let path = folder.join("out").with_extension(ending(out).unwrap_or_else(|| "png".into()));
        Ok(Self { path, transit: Some(folder) })
    }

    /// Refuses to show pictures where a file goes.
    pub fn check_show(&self, show: Option<ShowName>) -> Outcome {
        match (&self.transit, show) {
            (Some(_), Some(_)) => Err(Failure::usage("--show writes where --out - writes a file")
                .hint("name a file with --out, or leave --show out")),
            _ => Ok(()),
        }
    }

    /// Whether what is written goes to standard output, and nowhere else.
    pub fn is_standard_output(&self) -> bool {
        self.transit.is_some()
    }

    /// The file or folder to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says where the output is, or hands it on to standard output.
    pub fn deliver(&self) -> Outcome {
        if self.transit.is_none() {
            answer!("{}", self.path.display());
            return Ok(());
        }
        let mut file = File::open(&self.path).map_err(|error| io_failure("read", &self.path, &error))?;
        print::write_file(&mut file);
        Ok(())
    }
}

/// Whether standard output was closed when the program began. What Rust opens in its place is the null device, and unlike one that
/// somebody writes to on purpose, it can be read from.
#[cfg(unix)]
fn is_closed() -> bool {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let Ok(copy) = io::stdout().as_fd().try_clone_to_owned() else { return true };
    let mut out = File::from(copy);
    let device = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| metadata.rdev()).ok();
    let null = device(fs::metadata("/dev/null"));
    null.is_some() && device(out.metadata()) == null && out.read(&mut [0]).is_ok()
}

/// Whether standard output was closed when the program began; where it cannot be told, it was not.
#[cfg(not(unix))]
fn is_closed() -> bool {
    false
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(folder) = &self.transit {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
