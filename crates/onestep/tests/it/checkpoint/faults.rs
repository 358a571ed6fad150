//! A disk that fails when it is told to, under the code that runs in production.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use onestep::checkpoint::{Disk, Storage, StoredFile};
use onestep::noise::{Purpose, Stream};

/// What happens at the moment of the fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The process is gone: nothing more is done, not even tidying up. Data in flight are written in part.
    Kill,
    /// As `Kill`, and the machine loses power: what was not forced to disk may be lost.
    PowerCut,
    /// Writing fails with this error from then on; everything else goes on working.
    Writes(io::ErrorKind),
    /// Forcing to disk fails from then on.
    Syncs,
    /// Renaming fails from then on.
    Renames,
    /// Creating fails from then on for lack of permission.
    Permission,
}

/// A [`Storage`] that does what [`Disk`] does until its budget is spent.
///
/// Each operation costs one unit and each byte written another, so that a fault can strike between any two.
#[derive(Debug, Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    fault: Fault,
    budget: u64,
    spent: u64,
    available: Option<u64>,
    /// Bytes of files that were written but not forced to disk.
    unsynced: BTreeMap<PathBuf, u64>,
    /// Renames whose folder was not forced to disk, with the contents of a file that was replaced.
    renames: Vec<(PathBuf, PathBuf, Option<Vec<u8>>)>,
    stream: Stream,
}

impl FaultyDisk {
    /// A disk whose fault strikes after `budget` units; `seed` decides what a loss of power destroys.
    pub fn new(fault: Fault, budget: u64, seed: u64) -> Self {
        let stream = Stream::new(seed, Purpose::Initialize, 7, budget);
        Self(Arc::new(Mutex::new(State {
            fault,
            budget,
            spent: 0,
            available: None,
            unsynced: BTreeMap::new(),
            renames: Vec::new(),
            stream,
        })))
    }

    /// A disk that works, to find out what a save costs.
    pub fn reliable() -> Self {
        Self::new(Fault::Kill, u64::MAX, 0)
    }

    /// The same disk claiming to have so many bytes left.
    pub fn with_available(self, bytes: u64) -> Self {
        self.0.lock().unwrap().available = Some(bytes);
        self
    }

    /// Units spent so far.
    pub fn spent(&self) -> u64 {
        self.0.lock().unwrap().spent
    }

    /// Whether the fault has struck.
    pub fn has_struck(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.spent >= state.budget
    }

    /// Does to the files what a loss of power would: cuts unsynced ones short, undoes unsynced renames, at random.
    pub fn lose_power(&self) {
        let mut state = self.0.lock().unwrap();
        let renames = std::mem::take(&mut state.renames);
        // Journals keep the order of names: if one rename is lost, so are all later ones in this model.
        let n_kept = (state.stream.uniform() * (renames.len() + 1) as f64) as usize;
        for (from, to, replaced) in renames.into_iter().skip(n_kept).rev() {
            std::fs::rename(&to, &from).unwrap();
            if let Some(contents) = replaced {
                std::fs::write(&to, contents).unwrap();
            }
        }
        for (path, length) in std::mem::take(&mut state.unsynced) {
            let kept = (state.stream.uniform() * (length + 1) as f64) as u64;
            if let Ok(file) = std::fs::OpenOptions::new().write(true).open(&path) {
                file.set_len(kept).unwrap();
            }
        }
    }

    /// Spends up to `units`; returns how many were left to spend, and the fault if it strikes now or has before.
    fn spend(&self, units: u64) -> (u64, Option<Fault>) {
        let mut state = self.0.lock().unwrap();
        let left = (state.budget - state.spent).min(units);
        state.spent += left;
        (left, (left < units).then_some(state.fault))
    }

    /// Spends one unit on an operation that `fails` for some faults; a dead process fails at everything.
    fn operation(&self, fails: impl FnOnce(Fault) -> Option<io::ErrorKind>) -> io::Result<()> {
        match self.spend(1).1 {
            Some(Fault::Kill | Fault::PowerCut) => Err(io::Error::other("the process is dead")),
            Some(fault) => fails(fault).map_or(Ok(()), |kind| Err(kind.into())),
            None => Ok(()),
        }
    }
}

/// Creating fails for lack of permission.
fn permission(fault: Fault) -> Option<io::ErrorKind> {
    (fault == Fault::Permission).then_some(io::ErrorKind::PermissionDenied)
}

impl Storage for FaultyDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.operation(permission)?;
        Disk.create_folder(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        self.operation(permission)?;
        self.0.lock().unwrap().unsynced.insert(path.to_path_buf(), 0);
        Ok(Box::new(FaultyFile {
            file: Disk.create_file(path)?,
            path: path.to_path_buf(),
            disk: self.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operation(|fault| (fault == Fault::Renames).then_some(io::ErrorKind::Other))?;
        let replaced = std::fs::read(to).ok();
        Disk.rename(from, to)?;
        let mut state = self.0.lock().unwrap();
        let unsynced = std::mem::take(&mut state.unsynced);
        let moved = |path: PathBuf| path.strip_prefix(from).map(|rest| to.join(rest)).unwrap_or(path);
        state.unsynced = unsynced.into_iter().map(|(path, length)| (moved(path), length)).collect();
        state.renames.push((from.to_path_buf(), to.to_path_buf(), replaced));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.operation(|fault| (fault == Fault::Syncs).then_some(io::ErrorKind::Other))?;
        self.0.lock().unwrap().renames.retain(|(_, to, _)| to.parent() != Some(path));
        Disk.sync_folder(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.operation(|_| None)?;
        self.0.lock().unwrap().unsynced.remove(path);
        Disk.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        // A removal that lasts makes the renames before it last: journals keep the order.
        self.0.lock().unwrap().renames.clear();
        // A folder is removed file by file, and a process can die in between.
        for entry in std::fs::read_dir(path)? {
            self.operation(|_| None)?;
            std::fs::remove_file(entry?.path())?;
        }
        self.0.lock().unwrap().unsynced.retain(|file, _| !file.starts_with(path));
        Disk.remove_folder(path)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        match self.0.lock().unwrap().available {
            Some(bytes) => Ok(bytes),
            None => Disk.available_bytes(path),
        }
    }
}

struct FaultyFile {
    file: Box<dyn StoredFile>,
    path: PathBuf,
    disk: FaultyDisk,
}

impl Write for FaultyFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (left, fault) = self.disk.spend(buffer.len() as u64);
        let n = match fault {
            None => buffer.len(),
            Some(Fault::Kill | Fault::PowerCut) => {
                self.file.write_all(&buffer[..left as usize])?;
                return Err(io::Error::other("the process is dead"));
            }
            Some(Fault::Writes(kind)) => {
                self.file.write_all(&buffer[..left as usize])?;
                return Err(kind.into());
            }
            Some(_) => buffer.len(),
        };
        self.file.write_all(&buffer[..n])?;
        *self.disk.0.lock().unwrap().unsynced.entry(self.path.clone()).or_default() += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl StoredFile for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.operation(|fault| (fault == Fault::Syncs).then_some(io::ErrorKind::Other))?;
        self.disk.0.lock().unwrap().unsynced.remove(&self.path);
        self.file.sync()
    }
}
