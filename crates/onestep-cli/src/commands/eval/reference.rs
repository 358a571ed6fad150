//! The other side of a comparison, opened and, where that is needed, looked at.

use onestep::data::Dataset;
use onestep::eval::reference::{Source, open as open_source};
use onestep::eval::{Collection, FeatureNetwork, Protocol, Reference, Subject};

use super::collecting::{Collecting, End};
use super::samples::{StoredSamples, spec};
use super::{LazyNetwork, refuse_points};
use crate::failure::{Failure, Outcome, code};
use crate::lists::Seeds;

/// What is to be known of a reference.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// A path, or a built-in set.
    pub source: &'a str,
    /// Which of its images.
    pub numbers: Option<&'a Seeds>,
    /// The features of so many images, one by one.
    pub kept: usize,
}

/// A reference that is ready.
pub struct OpenedReference {
    /// What metrics take.
    pub reference: Reference,
    /// What it is called.
    pub name: String,
    /// The network that saw it, where that is known.
    pub network: Option<String>,
    /// Whether its images were looked at just now.
    pub was_seen_now: bool,
}

impl OpenedReference {
    /// Refuses samples that another network saw.
    pub fn check_network(&self, samples: &Collection) -> Outcome {
        let seen_by = &samples.subject().network;
        match &self.network {
            Some(network) if network != seen_by => Err(Failure::new(
                code::DATA,
                format!("the samples were seen by {seen_by}, the reference by {network}"),
            )
            .hint("distances are between activations of one network; choose it with --features")),
            _ => Ok(()),
        }
    }
}

/// Finds out what a reference is, without looking at its images.
pub fn find(source: &str, image_size: Option<usize>) -> Outcome<Source> {
    let found = open_source(&spec(source, image_size))?;
    if let Source::Images(set) = &found {
        refuse_points(source, set.shape().channels)?;
    }
    Ok(found)
}

/// Gets a reference ready; none if somebody asked to stop meanwhile.
pub fn open(
    source: Source,
    wanted: &Wanted<'_>,
    network: &LazyNetwork<'_>,
    protocol: &Protocol,
    work: &Collecting,
) -> Outcome<Option<OpenedReference>> {
    let name = wanted.source.to_owned();
    match source {
        Source::Collected(collection) => {
            let reference = Reference::collected(&collection, protocol)?;
            let network = Some(collection.subject().network.clone());
            Ok(Some(OpenedReference { reference, name, network, was_seen_now: false }))
        }
        Source::Published(mut published) => {
            let images = published.images.take().filter(|_| wanted.kept > 0);
            let seen = match images {
                Some(images) => match see(images, wanted, network.get()?, protocol, work)? {
                    Some(seen) => Some(seen),
                    None => return Ok(None),
                },
                None => None,
            };
            let reference = Reference::published(&published, seen.as_ref())?;
            Ok(Some(OpenedReference { reference, name, network: None, was_seen_now: false }))
        }
        Source::Images(set) => {
            let network = network.get()?;
            let Some(seen) = see(set, wanted, network, protocol, work)? else { return Ok(None) };
            let reference = Reference::collected(&seen, protocol)?;
            let network = Some(network.name().to_owned());
            Ok(Some(OpenedReference { reference, name, network, was_seen_now: true }))
        }
    }
}

/// The first images, at most as many as there are samples, of real images to be measured like samples.
pub fn collect_floor(
    source: Source,
    wanted: &Wanted<'_>,
    n: usize,
    network: &LazyNetwork<'_>,
    protocol: &Protocol,
    work: &Collecting,
) -> Outcome<Option<Collection>> {
    match source {
        Source::Images(set) => {
            let limit = Some(n.min(set.len()));
            let stored = StoredSamples::from_set(set, wanted.source, None, limit)?;
            collect(&stored, wanted.kept, network.get()?, protocol, work)
        }
        Source::Collected(collection) => Ok(Some(*collection)),
        Source::Published(_) => {
            let message = format!("--floor takes images, and {} holds statistics alone", wanted.source);
            Err(Failure::usage(message))
        }
    }
}

fn see(
    set: Box<dyn Dataset>,
    wanted: &Wanted<'_>,
    network: &dyn FeatureNetwork,
    protocol: &Protocol,
    work: &Collecting,
) -> Outcome<Option<Collection>> {
    let stored = StoredSamples::from_set(set, wanted.source, wanted.numbers, None)?;
    collect(&stored, wanted.kept, network, protocol, work)
}

fn collect(
    stored: &StoredSamples,
    kept: usize,
    network: &dyn FeatureNetwork,
    protocol: &Protocol,
    work: &Collecting,
) -> Outcome<Option<Collection>> {
    let subject = Subject::new(network, stored.identity(), stored.n(), protocol, kept);
    let mut collection = Collection::new(subject)?;
    let blocks = 0..collection.subject().n_blocks();
    let end = work.collect("real images", &stored.images(), network, &mut collection, blocks, None)?;
    Ok(matches!(end, End::Done { .. }).then_some(collection))
}
