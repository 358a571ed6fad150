//! What is kept of a set of images once a feature network has seen them.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fixed_point::MOST_ADDENDS;
use super::inception_score::{InceptionScore, ScoreSums, Splits};
use super::moments::{BLOCK, LARGEST_ACTIVATION, Moments};
use super::protocol::Protocol;
use super::rows::Rows;
use super::statistics::{Divisor, Statistics};
use super::{Activations, EvalError, FeatureNetwork};
use crate::data::{run_of, spread};
use crate::size::ImageSize;

/// The largest number of images of one set.
const MOST_IMAGES: usize = MOST_ADDENDS as usize * BLOCK;

/// Of what images, seen by which network, what is to be kept.
///
/// Two collections can be added up exactly where theirs are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The feature network, by its full name.
    pub network: String,
    /// The images: what they are, or all that made them.
    pub images: String,
    /// Number of images of the whole set.
    pub n: usize,
    /// Width of the features.
    pub pooled: usize,
    /// Width of the features that still know where, if their moments are kept.
    pub spatial: Option<usize>,
    /// Number of logits, if the Inception Score's sums are kept.
    pub logits: Option<usize>,
    /// The protocol that images became bytes by.
    pub protocol: String,
    /// How the logits are cut.
    pub splits: Splits,
    /// The features of so many images, spread over all of them, are kept one by one.
    pub kept: usize,
    /// Height and width of the images, where they have one size and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<ImageSize>,
}

impl Subject {
    /// Everything that `network` says of `n` images, with the features of `kept` of them one by one.
    ///
    /// Which these are follows from `n` and `kept` alone ([`spread`]), so that they are of all classes in whatever order the images
    /// come.
    pub fn new(
        network: &dyn FeatureNetwork,
        images: String,
        n: usize,
        protocol: &Protocol,
        kept: usize,
    ) -> Self {
        let widths = network.widths();
        Self {
            network: network.name().to_owned(),
            images,
            n,
            pooled: widths.pooled,
            spatial: widths.spatial,
            logits: widths.logits,
            protocol: protocol.name.to_owned(),
            splits: protocol.splits,
            kept: kept.min(n),
            size: None,
        }
    }

    /// Number of blocks that the images are seen in.
    pub fn n_blocks(&self) -> usize {
        self.n.div_ceil(BLOCK)
    }

    /// The images of a block.
    pub fn block(&self, block: usize) -> Range<usize> {
        block * BLOCK..((block + 1) * BLOCK).min(self.n)
    }

    /// The blocks of one of several shards: a contiguous run, as equal as whole blocks allow.
    pub fn shard(&self, index: usize, n_shards: usize) -> Range<usize> {
        run_of(self.n_blocks(), index, n_shards)
    }
}

/// Sums and features of a set of images, or of a part of it.
///
/// Parts of one set can be collected anywhere, in any order, and added up with [`Collection::merge`]: the whole has the same
/// bits however it was cut. A part consists of whole blocks of [`BLOCK`] images. Memory does not grow with the number of
/// images beyond those whose features are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub(super) subject: Subject,
    /// Whether each block is in.
    pub(super) done: Vec<bool>,
    /// Of the images of even and of odd number: two halves of the set, whose distance from each other is a floor.
    pub(super) pooled: [Moments; 2],
    pub(super) spatial: Option<[Moments; 2]>,
    pub(super) scores: Option<ScoreSums>,
    /// Features one by one, by block.
    pub(super) kept: BTreeMap<usize, Vec<f32>>,
    /// The split of each image, where scores are summed.
    split_of: Vec<usize>,
    /// Whether the features of each image are kept, where those of some are.
    keeps: Vec<bool>,
}

impl Collection {
    /// Nothing yet.
    ///
    /// # Errors
    ///
    /// [`EvalError::Setting`] if there are no images, more than 2^24, or no features.
    pub fn new(subject: Subject) -> Result<Self, EvalError> {
        if !(1..=MOST_IMAGES).contains(&subject.n) || subject.pooled == 0 {
            let reason = format!("must be from 1 to {MOST_IMAGES}, got {}", subject.n);
            return Err(EvalError::Setting { setting: "the number of images", reason });
        }
        let mut keeps = vec![false; if subject.kept > 0 { subject.n } else { 0 }];
        spread(subject.n, subject.kept).into_iter().for_each(|image| keeps[image] = true);
        let halves = |width| [Moments::new(width), Moments::new(width)];
        let split_of = if subject.logits.is_some() { subject.splits.of(subject.n) } else { Vec::new() };
        let n_splits = split_of.iter().max().map_or(0, |last| last + 1);
        Ok(Self {
            done: vec![false; subject.n_blocks()],
            pooled: halves(subject.pooled),
            spatial: subject.spatial.map(halves),
            scores: subject.logits.map(|n_classes| ScoreSums::new(n_splits, n_classes)),
            kept: BTreeMap::new(),
            split_of,
            keeps,
            subject,
        })
    }

    /// Of what it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Number of images collected.
    pub fn n_done(&self) -> usize {
        let done = self.done.iter().enumerate().filter(|(_, done)| **done);
        done.map(|(block, _)| self.subject.block(block).len()).sum()
    }

    /// Whether a block is in.
    pub fn has(&self, block: usize) -> bool {
        self.done.get(block).copied().unwrap_or(false)
    }

    /// Whether all images are in.
    pub fn is_whole(&self) -> bool {
        self.done.iter().all(|&done| done)
    }

    /// The images that are not in, as ranges.
    pub fn missing(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for block in (0..self.done.len()).filter(|&block| !self.done[block]) {
            let images = self.subject.block(block);
            match ranges.last_mut().filter(|last| last.end == images.start) {
                Some(last) => last.end = images.end,
                None => ranges.push(images),
            }
        }
        ranges
    }

    /// Adds what the network says of one block of images.
    ///
    /// # Errors
    ///
    /// [`EvalError::Parts`] if the block is in already or there is no such block, [`EvalError::Setting`] if the activations
    /// do not have the widths of the [`Subject`] or cannot be summed; nothing is added then.
    pub fn add(&mut self, block: usize, activations: &Activations) -> Result<(), EvalError> {
        if block >= self.done.len() || self.done[block] {
            let reason = format!("block {block} of {} is there already, or does not exist", self.done.len());
            return Err(EvalError::Parts { reason });
        }
        let images = self.subject.block(block);
        let pooled = check(&activations.pooled, self.subject.pooled, images.len())?;
        let spatial =
            self.subject.spatial.map(|width| part(&activations.spatial, width, images.len())).transpose()?;
        let logits =
            self.subject.logits.map(|width| part(&activations.logits, width, images.len())).transpose()?;
        add_halves(&mut self.pooled, pooled)?;
        if let (Some(moments), Some(rows)) = (&mut self.spatial, spatial) {
            add_halves(moments, rows)?;
        }
        if let (Some(scores), Some(rows), Some(width)) = (&mut self.scores, logits, self.subject.logits) {
            for (image, logits) in images.clone().zip(rows.chunks_exact(width)) {
                scores.add(self.split_of[image], logits)?;
            }
        }
        let rows = pooled.chunks_exact(self.subject.pooled).zip(self.kept_of(block));
        let kept: Vec<f32> = rows.filter(|(_, kept)| **kept).flat_map(|(row, _)| row).copied().collect();
        if !kept.is_empty() {
            self.kept.insert(block, kept);
        }
        self.done[block] = true;
        Ok(())
    }

    /// Whether the features of each image of a block are kept; none where none are.
    pub(super) fn kept_of(&self, block: usize) -> &[bool] {
        self.keeps.get(self.subject.block(block)).unwrap_or_default()
    }

    /// Adds another part of the same set.
    ///
    /// # Errors
    ///
    /// [`EvalError::Parts`] if the two are not of the same set, or share a block; nothing is added then.
    pub fn merge(&mut self, other: Self) -> Result<(), EvalError> {
        if self.subject != other.subject {
            return Err(EvalError::Parts { reason: difference(&self.subject, &other.subject) });
        }
        let shared = (0..self.done.len()).find(|&block| self.done[block] && other.done[block]);
        if let Some(block) = shared {
            let Range { start, end } = self.subject.block(block);
            return Err(EvalError::Parts {
                reason: format!("images {start} to {} are in two parts", end - 1),
            });
        }
        let add = |to: &mut [Moments; 2], from: &[Moments; 2]| {
            to.iter_mut().zip(from).try_for_each(|(to, from)| to.merge(from))
        };
        add(&mut self.pooled, &other.pooled)?;
        if let (Some(to), Some(from)) = (&mut self.spatial, &other.spatial) {
            add(to, from)?;
        }
        if let (Some(to), Some(from)) = (&mut self.scores, &other.scores) {
            to.merge(from)?;
        }
        self.kept.extend(other.kept);
        self.done.iter_mut().zip(&other.done).for_each(|(to, from)| *to |= from);
        Ok(())
    }

    /// Refuses a part where the whole is needed.
    ///
    /// # Errors
    ///
    /// [`EvalError::Parts`], which names the images that are missing.
    pub fn check_whole(&self) -> Result<(), EvalError> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let named: Vec<String> =
            missing.iter().take(5).map(|range| format!("{} to {}", range.start, range.end - 1)).collect();
        let more = if missing.len() > 5 { ", and more" } else { "" };
        let reason = format!(
            "{} of {} images are missing: {}{more}",
            self.subject.n - self.n_done(),
            self.subject.n,
            named.join(", ")
        );
        Err(EvalError::Parts { reason })
    }

    /// Mean and covariance of the features.
    ///
    /// # Errors
    ///
    /// As [`Moments::statistics`].
    pub fn statistics(&self, divisor: Divisor) -> Result<Statistics, EvalError> {
        whole(&self.pooled)?.statistics(divisor)
    }

    /// Mean and covariance of the features that know where, if they are collected.
    ///
    /// # Errors
    ///
    /// As [`Moments::statistics`].
    pub fn spatial_statistics(&self, divisor: Divisor) -> Result<Option<Statistics>, EvalError> {
        self.spatial.as_ref().map(|halves| whole(halves)?.statistics(divisor)).transpose()
    }

    /// Mean and covariance of the images of even and of odd number: two sets from one source, whose distance is a floor.
    ///
    /// # Errors
    ///
    /// As [`Moments::statistics`].
    pub fn halves(&self, divisor: Divisor) -> Result<[Statistics; 2], EvalError> {
        Ok([self.pooled[0].statistics(divisor)?, self.pooled[1].statistics(divisor)?])
    }

    /// The Inception Score, where the network tells logits.
    ///
    /// # Errors
    ///
    /// As [`ScoreSums::score`].
    pub fn score(&self) -> Result<Option<InceptionScore>, EvalError> {
        self.scores.as_ref().map(ScoreSums::score).transpose()
    }

    /// The features that are kept one by one, of the images that are in.
    ///
    /// # Errors
    ///
    /// As [`Rows::new`].
    pub fn rows(&self) -> Result<Rows, EvalError> {
        Rows::new(self.subject.pooled, self.kept.values().flatten().copied().collect())
    }
}

/// The moments of both halves.
fn whole(halves: &[Moments; 2]) -> Result<Moments, EvalError> {
    let mut whole = halves[0].clone();
    whole.merge(&halves[1])?;
    Ok(whole)
}

/// Adds the rows of even number to one half and those of odd number to the other; blocks begin at even numbers.
fn add_halves(halves: &mut [Moments; 2], rows: &[f32]) -> Result<(), EvalError> {
    let width = halves[0].width();
    let every_second = |first: usize| -> Vec<f32> {
        rows.chunks_exact(width).skip(first).step_by(2).flatten().copied().collect()
    };
    let [even, odd] = [every_second(0), every_second(1)];
    halves[0].add_block(&even)?;
    halves[1].add_block(&odd)
}

fn part(rows: &Option<Vec<f32>>, width: usize, n: usize) -> Result<&[f32], EvalError> {
    check(rows.as_deref().unwrap_or_default(), width, n)
}

/// Refuses rows that would stop in the middle of being added.
fn check(rows: &[f32], width: usize, n: usize) -> Result<&[f32], EvalError> {
    if rows.len() == n * width && rows.iter().all(|value| value.abs() <= LARGEST_ACTIVATION) {
        return Ok(rows);
    }
    let reason = format!(
        "must be {width} numbers within ±{LARGEST_ACTIVATION} for each of {n} images, got {}",
        rows.len()
    );
    Err(EvalError::Setting { setting: "activations", reason })
}

/// In what two subjects differ, in words.
fn difference(a: &Subject, b: &Subject) -> String {
    let value = |subject| serde_json::to_value(subject).unwrap_or_default();
    let (key, a, b) = first_difference("subject", value(a), value(b));
    format!("they are not parts of one set: `{key}` is {a} here and {b} there")
}

/// The innermost field that differs; texts that hold fields of their own are looked into.
fn first_difference(key: &str, a: Value, b: Value) -> (String, Value, Value) {
    let fields = |value: &Value| match value {
        Value::Object(fields) => Some(fields.clone()),
        Value::String(text) => serde_json::from_str::<Map<String, Value>>(text).ok(),
        _ => None,
    };
    if let (Some(a), Some(b)) = (fields(&a), fields(&b)) {
        let other = |key: &String| b.get(key).cloned().unwrap_or_default();
        if let Some((key, value)) = a.iter().find(|(key, value)| **value != other(key)) {
            return first_difference(key, value.clone(), other(key));
        }
    }
    (key.to_owned(), a, b)
}
