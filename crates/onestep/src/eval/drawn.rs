//! Images drawn from a model as they are needed, one a seed: a seed is an image, whatever is drawn beside it.

use std::ops::Range;

use serde_json::json;

use super::images::{Images, check_images, number_ranges};
use crate::data::{Pixels, Rounding};
use crate::front::{DefiniteDraw, Draw};
use crate::sample::{classes_of_seeds, generate};
use crate::size::ImageSize;
use crate::{Result, digest};

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
        let (Some(origin), Some(network)) = (self.model().origin(), self.model().network()) else {
            return Ok(None);
        };
        // Classes that follow from the seeds say nothing new.
        let own = classes_of_seeds(self.seeds(), self.model().n_classes());
        let classes =
            self.classes().filter(|&classes| Some(classes) != own.as_deref()).map(digest_of_classes);
        let identity = json!({
            "model_sha256": origin.sha256,
            "sampling": self.settings(),
            "precision": network.weights().precision().name(),
            "seeds": number_ranges(self.seeds()),
            "classes": classes,
            "rounding": rounding,
        });
        Ok(Some(identity.to_string()))
    }

    fn size(&self) -> Option<ImageSize> {
        Some(self.model().shape().size())
    }

    fn settled(&self) -> Result<Option<Box<dyn Images + '_>>> {
        check_images("this model", self.model().shape().channels)?;
        Ok(None)
    }
}

/// SHA-256 of `[0, 3, 1]`: one class an image.
fn digest_of_classes(classes: &[usize]) -> String {
    let classes: Vec<String> = classes.iter().map(usize::to_string).collect();
    digest::hex(format!("[{}]", classes.join(", ")).as_bytes())
}
