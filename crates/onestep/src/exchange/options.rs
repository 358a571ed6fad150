//! What is said about an export beside the model.

use crate::data::Outputs;

/// What only the one who exports a model knows, and what may be written over.
///
/// # Examples
///
/// ```
/// use onestep::exchange::ExportOptions;
///
/// let options = ExportOptions { license: Some("apache-2.0".into()), ..ExportOptions::default() };
/// assert!(options.title.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Title of the model card; the name of what is written where there is none.
    pub title: Option<String>,
    /// Licence of the weights as catalogues write it, for example `apache-2.0`.
    pub license: Option<String>,
    /// Metrics with the way they were measured, in Markdown.
    pub metrics: Option<String>,
    /// Seed of the training run.
    pub seed: Option<u64>,
    /// What may be written over.
    pub outputs: Outputs,
}
