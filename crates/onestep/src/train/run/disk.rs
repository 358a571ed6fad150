//! Room for the checkpoints of a run, looked at before it begins.

use std::path::Path;

use crate::checkpoint::CheckpointError;

/// Checkpoints of a run and the room that there is for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskForecast {
    /// Bytes of one checkpoint.
    pub checkpoint: u64,
    /// How many there will be at a time: those that are kept, and one that is being written.
    pub n_checkpoints: u64,
    /// Bytes that may still be written where they will be; none where the system does not say.
    pub available: Option<u64>,
}

impl DiskForecast {
    /// Bytes of all of them.
    pub fn needed(&self) -> u64 {
        self.checkpoint.saturating_mul(self.n_checkpoints)
    }

    /// Whether one fits and all of them do not; worth a warning.
    pub fn is_short(&self) -> bool {
        self.available.is_some_and(|available| available < self.needed())
    }

    /// Refuses a disk that has no room for a single one.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::DiskFull`].
    pub(super) fn check(&self, folder: &Path) -> Result<(), CheckpointError> {
        match self.available {
            Some(available) if available < self.checkpoint => Err(CheckpointError::DiskFull {
                path: folder.to_path_buf(),
                needed: self.checkpoint,
                available: Some(available),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_checkpoint_must_fit_and_all_should() {
        let forecast = |available| DiskForecast { checkpoint: 100, n_checkpoints: 3, available };
        for (available, short, refused) in [
            (None, false, false),
            (Some(300), false, false),
            (Some(299), true, false),
            (Some(99), true, true),
        ] {
            let disk = forecast(available);
            assert_eq!(
                (disk.is_short(), disk.check(Path::new("run")).is_err()),
                (short, refused),
                "{available:?}"
            );
        }
        let error = forecast(Some(99)).check(Path::new("run")).unwrap_err();
        assert!(
            matches!(error, CheckpointError::DiskFull { needed: 100, available: Some(99), .. }),
            "{error}"
        );
    }
}
