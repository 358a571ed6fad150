//! In which precision a model computes, and a drawing goes on.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::sample_folder::RECORD;
use super::{DefiniteDraw, DrawRecord, EditRecord, Model, ReopenedEdit};
use crate::model::{Precision, PrecisionChoice, ReplacedPrecision};

impl Model {
    /// What the products of its network are computed in, which records say; none for a denoiser of one's own.
    pub fn precision(&self) -> Option<Precision> {
        self.network().map(|network| network.weights().precision())
    }
}

impl DefiniteDraw<'_> {
    /// What the products of the network are computed in; none for a denoiser of one's own.
    pub fn precision(&self) -> Option<Precision> {
        self.model().precision()
    }

    /// The drawing with its record, in the precision that it was begun in: where the folder at `path` holds a part of what the
    /// record makes, but in another precision, it is that one, if it can be computed here. This is for drawings whose precision
    /// nobody named; a [`SampleWriter`](super::SampleWriter) refuses to mix two.
    #[must_use]
    pub fn going_on(self, record: DrawRecord, path: &Path) -> (Self, DrawRecord) {
        let begun = record
            .begun_in(path)
            .filter(|&begun| PrecisionChoice::from(begun).on(self.model().device()) == begun);
        match begun {
            Some(precision) => (self.in_precision(precision), DrawRecord { precision, ..record }),
            None => (self, record),
        }
    }
}

impl DrawRecord {
    /// What a device computes in the place of the precision that the samples were drawn in; they come out with other bits then.
    pub fn replaced_precision(&self, device: &Device) -> Option<ReplacedPrecision> {
        PrecisionChoice::from(self.precision).replaced_on(device)
    }

    /// The precision in which a folder, or the parts of an npz, hold what this record makes, or a part of it; none if they hold nothing
    /// of the kind.
    fn begun_in(&self, folder: &Path) -> Option<Precision> {
        let parts = || Self::read(&parts_of(folder)?.join(RECORD));
        let there = Self::read(&folder.join(RECORD)).or_else(parts)?;
        self.draws_alike(&there).then_some(there.precision)
    }
}

impl ReopenedEdit {
    /// What is computed in the place of the precision that the pictures were made in; they come out with other bits then.
    pub fn replaced_precision(&self) -> Option<ReplacedPrecision> {
        let EditRecord { model, teacher, .. } = &self.record;
        let mut files = model.iter().chain(teacher);
        files.find_map(|file| PrecisionChoice::from(file.precision).replaced_on(self.model.device()))
    }
}

/// Where the parts of an npz are.
fn parts_of(path: &Path) -> Option<PathBuf> {
    #[cfg(feature = "formats")]
    return Some(super::sample_parts::SampleParts::folder_of(path));
    #[cfg(not(feature = "formats"))]
    return None;
}
