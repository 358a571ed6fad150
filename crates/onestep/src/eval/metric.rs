//! Metrics by name, and what is to be said with each number.

/// How the names of the network begin that FID, KID and IS are defined by.
const INCEPTION: &str = "Inception-v3 of 2015";

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Fréchet distance of the pooled features.
    Frechet,
    /// Fréchet distance of the features that know where.
    SpatialFrechet,
    /// Kernel distance.
    Kernel,
    /// Inception Score.
    InceptionScore,
    /// Precision, recall, density and coverage.
    PrecisionRecall,
    /// Which share of the images are portraits that can be drawn, and how these are distributed.
    Legal,
}

impl Metric {
    /// All of them, as they are typed.
    pub const ALL: [(&'static str, Self); 6] = [
        ("fd", Self::Frechet),
        ("sfd", Self::SpatialFrechet),
        ("kid", Self::Kernel),
        ("is", Self::InceptionScore),
        ("pr", Self::PrecisionRecall),
        ("legal", Self::Legal),
    ];

    /// Whether it looks at images one by one, and so needs their features kept.
    pub fn needs_rows(self) -> bool {
        matches!(self, Self::Kernel | Self::PrecisionRecall | Self::Legal)
    }

    /// Whether it compares images with others, and says nothing of them alone.
    pub fn needs_reference(self) -> bool {
        !matches!(self, Self::InceptionScore | Self::Legal)
    }

    /// What to call it when a network computed it: FID, KID and IS are those of the Inception of 2015 and of nothing else.
    pub fn label(self, network: &str) -> String {
        if self == Self::Legal {
            return "legal".into();
        }
        let short = network.split_whitespace().next().unwrap_or(network);
        let inception = network.starts_with(INCEPTION);
        let name = match self {
            Self::Frechet if inception => "FID",
            Self::SpatialFrechet if inception => "sFID",
            Self::Kernel if inception => "KID",
            Self::InceptionScore if inception => "IS",
            Self::Frechet => "FD",
            Self::SpatialFrechet => "sFD",
            Self::Kernel => "KD",
            Self::InceptionScore => "CS",
            Self::PrecisionRecall => "precision and recall",
            Self::Legal => "legal",
        };
        if inception { name.into() } else { format!("{name}-{short}") }
    }
}

/// One number, and what must be said with it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Score {
    /// What to call it.
    pub metric: String,
    /// The number.
    pub value: f64,
    /// Its spread over subsets or splits, where it has one.
    pub error: Option<f64>,
    /// Samples it was computed from.
    pub n: usize,
    /// Images of the other side, where there is one and their number is known.
    pub n_reference: Option<u64>,
}
