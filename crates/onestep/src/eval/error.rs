/// What can be wrong with an evaluation, each with the thing it concerns and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Images that a feature network cannot look at.
    #[error("{network} looks at RGB images of one size, got {got}")]
    Images {
        /// The feature network.
        network: String,
        /// What was there instead.
        got: String,
    },
    /// A setting outside its range.
    #[error("{setting} {reason}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What it must be, and what it was.
        reason: String,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
}
