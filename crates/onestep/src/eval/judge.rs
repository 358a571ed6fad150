//! Judging: a feature network, a protocol, metrics, and what they say of images.

use std::path::PathBuf;
use std::sync::OnceLock;

use burn::tensor::Device;

use super::collection::{Collection, Subject};
use super::comparison::Comparison;
use super::features::{self, BUILTIN, OpenOptions, PORTRAITS};
use super::images::{AskedClasses, Images};
use super::metric::Metric;
use super::protocol::Protocol;
use super::reference::Reference;
use super::score::{accuracy, check_metrics};
use super::{EvalError, FeatureNetwork};
use crate::Result;
use crate::observer::Observer;

/// Images that the network sees together where nobody says.
const BATCH: usize = 16;

/// What looks at images, by which rules, and what is measured.
///
/// Without more, the built-in network measures a Fréchet distance by the plain protocol.
///
/// # Examples
///
/// ```
/// use onestep::data::{self, DataSpec};
/// use onestep::eval::{Judge, Metric, Stored, Selection};
///
/// let emoji = || data::open(&DataSpec::new("builtin:emoji"));
/// let even = Stored::new(emoji()?, "emoji", Selection::Numbers((0..20).step_by(2).collect()))?;
/// let odd = Stored::new(emoji()?, "emoji", Selection::Numbers((1..20).step_by(2).collect()))?;
/// let judge = Judge::new().metrics([Metric::Frechet, Metric::PrecisionRecall]);
/// let comparison = judge.compare(&even, &odd, &mut ())?.expect("nobody stops it");
/// assert_eq!(comparison.scores[0].metric, "FD-EffNetLite0");
/// assert_eq!(comparison.warnings.len(), 2); // 10 images are too few for 1280 features
/// # Ok::<(), onestep::Error>(())
/// ```
pub struct Judge {
    features: Option<String>,
    network: OnceLock<Box<dyn FeatureNetwork>>,
    protocol: Protocol,
    metrics: Vec<Metric>,
    cache: Option<PathBuf>,
    device: Device,
    pub(super) batch: usize,
    fewer: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            features: None,
            network: OnceLock::new(),
            protocol: Protocol::default(),
            metrics: vec![Metric::Frechet],
            cache: None,
            device: Device::flex(),
            batch: BATCH,
            fewer: false,
        }
    }
}

impl Judge {
    /// The built-in network, the plain protocol, a Fréchet distance.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks with this network: a name or a file, as [`features::open`] takes them. Without it, the built-in network looks, and where
    /// nothing but legality is measured, what knows portraits. It is opened when something has to be
    /// looked at, and not before.
    #[must_use]
    pub fn features(mut self, name: &str) -> Self {
        (self.features, self.network) = (Some(name.into()), OnceLock::new());
        self
    }

    /// Looks with a network of one's own.
    #[must_use]
    pub fn looking_with(mut self, network: impl FeatureNetwork + 'static) -> Self {
        self.network = OnceLock::from(Box::new(network) as Box<dyn FeatureNetwork>);
        self
    }

    /// Goes by these rules.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Measures these, each once.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.metrics.clear();
        for metric in metrics {
            if !self.metrics.contains(&metric) {
                self.metrics.push(metric);
            }
        }
        self
    }

    /// Looks for the weights of networks that do not come with the library in this folder.
    #[must_use]
    pub fn cache(mut self, folder: Option<PathBuf>) -> Self {
        self.cache = folder;
        self
    }

    /// Looks on this device.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// Lets the network see so many images together, which does not change what it sees.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Takes fewer images than the protocol's numbers are computed from.
    #[must_use]
    pub fn fewer(mut self, fewer: bool) -> Self {
        self.fewer = fewer;
        self
    }

    /// The rules.
    pub fn rules(&self) -> &Protocol {
        &self.protocol
    }

    /// What is measured.
    pub fn measures(&self) -> &[Metric] {
        &self.metrics
    }

    /// The network that looks.
    ///
    /// # Errors
    ///
    /// As [`features::open`].
    pub fn network(&self) -> Result<&dyn FeatureNetwork, EvalError> {
        if self.network.get().is_none() {
            let options = OpenOptions {
                resize: self.protocol.resize,
                cache: self.cache.as_deref(),
                device: &self.device,
            };
            // Only what knows portraits can say whether they are legal.
            let is_legality =
                !self.metrics.is_empty() && self.metrics.iter().all(|&metric| metric == Metric::Legal);
            let usual = if is_legality { PORTRAITS } else { BUILTIN };
            let _ = self.network.set(features::open(self.features.as_deref().unwrap_or(usual), &options)?);
        }
        Ok(self.network.get().expect("just set").as_ref())
    }

    /// Refuses fewer samples than the protocol's numbers are computed from, unless told to take them.
    ///
    /// # Errors
    ///
    /// [`EvalError::TooFew`].
    pub fn check_count(&self, n: usize) -> Result<(), EvalError> {
        if self.fewer { Ok(()) } else { self.protocol.check_count(n) }
    }

    /// Refuses metrics that cannot come of so many samples, before images are drawn for them.
    ///
    /// # Errors
    ///
    /// As [`check_metrics`] and [`Judge::network`].
    pub fn check_metrics(&self, n: usize) -> Result<(), EvalError> {
        let network = self.network()?;
        check_metrics(&self.metrics, network.name(), network.widths(), n, self.protocol.neighbors)
    }

    /// What a collection of these images is of, seen by this network, with as much kept as the metrics need.
    ///
    /// # Errors
    ///
    /// As [`Images::identity`] and [`Judge::network`].
    pub fn subject(&self, images: &dyn Images) -> Result<Subject> {
        let network = self.network()?;
        let identity = images.identity(self.protocol.rounding)?.unwrap_or_default();
        let subject = Subject::new(network, identity, images.n_images(), &self.protocol, self.kept());
        Ok(Subject { size: images.size(), ..subject })
    }

    /// How many images are to be kept one by one.
    pub(super) fn kept(&self) -> usize {
        if self.metrics.iter().any(|metric| metric.needs_rows()) { self.protocol.kept } else { 0 }
    }

    /// What the metrics say of samples that are all collected, beside a reference.
    ///
    /// # Errors
    ///
    /// As [`score`](super::score()) and [`Reference::floor`].
    pub fn judge(&self, samples: &Collection, reference: &Reference) -> Result<Comparison, EvalError> {
        Comparison::new(&self.metrics, samples, reference)
    }

    /// The same of samples that were asked to be of classes: legality says how many of them are, where the classes are the values of
    /// an attribute.
    ///
    /// # Errors
    ///
    /// As [`Judge::judge`].
    pub fn judge_asked(
        &self,
        samples: &Collection,
        reference: &Reference,
        classes: Option<&AskedClasses>,
    ) -> Result<Comparison, EvalError> {
        let mut comparison = self.judge(samples, reference)?;
        if let (Some(classes), true) = (classes, self.metrics.contains(&Metric::Legal)) {
            comparison.scores.extend(accuracy(samples, classes)?);
        }
        Ok(comparison)
    }

    /// What the metrics say of some images beside others; none if the observer wants to stop before the end.
    ///
    /// The observer is told of the samples first, then of the reference, each by itself.
    ///
    /// # Errors
    ///
    /// As [`Judge::check_count`], [`Judge::check_metrics`], [`Judge::collect_all`] and [`Judge::judge`].
    pub fn compare(
        &self,
        samples: &dyn Images,
        reference: &dyn Images,
        observer: &mut dyn Observer,
    ) -> Result<Option<Comparison>> {
        self.check_count(samples.n_images())?;
        self.check_metrics(samples.n_images())?;
        let settled = samples.settled()?;
        let classes = settled.as_deref().unwrap_or(samples).classes();
        let Some(samples) = self.collect_all(settled.as_deref().unwrap_or(samples), observer)? else {
            return Ok(None);
        };
        let Some(reference) = self.collect_all(reference, observer)? else { return Ok(None) };
        let reference = Reference::collected(&reference, &self.protocol)?;
        Ok(Some(self.judge_asked(&samples, &reference, classes.as_ref())?))
    }
}

/// The Fréchet distance of two sets of images, as the built-in network sees them, by the plain protocol.
///
/// It is not FID, which is what Inception sees, and it is comparable at equal numbers of images only; [`Judge`] is the same
/// with another network, other rules and metrics, watched and stopped.
///
/// # Errors
///
/// [`EvalError::Metric`] for less than two images, and whatever reading, drawing or looking meets.
///
/// # Source
///
/// As [`FrechetReference::distance`](super::FrechetReference::distance).
///
/// # Examples
///
/// ```no_run
/// use onestep::{data, eval};
/// let model = onestep::open("runs/emoji-cd")?;
/// let photos = data::open(&data::DataSpec::new("photos"))?;
/// let distance = eval::frechet(&model.draw().seeds(0..2000), &photos)?;
/// # Ok::<(), onestep::Error>(())
/// ```
pub fn frechet(a: &dyn Images, b: &dyn Images) -> Result<f64> {
    let comparison = Judge::new().compare(a, b, &mut ())?;
    Ok(comparison
        .and_then(|comparison| comparison.scores.first().map(|score| score.value))
        .expect("one score"))
}
