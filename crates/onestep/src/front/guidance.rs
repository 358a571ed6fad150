//! Which guidance a model takes, and the model at a scale.

use std::sync::Arc;

use super::Model;
use crate::checkpoint::ModelHeader;
use crate::model::{AtScale, Denoiser, GuidanceRange, Guided, ModelKind, Preconditioned};
use crate::sample::SampleError;

/// What a guidance scale does to a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Guidance {
    /// Its estimates with class and without are mixed: two evaluations of the network.
    Mixed,
    /// It was distilled at these scales; the network is told one where there are several.
    Distilled {
        /// The scales.
        range: GuidanceRange,
        /// Whether the network is told.
        told: bool,
    },
    /// It is a diffusion model whose null class nobody has trained.
    Untrained,
    /// It makes images in few steps and was distilled without guidance.
    Plain,
    /// It knows no classes.
    Classless,
}

impl Guidance {
    /// What a network takes that came from nowhere or from a file with this header.
    pub fn of(network: &Preconditioned, kind: ModelKind, header: Option<&ModelHeader>) -> Self {
        let told = network.network().takes_guidance();
        if network.network().n_classes().is_none() {
            return Self::Classless;
        }
        match (header.and_then(|header| header.guidance), kind) {
            (Some(range), _) => Self::Distilled { range, told },
            (None, ModelKind::Diffusion) if header.is_none_or(ModelHeader::knows_null_class) => Self::Mixed,
            (None, ModelKind::Diffusion) => Self::Untrained,
            (None, _) => Self::Plain,
        }
    }

    /// The scale where nobody chooses; none for a model that is not guided then.
    pub fn usual(self) -> Option<f64> {
        match self {
            Self::Distilled { range, .. } => Some(range.usual()),
            _ => None,
        }
    }

    /// Refuses a scale that the model does not take.
    fn check(self, scale: f64) -> Result<(), SampleError> {
        match self {
            _ if !(0.0 <= scale && scale.is_finite()) => Err(SampleError::GuidanceScale { scale }),
            Self::Distilled { range, .. } if !range.contains(scale) => {
                let GuidanceRange { low, high } = range;
                Err(SampleError::GuidanceOutside { scale, low, high })
            }
            Self::Mixed | Self::Distilled { .. } => Ok(()),
            Self::Untrained => Err(SampleError::NullClassUntrained),
            Self::Plain => Err(SampleError::NotToldGuidance),
            Self::Classless => Err(SampleError::GuidanceWithoutClasses),
        }
    }

    /// What draws at a scale.
    pub fn denoiser(
        self,
        network: &Arc<Preconditioned>,
        scale: Option<f64>,
    ) -> Arc<dyn Denoiser + Send + Sync> {
        let network = network.clone();
        match (self, scale) {
            (Self::Mixed, Some(scale)) => Arc::new(AtScale { model: Guided(network), scale }),
            (Self::Distilled { told: true, .. }, Some(scale)) => Arc::new(AtScale { model: network, scale }),
            _ => network,
        }
    }
}

impl Model {
    /// The same model by classifier-free guidance at a scale, D_u + scale·(D_c - D_u) with D_c its estimate for the class and D_u
    /// for none: 1 is the model itself, 0 the model without class, and above 1 the class is exaggerated. A diffusion model takes
    /// any scale and is evaluated twice for each estimate; a model that was distilled from a guided one takes those that it was
    /// distilled at, at the cost of one evaluation.
    ///
    /// # Errors
    ///
    /// [`SampleError`] for a scale that is negative or not among those of the model, and for a model without classes, one whose
    /// training had no samples without class, and one that was distilled without guidance.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let model = onestep::open("runs/emoji-edm")?.guided(2.0)?;
    /// let samples = model.draw().seeds(0..8).run()?;
    /// # Ok::<(), onestep::Error>(())
    /// ```
    pub fn guided(&self, scale: f64) -> Result<Self, SampleError> {
        self.takes_guidance.check(scale)?;
        Ok(self.at_guidance(Some(scale)))
    }

    /// The guidance scale that it draws at; none for a model that is not guided.
    pub fn guidance(&self) -> Option<f64> {
        self.guidance
    }

    /// The guidance scales that it was distilled at; none for a model that was not distilled from a guided one.
    pub fn guidance_range(&self) -> Option<GuidanceRange> {
        match self.takes_guidance {
            Guidance::Distilled { range, .. } => Some(range),
            _ => None,
        }
    }

    /// Evaluations of the network for one estimate: 2 where estimates with class and without are mixed.
    pub fn evaluations(&self) -> usize {
        match (self.takes_guidance, self.guidance) {
            (Guidance::Mixed, Some(scale)) if scale != 0.0 && scale != 1.0 => 2,
            _ => 1,
        }
    }

    /// The same model at a scale that it takes.
    pub(super) fn at_guidance(&self, guidance: Option<f64>) -> Self {
        let mut other = self.clone();
        if let Some(network) = &self.network {
            other.denoiser = self.takes_guidance.denoiser(network, guidance);
            other.guidance = guidance;
        }
        other
    }
}
