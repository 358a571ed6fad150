//! What every container of images has in common once its entries are listed.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::fingerprint::Fingerprint;
use super::fit::Fit;
use super::image::values_from_bytes;
use super::spread::spread;
use super::{DataError, DataSpec, Dataset, ImageShape, PassedOver, Pixels, Sample};
use crate::size::ImageSize;

/// How many bytes of decoded images are kept, so that later epochs do not decode again.
const CACHE_BUDGET: usize = 1 << 30;

/// More classes than any published set has; a larger label is a mistake, not a class.
pub(super) const MAX_CLASSES: usize = 1 << 16;

/// A container that lists its pictures and decodes one on demand.
pub(super) trait PictureReader: Send + Sync {
    fn len(&self) -> usize;

    /// 1 if all pictures are grey by the rules of the container, otherwise 3.
    fn channels(&self) -> usize;

    /// The size all pictures have, if the container itself promises one.
    fn uniform_size(&self) -> Option<(usize, usize)>;

    /// Height and width of one picture, as cheaply as possible.
    fn size(&self, index: usize) -> Result<(usize, usize), DataError>;

    fn pixels(&self, index: usize) -> Result<Pixels, DataError>;

    fn source(&self, index: usize) -> String;

    /// Feeds what tells a picture from others: its name within the container, if it has one, and its contents.
    fn digest(&self, index: usize, hasher: &mut Fingerprint);

    /// How the container was understood, where it could have been otherwise.
    fn read_as(&self) -> Option<String> {
        None
    }
}

/// The pictures of one container with their labels.
pub(super) struct Pictures {
    pub(super) reader: Box<dyn PictureReader>,
    /// One for each picture, or none at all.
    pub(super) labels: Option<Vec<usize>>,
    /// Empty when the container gives no names.
    pub(super) class_names: Vec<String>,
    pub(super) passed_over: PassedOver,
}

/// Pictures seen through the settings of a [`DataSpec`].
pub(super) struct ImageSet {
    reader: Box<dyn PictureReader>,
    /// Which pictures of the reader, where it is not all of them.
    chosen: Option<Vec<usize>>,
    len: usize,
    shape: ImageShape,
    fit: Option<(Fit, ImageSize)>,
    labels: Option<Vec<usize>>,
    class_names: Vec<String>,
    passed_over: PassedOver,
    /// What tells each sample from others, once somebody has asked.
    digests: OnceLock<Vec<[u8; 32]>>,
    cache: Option<Cache>,
}

impl ImageSet {
    /// Settles shape and labels. `name` is what to call the whole set in a message.
    pub(super) fn new(pictures: Pictures, name: &str, spec: &DataSpec) -> Result<Self, DataError> {
        let Pictures { reader, labels, class_names, passed_over } = pictures;
        let chosen =
            spec.limit.filter(|&limit| limit < reader.len()).map(|limit| spread(reader.len(), limit));
        let len = chosen.as_ref().map_or(reader.len(), Vec::len);
        let channels = if spec.grey { 1 } else { reader.channels() };
        let (fit, (height, width)) = match spec.image_size {
            Some(size) => (Some((spec.fit, size)), (size.height, size.width)),
            None => (None, common_size(&*reader, chosen.as_deref())?),
        };
        let shape = ImageShape { height, width, channels };
        let class_names = match &labels {
            Some(labels) => settle_classes(&*reader, labels, class_names, name)?,
            None => Vec::new(),
        };
        // A table that is taken as it is would only be copied by a cache.
        let in_place = reader.uniform_size() == Some((height, width));
        let cache = (!in_place).then(|| Cache::new(len));
        let digests = OnceLock::new();
        Ok(Self { reader, chosen, len, shape, fit, labels, class_names, passed_over, digests, cache })
    }

    /// Where in the reader a sample lies.
    fn place(&self, index: usize) -> usize {
        self.chosen.as_ref().map_or(index, |chosen| chosen[index])
    }

    /// What tells a sample from others: its picture and its label.
    fn digest(&self, index: usize) -> [u8; 32] {
        let mut hasher = Fingerprint::new("image");
        let place = self.place(index);
        self.reader.digest(place, &mut hasher);
        if let Some(labels) = &self.labels {
            hasher.number(labels[place]);
        }
        hasher.finish_bytes()
    }

    fn fitted(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let pixels = self.reader.pixels(self.place(index))?;
        let pixels = match self.fit {
            Some((fit, size)) => pixels.fit(fit, size),
            None => pixels,
        };
        let pixels = if self.shape.channels == 1 { pixels.into_grey() } else { pixels.into_rgb() };
        if pixels.shape() != self.shape {
            return Err(self.mixed_sizes(index, pixels.shape()));
        }
        Ok(pixels.into_bytes())
    }

    fn mixed_sizes(&self, index: usize, shape: ImageShape) -> DataError {
        DataError::MixedSizes {
            first: self.source(0),
            first_shape: self.shape,
            other: self.source(index),
            other_shape: shape,
        }
    }
}

impl Dataset for ImageSet {
    fn len(&self) -> usize {
        self.len
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        if index >= self.len {
            return Err(DataError::Index { index, len: self.len });
        }
        let values = match self.cache.as_ref().and_then(|cache| cache.get(index)) {
            Some(bytes) => values_from_bytes(bytes),
            None => {
                let bytes = self.fitted(index)?;
                let values = values_from_bytes(&bytes);
                if let Some(cache) = &self.cache {
                    cache.keep(index, bytes);
                }
                values
            }
        };
        let label = self.labels.as_ref().map(|labels| labels[self.place(index)]);
        Ok(Sample { values, label })
    }

    fn source(&self, index: usize) -> String {
        if index < self.len { self.reader.source(self.place(index)) } else { format!("sample {index}") }
    }

    fn fingerprint(&self) -> String {
        self.fingerprint_without(&[])
    }

    fn fingerprint_without(&self, left_out: &[usize]) -> String {
        let digests = self
            .digests
            .get_or_init(|| (0..self.len).into_par_iter().map(|index| self.digest(index)).collect());
        let mut hasher = Fingerprint::new("images");
        // Zeros stand for images in their own size, which cannot be asked for.
        let (fit, ImageSize { height, width }) = self.fit.unwrap_or((Fit::default(), 0.into()));
        [height, width, fit as usize, self.shape.channels]
            .into_iter()
            .for_each(|setting| hasher.number(setting));
        hasher.number(usize::from(self.labels.is_some()));
        self.class_names.iter().for_each(|name| hasher.bytes(name.as_bytes()));
        let left_out: BTreeSet<usize> = left_out.iter().copied().collect();
        for (index, digest) in digests.iter().enumerate() {
            if !left_out.contains(&index) {
                hasher.bytes(digest);
            }
        }
        hasher.finish()
    }

    fn probe(&self, index: usize) -> Result<Option<usize>, DataError> {
        if index >= self.len {
            return Err(DataError::Index { index, len: self.len });
        }
        let (height, width) = self.reader.size(self.place(index))?;
        if self.fit.is_none() && (height, width) != (self.shape.height, self.shape.width) {
            return Err(self.mixed_sizes(index, ImageShape { height, width, ..self.shape }));
        }
        Ok(self.labels.as_ref().map(|labels| labels[self.place(index)]))
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over.clone()
    }

    fn read_as(&self) -> Option<String> {
        self.reader.read_as()
    }
}

/// The size of all pictures, or the first two that differ.
///
/// Pictures that cannot be read are left for [`check`](super::check()) to list, unless none can.
fn common_size(reader: &dyn PictureReader, chosen: Option<&[usize]>) -> Result<(usize, usize), DataError> {
    let len = chosen.map_or(reader.len(), <[usize]>::len);
    if let Some(size) = reader.uniform_size() {
        return Ok(size);
    }
    let mut first: Option<(usize, (usize, usize))> = None;
    let mut first_error = None;
    for index in 0..len {
        let index = chosen.map_or(index, |chosen| chosen[index]);
        match (reader.size(index), first) {
            (Ok(size), None) => first = Some((index, size)),
            (Ok(size), Some((first_index, first_size))) if size != first_size => {
                let shape = |(height, width)| ImageShape { height, width, channels: 3 };
                return Err(DataError::MixedSizes {
                    first: reader.source(first_index),
                    first_shape: shape(first_size),
                    other: reader.source(index),
                    other_shape: shape(size),
                });
            }
            (Ok(_), Some(_)) => {}
            (Err(error), _) => first_error = first_error.or(Some(error)),
        }
    }
    match (first, first_error) {
        (Some((_, size)), _) => Ok(size),
        (None, Some(error)) => Err(error),
        (None, None) => Err(DataError::Index { index: 0, len }),
    }
}

/// Checks every label and gives numbers for names where the container has none.
fn settle_classes(
    reader: &dyn PictureReader,
    labels: &[usize],
    class_names: Vec<String>,
    name: &str,
) -> Result<Vec<String>, DataError> {
    if labels.len() != reader.len() {
        let reason = format!("there are {} labels for {} images", labels.len(), reader.len());
        return Err(DataError::labels(name, reason));
    }
    let n_classes = if class_names.is_empty() { MAX_CLASSES } else { class_names.len() };
    if let Some(index) = labels.iter().position(|&label| label >= n_classes) {
        let reason = format!("label {} is not below {n_classes}, the number of classes", labels[index]);
        return Err(DataError::labels(reader.source(index), reason));
    }
    if class_names.is_empty() {
        let n_classes = labels.iter().max().map_or(0, |&largest| largest + 1);
        return Ok((0..n_classes).map(|class| class.to_string()).collect());
    }
    Ok(class_names)
}

/// Decoded images, first come first kept, until the budget is spent.
struct Cache {
    slots: Vec<OnceLock<Vec<u8>>>,
    n_bytes: AtomicUsize,
}

impl Cache {
    fn new(len: usize) -> Self {
        Self { slots: (0..len).map(|_| OnceLock::new()).collect(), n_bytes: AtomicUsize::new(0) }
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        self.slots[index].get().map(Vec::as_slice)
    }

    fn keep(&self, index: usize, bytes: Vec<u8>) {
        let n_bytes = bytes.len();
        if self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes > CACHE_BUDGET {
            self.n_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
            return;
        }
        // Another thread may have been faster with the same image; its bytes are equal.
        if self.slots[index].set(bytes).is_err() {
            self.n_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
        }
    }
}
