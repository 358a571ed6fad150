//! Letting a network see many images: in blocks, watched, kept in a file, and gone on with where it was.

use std::ops::Range;

use super::collection::Collection;
use super::images::Images;
use super::judge::Judge;
use super::keep::{Keep, holds_moments_alone};
use super::reference::{Reference, Source};
use super::stored::{Selection, Stored};
use super::{Activations, EvalError};
use crate::Result;
use crate::data::Pixels;
use crate::observer::{Observer, Work, tell};

impl Judge {
    /// Lets the network see those images of some blocks that a collection does not have yet; answers whether all of the blocks
    /// are in.
    ///
    /// The observer is told after every block. When it wants to stop, the blocks so far are in the collection, and in the
    /// file, and the rest can be collected another time.
    ///
    /// # Errors
    ///
    /// What the images or the network meet, and as [`Collection::add`] and [`Collection::write`].
    pub fn collect(
        &self,
        images: &dyn Images,
        collection: &mut Collection,
        blocks: Range<usize>,
        mut keep: Option<Keep<'_>>,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let missing: Vec<usize> = blocks.filter(|&block| !collection.has(block)).collect();
        let total = missing.iter().map(|&block| collection.subject().block(block).len()).sum();
        let (mut done, mut n_blocks) = (0, 0);
        // Nothing is opened and decided for images that are all in.
        if !missing.is_empty() {
            let settled = images.settled()?;
            let images = settled.as_deref().unwrap_or(images);
            for &block in &missing {
                let range = collection.subject().block(block);
                done += range.len();
                let pixels = images.pixels(range, self.rules().rounding)?;
                collection.add(block, &self.see(&pixels)?)?;
                n_blocks += 1;
                let go_on = tell(observer, Work::Judging, done, total);
                if let Some(keep) = keep.as_mut().filter(|keep| !holds_moments_alone(keep.file))
                    && (keep.now)()
                {
                    collection.save(keep.file)?;
                }
                if !go_on {
                    break;
                }
            }
        }
        let whole = n_blocks == missing.len();
        if let Some(keep) = keep {
            match holds_moments_alone(keep.file) {
                true if whole => collection.write(keep.file, Default::default())?,
                false if n_blocks > 0 => collection.save(keep.file)?,
                _ => {}
            }
        }
        Ok(whole)
    }

    /// All of some images, collected; none if the observer wants to stop before the end.
    ///
    /// # Errors
    ///
    /// As [`Judge::subject`] and [`Judge::collect`].
    pub fn collect_all(
        &self,
        images: &dyn Images,
        observer: &mut dyn Observer,
    ) -> Result<Option<Collection>> {
        let settled = images.settled()?;
        let images = settled.as_deref().unwrap_or(images);
        let mut collection = Collection::new(self.subject(images)?)?;
        let blocks = 0..collection.subject().n_blocks();
        let whole = self.collect(images, &mut collection, blocks, None, observer)?;
        Ok(whole.then_some(collection))
    }

    /// Makes a reference of what was found at a path, looking at its images where there are any; none if the observer wants to
    /// stop before the end. `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Stored::new`], [`Judge::collect_all`], [`Reference::published`] and [`Reference::collected`].
    pub fn reference(
        &self,
        source: Source,
        name: &str,
        selection: Selection,
        observer: &mut dyn Observer,
    ) -> Result<Option<Reference>> {
        let collected = |collection: &Collection| Reference::collected(collection, self.rules());
        let look = |set| self.collect_all(&Stored::new(set, name, selection)?, observer);
        Ok(match source {
            Source::Collected(collection) => Some(collected(&collection)?),
            Source::Published(mut published) => {
                let seen = match published.images.take().filter(|_| self.kept() > 0) {
                    Some(set) => match look(set)? {
                        Some(seen) => Some(seen),
                        None => return Ok(None),
                    },
                    None => None,
                };
                Some(Reference::published(&published, seen.as_ref(), self.rules())?)
            }
            Source::Images(set) => look(set)?.as_ref().map(collected).transpose()?,
        })
    }

    /// What the network says of some images, a batch at a time.
    fn see(&self, images: &[Pixels]) -> Result<Activations, EvalError> {
        let network = self.network()?;
        let mut all = Activations::default();
        for images in images.chunks(self.batch.max(1)) {
            let Activations { pooled, spatial, logits } = network.activations(images)?;
            all.pooled.extend(pooled);
            for (all, more) in [(&mut all.spatial, spatial), (&mut all.logits, logits)] {
                if let Some(more) = more {
                    all.get_or_insert_default().extend(more);
                }
            }
        }
        Ok(all)
    }
}
