//! Images drawn from a model as they are needed, one a seed: a seed is an image, whatever is drawn beside it.

use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::collection::{Collection, Subject};
use super::images::{AskedClasses, Images, check_images, number_ranges};
use super::judge::Judge;
use super::keep::holds_moments_alone;
use crate::data::{Pixels, Rounding};
use crate::front::{DefiniteDraw, Draw};
use crate::model::{Precision, PrecisionChoice};
use crate::sample::{classes_of_seeds, generate};
use crate::size::ImageSize;
use crate::{Result, digest};

/// What the precision is called in what identifies drawn images.
const PRECISION: &str = "precision";
/// What the guidance scale is called there; a scale of 1, which changes nothing, has no mention.
const GUIDANCE: &str = "guidance";

/// What a drawing would draw; what it leaves open is decided once, when judging begins.
impl Images for Draw<'_> {
    fn n_images(&self) -> usize {
        self.n_seeds()
    }

    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> Result<Vec<Pixels>> {
        self.clone().definite()?.pixels(range, rounding)
    }

    fn identity(&self, rounding: Rounding) -> Result<Option<String>> {
        self.clone().definite()?.identity(rounding)
    }

    fn size(&self) -> Option<ImageSize> {
        Some(self.model().shape().size())
    }

    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        let definite = self.clone().definite()?;
        definite.settled()?;
        Ok(Some(Box::new(definite)))
    }
}

/// What the drawing draws. A model that is of no file has no identity.
impl Images for DefiniteDraw<'_> {
    fn n_images(&self) -> usize {
        self.seeds().len()
    }

    fn pixels(&self, range: Range<usize>, rounding: Rounding) -> Result<Vec<Pixels>> {
        let samples = generate(&self.drawing().part(range), &mut ())?;
        Ok(samples.pixels(rounding)?.into_iter().map(Pixels::into_rgb).collect())
    }

    fn identity(&self, rounding: Rounding) -> Result<Option<String>> {
        let (Some(origin), Some(precision)) = (self.model().origin(), self.precision()) else {
            return Ok(None);
        };
        // Classes that follow from the seeds say nothing new.
        let own = classes_of_seeds(self.seeds(), self.model().n_classes());
        let classes =
            self.classes().filter(|&classes| Some(classes) != own.as_deref()).map(digest_of_classes);
        let mut identity = json!({
            "model_sha256": origin.sha256,
            "sampling": self.settings(),
            PRECISION: precision.name(),
            "seeds": number_ranges(self.seeds()),
            "classes": classes,
            "rounding": rounding,
        });
        if let Some(scale) = self.guidance().filter(|&scale| scale != 1.0) {
            identity[GUIDANCE] = scale.into();
        }
        Ok(Some(identity.to_string()))
    }

    fn size(&self) -> Option<ImageSize> {
        Some(self.model().shape().size())
    }

    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        check_images("this model", self.model().shape().channels)?;
        Ok(None)
    }

    fn classes(&self) -> Option<AskedClasses> {
        let labels = DefiniteDraw::classes(self)?.to_vec();
        Some(AskedClasses { labels, names: self.model().class_names().to_vec() })
    }
}

impl DefiniteDraw<'_> {
    /// The drawing in the precision that its evaluation was begun in: where `file` holds what was seen of the same images, but in
    /// another precision, it is that one, if it can be computed here. This is for drawings whose precision nobody named;
    /// [`Collection::begin`] refuses to mix two.
    ///
    /// # Errors
    ///
    /// As [`Judge::subject`].
    pub fn going_on_with(self, judge: &Judge, file: &Path) -> Result<Self> {
        if !file.exists() || holds_moments_alone(file) {
            return Ok(self);
        }
        // What is wrong with the file is said where the collection begins.
        let Ok(found) = Collection::load(file) else { return Ok(self) };
        let begun = found.subject().precision().filter(|&begun| {
            self.precision() != Some(begun) && PrecisionChoice::from(begun).on(self.model().device()) == begun
        });
        let Some(begun) = begun else { return Ok(self) };
        let other = self.clone().in_precision(begun);
        Ok(if judge.subject(&other)? == *found.subject() { other } else { self })
    }
}

impl Subject {
    /// What the products of the network were computed in that drew the images; none for images that were not drawn.
    pub fn precision(&self) -> Option<Precision> {
        let identity: Value = serde_json::from_str(&self.images).ok()?;
        let name = identity.get(PRECISION)?.as_str()?;
        [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == name)
    }
}

impl Subject {
    /// The guidance scale that the images were drawn at, 1 where there was no guidance; none for images that were not drawn.
    pub fn guidance(&self) -> Option<f64> {
        let identity: Value = serde_json::from_str(&self.images).ok()?;
        identity.get(PRECISION)?;
        Some(identity.get(GUIDANCE).and_then(Value::as_f64).unwrap_or(1.0))
    }
}

/// SHA-256 of `[0, 3, 1]`: one class an image.
fn digest_of_classes(classes: &[usize]) -> String {
    let classes: Vec<String> = classes.iter().map(usize::to_string).collect();
    digest::hex(format!("[{}]", classes.join(", ")).as_bytes())
}
