//! What samples are compared with: published statistics, images, or what was collected of them earlier.

use std::path::Path;

use super::EvalError;
use super::collection::Collection;
use super::frechet::FrechetReference;
use super::images::check_images;
use super::metric::{Metric, Score};
use super::protocol::Protocol;
use super::rows::Rows;
use super::statistics::Statistics;
use crate::data::{self, DataSpec, Dataset, npz};
use crate::size::ImageSize;

/// Where a comparison's other side comes from.
pub enum Source {
    /// Means and covariances that somebody published.
    Published(Box<Published>),
    /// What [`Collection::save`] wrote.
    Collected(Box<Collection>),
    /// Images that a network has yet to see.
    Images(Box<dyn Dataset>),
}

/// Published statistics.
pub struct Published {
    /// Of the pooled features.
    pub pooled: Statistics,
    /// Of the features that know where.
    pub spatial: Option<Statistics>,
    /// Some of the images, for precision and recall.
    pub images: Option<Box<dyn Dataset>>,
}

/// The other side of a comparison, as far as it is known, with the network that saw it and the rules that it goes by.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The network that saw it, by its full name; none where nobody says, as in published statistics.
    pub network: Option<String>,
    /// The rules that its numbers are made by.
    pub protocol: Protocol,
    /// Of the pooled features.
    pub pooled: Option<FrechetReference>,
    /// Of the features that know where.
    pub spatial: Option<FrechetReference>,
    /// Features one by one.
    pub rows: Option<Rows>,
    /// Number of images behind the statistics, where it is known.
    pub n: Option<u64>,
    /// Height and width of these images, where it is known.
    pub size: Option<ImageSize>,
    /// Of each half, where the images are at hand.
    pub halves: Option<[Statistics; 2]>,
}

impl Reference {
    /// No other side: enough for what samples tell alone, the Inception Score.
    pub fn none(protocol: &Protocol) -> Self {
        Self {
            network: None,
            protocol: *protocol,
            pooled: None,
            spatial: None,
            rows: None,
            n: None,
            size: None,
            halves: None,
        }
    }

    /// Published statistics, and the features of those images that lie beside them, if they were collected.
    ///
    /// # Errors
    ///
    /// As [`FrechetReference::new`].
    pub fn published(
        published: &Published,
        images: Option<&Collection>,
        protocol: &Protocol,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            network: images.map(|images| images.subject().network.clone()),
            protocol: *protocol,
            pooled: Some(FrechetReference::new(&published.pooled)?),
            spatial: published.spatial.as_ref().map(FrechetReference::new).transpose()?,
            rows: images.map(Collection::rows).transpose()?.filter(|rows| rows.n() > 0),
            n: published.pooled.n(),
            size: images.and_then(|images| images.subject().size),
            halves: None,
        })
    }

    /// All that was collected of some images.
    ///
    /// # Errors
    ///
    /// As [`Collection::statistics`].
    pub fn collected(collection: &Collection, protocol: &Protocol) -> Result<Self, EvalError> {
        collection.check_whole()?;
        let statistics = collection.statistics(protocol.divisor)?;
        let spatial = collection.spatial_statistics(protocol.divisor)?;
        let halves =
            if collection.subject().n >= 4 { Some(collection.halves(protocol.divisor)?) } else { None };
        Ok(Self {
            network: Some(collection.subject().network.clone()),
            protocol: *protocol,
            pooled: Some(FrechetReference::new(&statistics)?),
            spatial: spatial.as_ref().map(FrechetReference::new).transpose()?,
            rows: Some(collection.rows()?).filter(|rows| rows.n() > 0),
            n: statistics.n(),
            size: collection.subject().size,
            halves,
        })
    }

    /// The Fréchet distance between the halves of the reference, each of half its images: what two sets of real images of
    /// that number are apart, which samples cannot be expected to beat.
    ///
    /// # Errors
    ///
    /// As [`FrechetReference::distance`].
    pub fn floor(&self) -> Result<Option<Score>, EvalError> {
        let Some([even, odd]) = &self.halves else { return Ok(None) };
        let n = self.n.unwrap_or_default();
        Ok(Some(Score {
            metric: Metric::Frechet.label(self.network.as_deref().unwrap_or_default()),
            value: FrechetReference::new(even)?.distance(odd)?,
            error: None,
            n: n as usize / 2,
            n_reference: Some(n - n / 2),
        }))
    }

    /// Whether there is something to compare with.
    pub(super) fn is_there(&self) -> bool {
        self.pooled.is_some()
    }

    /// Refuses samples that another network saw.
    ///
    /// # Errors
    ///
    /// [`EvalError::OtherNetwork`].
    pub fn check_network(&self, samples: &Collection) -> Result<(), EvalError> {
        let seen_by = &samples.subject().network;
        match &self.network {
            Some(network) if network != seen_by => {
                Err(EvalError::OtherNetwork { samples: seen_by.clone(), reference: network.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Finds out what a reference is and opens it.
///
/// - An npz with `mu` and `sigma` (EDM's), perhaps `mu_s`, `sigma_s` and images in `arr_0` (OpenAI's `VIRTUAL_...`).
/// - A file of ours, from `--stats-out`.
/// - Anything that [`data::open`] reads: `spec.source` is the path, the rest says how to look at its images.
///
/// # Errors
///
/// - [`EvalError::File`] for statistics that cannot be any.
/// - [`EvalError::Points`] for a data set without images.
/// - As [`Collection::load`], [`npz::read_numbers`] and [`data::open`].
pub fn open(spec: &DataSpec) -> Result<Source, EvalError> {
    let path = Path::new(&spec.source);
    if path.is_file() {
        if Collection::is_in(path) {
            return Ok(Source::Collected(Box::new(Collection::load(path)?)));
        }
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
            let arrays = npz::read_numbers(path, &["mu", "sigma", "mu_s", "sigma_s"])?;
            let [mu, sigma, mu_s, sigma_s] = <[_; 4]>::try_from(arrays).expect("one for each name");
            if let (Some(mu), Some(sigma)) = (mu, sigma) {
                let spatial = mu_s.zip(sigma_s).map(|(mu, sigma)| statistics(path, mu, sigma)).transpose()?;
                let images = npz::has_images(path)?.then(|| data::open(spec)).transpose()?;
                let pooled = statistics(path, mu, sigma)?;
                return Ok(Source::Published(Box::new(Published { pooled, spatial, images })));
            }
        }
    }
    let set = data::open(spec)?;
    check_images(&spec.source, set.shape().channels)?;
    Ok(Source::Images(set))
}

/// Writes mean and covariance as EDM's reference files have them: `mu` and `sigma`.
///
/// # Errors
///
/// As [`npz::write_numbers`].
pub fn write_npz(path: &Path, statistics: &Statistics) -> Result<(), EvalError> {
    let width = statistics.width();
    let mean = npz::Numbers { shape: vec![width], values: statistics.mean().to_vec() };
    let covariance = npz::Numbers { shape: vec![width, width], values: statistics.covariance().to_vec() };
    Ok(npz::write_numbers(path, &[("mu", &mean), ("sigma", &covariance)])?)
}

fn statistics(path: &Path, mu: npz::Numbers, sigma: npz::Numbers) -> Result<Statistics, EvalError> {
    let file_error = |reason| EvalError::File { path: path.to_path_buf(), reason };
    // The covariance of one feature may be written as a number.
    let fits = mu.shape.len() == 1 && sigma.values.len() == mu.values.len().pow(2);
    if !fits {
        let reason =
            format!("`mu` {:?} and `sigma` {:?} are no mean and its covariance", mu.shape, sigma.shape);
        return Err(file_error(reason));
    }
    Statistics::new(mu.values, sigma.values, None).map_err(|error| file_error(error.to_string()))
}
