//! What can go wrong with a package.

/// A package that is not what it should be, or a drawing that cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IconError {
    /// Other bytes than those that were published under this name and version.
    #[error("{file} is damaged, or is not {package}: {reason}")]
    AnotherFile {
        /// The file.
        file: String,
        /// What it should be.
        package: String,
        /// What differs.
        reason: String,
    },
    /// No archive, or one that is cut short, too large, or otherwise not to be read.
    #[error("{package} cannot be read: {reason}")]
    Archive {
        /// What it should be.
        package: String,
        /// What was met.
        reason: String,
    },
    /// A file of a package that says something else than it should.
    #[error("{package}: {file}: {reason}")]
    Content {
        /// The package.
        package: String,
        /// The file in it.
        file: &'static str,
        /// What is wrong, with the icon that it is wrong of.
        reason: String,
    },
    /// A drawing that is no SVG.
    #[error("the drawing `{icon}` cannot be drawn: {reason}")]
    Drawing {
        /// Style and name.
        icon: String,
        /// What was met.
        reason: String,
    },
    /// A drawing that no class is known of.
    #[error("nothing says what `{icon}` is; its category is `{category}`")]
    Unclassed {
        /// Style and name.
        icon: String,
        /// What its package says, if anything.
        category: String,
    },
    /// A size that no picture has.
    #[error("pictures have 8 to 512 pixels a side, not {size}")]
    Size {
        /// What was asked for.
        size: u32,
    },
    /// A style whose package was not read.
    #[error("the package {package} is needed, too")]
    Needed {
        /// What is missing.
        package: String,
    },
}
