//! The choice among a checkpoint's weights.

use std::fmt;
use std::str::FromStr;

/// Which of a checkpoint's weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// The first average, else the trained weights. Of a file: what it holds.
    #[default]
    Best,
    /// The trained weights themselves.
    Raw,
    /// The average with this label, for example `ema-0.9999`.
    Average(String),
    /// The target of a consistency loss.
    Target,
}

impl fmt::Display for Which {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Best => "best",
            Self::Raw => "raw",
            Self::Average(label) => label,
            Self::Target => "target",
        })
    }
}

impl FromStr for Which {
    type Err = std::convert::Infallible;

    /// `best`, `raw`, `target`, else the label of an average.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "best" => Self::Best,
            "raw" => Self::Raw,
            "target" => Self::Target,
            label => Self::Average(label.to_string()),
        })
    }
}
