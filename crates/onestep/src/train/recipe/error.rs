//! What is wrong with a recipe.

/// A recipe that contradicts itself or cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The text is not TOML, or has missing, misspelt or mistyped keys.
    #[error("the recipe cannot be read: {message}")]
    Parse {
        /// What the parser says, with the line.
        message: String,
    },
    /// `--set` names a place that does not exist or is not a table.
    #[error("`{setting}` cannot be set: {reason}")]
    Setting {
        /// The setting as given.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that makes no sense, alone or beside another.
    #[error("recipe: `{key}` {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with its value, and what would be right.
        reason: String,
    },
    /// No built-in recipe of this name.
    #[error("there is no built-in recipe `{name}`")]
    Unknown {
        /// The name given.
        name: String,
    },
}
