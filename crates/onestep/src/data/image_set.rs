//! What every container of images has in common once its entries are listed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fingerprint::Fingerprint;
use super::image::{Fit, values_from_bytes};
use super::{DataError, DataSpec, Dataset, ImageShape, Pixels, Sample};

/// How many bytes of decoded images are kept, so that later epochs do not decode again.
const CACHE_BUDGET: usize = 1 << 30;

/// More classes than any published set has; a larger label is a mistake, not a class.
const MAX_CLASSES: usize = 1 << 16;

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

    /// Feeds whatever identifies the pictures.
    fn digest(&self, hasher: &mut Fingerprint);

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
    pub(super) n_ignored: usize,
}

/// Pictures seen through the settings of a [`DataSpec`].
pub(super) struct ImageSet {
    reader: Box<dyn PictureReader>,
    len: usize,
    shape: ImageShape,
    fit: Fit,
    labels: Option<Vec<usize>>,
    class_names: Vec<String>,
    n_ignored: usize,
    fingerprint: String,
    cache: Option<Cache>,
}

impl ImageSet {
    /// Settles shape and labels. `name` is what to call the whole set in a message.
    pub(super) fn new(pictures: Pictures, name: &str, spec: &DataSpec) -> Result<Self, DataError> {
        let Pictures { reader, labels, class_names, n_ignored } = pictures;
        let len = spec.limit.unwrap_or(usize::MAX).min(reader.len());
        let channels = if spec.grey { 1 } else { reader.channels() };
        let (fit, (height, width)) = match spec.image_size {
            Some(size) => (Fit::CenterCrop(size), (size, size)),
            None => (Fit::Exact, common_size(&*reader, len)?),
        };
        let shape = ImageShape { height, width, channels };
        let labels = labels.filter(|_| spec.labels);
        let class_names = match &labels {
            Some(labels) => settle_classes(&*reader, labels, class_names, name)?,
            None => Vec::new(),
        };
        let fingerprint = fingerprint(&*reader, labels.as_deref(), &class_names, spec);
        // A table that is taken as it is would only be copied by a cache.
        let in_place = reader.uniform_size() == Some((height, width));
        let cache = (!in_place).then(|| Cache::new(len));
        Ok(Self { reader, len, shape, fit, labels, class_names, n_ignored, fingerprint, cache })
    }

    fn fitted(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let pixels = self.reader.pixels(index)?.fit(self.fit);
        let pixels = if self.shape.channels == 1 { pixels.into_grey() } else { pixels.into_rgb() };
        if pixels.shape() != self.shape {
            return Err(DataError::MixedSizes {
                first: self.reader.source(0),
                first_shape: self.shape,
                other: self.reader.source(index),
                other_shape: pixels.shape(),
            });
        }
        Ok(pixels.into_bytes())
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
        let label = self.labels.as_ref().map(|labels| labels[index]);
        Ok(Sample { values, label })
    }

    fn source(&self, index: usize) -> String {
        if index < self.len { self.reader.source(index) } else { format!("sample {index}") }
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn ignored(&self) -> usize {
        self.n_ignored
    }

    fn read_as(&self) -> Option<String> {
        self.reader.read_as()
    }
}

/// The size of all pictures, or the first two that differ.
///
/// Pictures that cannot be read are left for [`check`](super::check()) to list, unless none can.
fn common_size(reader: &dyn PictureReader, len: usize) -> Result<(usize, usize), DataError> {
    if let Some(size) = reader.uniform_size() {
        return Ok(size);
    }
    let mut first: Option<(usize, (usize, usize))> = None;
    let mut first_error = None;
    for index in 0..len {
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

fn fingerprint(
    reader: &dyn PictureReader,
    labels: Option<&[usize]>,
    class_names: &[String],
    spec: &DataSpec,
) -> String {
    let mut hasher = Fingerprint::new("images");
    reader.digest(&mut hasher);
    hasher.number(labels.map_or(0, <[usize]>::len));
    labels.iter().copied().flatten().for_each(|&label| hasher.number(label));
    class_names.iter().for_each(|name| hasher.bytes(name.as_bytes()));
    // Zero stands for "not set": neither a size nor a limit of zero can be asked for.
    hasher.number(spec.image_size.unwrap_or(0));
    hasher.number(usize::from(spec.grey));
    hasher.number(spec.limit.unwrap_or(0));
    hasher.finish()
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
