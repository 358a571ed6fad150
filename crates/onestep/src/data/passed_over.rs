//! Files of a source that are no part of the set, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// How many names of each kind are kept, to be shown.
const MAX_NAMES: usize = 3;

/// Why a file or folder is no part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PassedOverReason {
    /// It does not look like a picture, by its ending or, without one, by its first bytes.
    NoPicture,
    /// Its name begins with a dot, or it is among what a Mac adds to its archives.
    Hidden,
    /// It is a link to something that is not there.
    BrokenLink,
    /// It is a link to a folder that it lies in.
    CircularLink,
    /// It is a device, a pipe or a socket, which is never opened.
    NoFile,
    /// The operating system refuses to read it.
    Unreadable,
}

impl PassedOverReason {
    fn of(self, n: usize) -> &'static str {
        match (self, n) {
            (Self::NoPicture, 1) => "is no picture",
            (Self::NoPicture, _) => "are no pictures",
            (Self::Hidden, 1) => "is hidden",
            (Self::Hidden, _) => "are hidden",
            (Self::BrokenLink, 1) => "is a link to nothing",
            (Self::BrokenLink, _) => "are links to nothing",
            (Self::CircularLink, 1) => "is a link to a folder it lies in",
            (Self::CircularLink, _) => "are links to folders they lie in",
            (Self::NoFile, 1) => "is a device, pipe or socket",
            (Self::NoFile, _) => "are devices, pipes or sockets",
            (Self::Unreadable, 1) => "cannot be read",
            (Self::Unreadable, _) => "cannot be read",
        }
    }
}

/// The files and folders that are passed over for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PassedOverGroup {
    /// How many there are.
    pub n: usize,
    /// What the first of them are called.
    pub first: Vec<String>,
}

/// The files and folders of a source that are no part of the set, counted by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver {
    groups: BTreeMap<PassedOverReason, PassedOverGroup>,
}

impl PassedOver {
    pub(super) fn add(&mut self, reason: PassedOverReason, name: impl Into<String>) {
        let group = self.groups.entry(reason).or_default();
        group.n += 1;
        if group.first.len() < MAX_NAMES {
            group.first.push(name.into());
        }
    }

    pub(super) fn add_all(&mut self, others: &Self) {
        for (&reason, others) in &others.groups {
            let group = self.groups.entry(reason).or_default();
            group.n += others.n;
            let room = MAX_NAMES - group.first.len();
            group.first.extend(others.first.iter().take(room).cloned());
        }
    }

    /// How many there are of all kinds.
    pub fn n(&self) -> usize {
        self.groups.values().map(|group| group.n).sum()
    }

    /// Each kind that there is.
    pub fn groups(&self) -> impl Iterator<Item = (PassedOverReason, &PassedOverGroup)> {
        self.groups.iter().map(|(&reason, group)| (reason, group))
    }
}

impl fmt::Display for PassedOver {
    /// `2 are no pictures (a.txt, b.md); 1 is hidden (.DS_Store)`; `none` where there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.groups.is_empty() {
            return f.write_str("none");
        }
        for (place, (reason, group)) in self.groups().enumerate() {
            let separator = if place > 0 { "; " } else { "" };
            let more = if group.n > group.first.len() { ", ..." } else { "" };
            write!(f, "{separator}{} {} ({}{more})", group.n, reason.of(group.n), group.first.join(", "))?;
        }
        Ok(())
    }
}

impl Serialize for PassedOver {
    /// A number and the first names for each reason.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.groups.serialize(serializer)
    }
}

/// Whether one part of a path is hidden, or among what a Mac adds to its archives.
pub(super) fn is_hidden(part: &str) -> bool {
    part.starts_with('.') || part == "__MACOSX"
}
