//! Images to measure with: any numbers do, no file is needed.

use onestep::data::{DataError, Dataset, ImageShape, Sample};
use onestep::noise::{Purpose, Stream};

/// Enough that a batch does not fit into the caches because its images are all the same.
const N_IMAGES: usize = 256;

/// Random images of one shape, the same on every run.
pub struct RandomImages {
    shape: ImageShape,
    class_names: Vec<String>,
}

impl RandomImages {
    /// Of a network's shape and number of classes.
    pub fn new([height, width, channels]: [usize; 3], n_classes: Option<usize>) -> Self {
        let class_names = (0..n_classes.unwrap_or(0)).map(|class| format!("class {class}")).collect();
        Self { shape: ImageShape { height, width, channels }, class_names }
    }
}

impl Dataset for RandomImages {
    fn len(&self) -> usize {
        N_IMAGES
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        let mut stream = Stream::new(0, Purpose::Test, 0, index as u64);
        // One draw a pixel would cost more than reading a real image does.
        let row: Vec<f32> = (0..self.shape.width * self.shape.channels)
            .map(|_| (2.0 * stream.uniform() - 1.0) as f32)
            .collect();
        let values = (0..self.shape.height).flat_map(|_| &row).copied().collect();
        let label = (!self.class_names.is_empty()).then(|| index % self.class_names.len());
        Ok(Sample { values, label })
    }

    fn source(&self, index: usize) -> String {
        format!("random image {index}")
    }

    fn fingerprint(&self) -> String {
        format!("random {}", self.shape)
    }
}
