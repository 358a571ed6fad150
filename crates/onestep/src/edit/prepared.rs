//! Jobs made ready for a model: pictures on its canvas, masks, starts, each computed once.

use burn::tensor::{Device, Tensor};

use super::mask::{Marked, marked};
use super::{
    Canvas, CanvasFit, Colorize, Constraint, EditError, Inpaint, Job, MaskMarks, Picture, Start,
    SuperResolve, estimate_noise,
};
use crate::Result;
use crate::data::image::deviation_from_bytes;
use crate::data::{ImageShape, Pixels, Rounding, pixels_from_tensor, tensor_from_pixels};

/// A job made ready for a model.
pub(crate) struct Prepared {
    /// Where sampling starts.
    pub(crate) beginning: Beginning,
    /// What went in, for people: the pictures as the model sees them, and what is known of one where that differs.
    pub(crate) before: Vec<Pixels>,
    /// Deviation of the noise in a picture that is to lose it, for values in [-1, 1].
    pub(crate) noise: Option<f64>,
    /// What in a mask marked the pixels that are filled in.
    pub(crate) marks: Option<MaskMarks>,
    whole: Option<Whole>,
}

/// Where sampling starts, as far as pictures alone say.
pub(crate) enum Beginning {
    /// There.
    Ready(Start),
    /// Between the noises of two pictures, `[2, height, width, channels]`, which are to be found.
    Inversion(Box<Tensor<4>>),
}

/// A picture in its own size, and the pixels that are filled in.
struct Whole {
    canvas: Canvas,
    unknown: Vec<bool>,
}

impl From<Start> for Prepared {
    fn from(start: Start) -> Self {
        Self { beginning: Beginning::Ready(start), before: Vec::new(), noise: None, marks: None, whole: None }
    }
}

impl Job {
    /// The job made ready for a model of images of this shape.
    pub(crate) fn prepare(&self, shape: ImageShape, device: &Device) -> Result<Prepared> {
        let model = Viewer { shape, device };
        match self {
            Self::Inpaint { image, mask, marks, fit, full } => {
                let Marked { pixels: unknown, by: marks } = marked(image, mask.as_ref(), *marks)?;
                let canvas = model.canvas(image, *fit);
                let known = canvas.known(&unknown)?;
                if known.iter().all(|known| *known == 1.0) {
                    return Err(EditError::NothingSeen.into());
                }
                let constraint = Inpaint::new(&known, [shape.height, shape.width], device)?;
                let hidden = model.tensor(model.in_channels(canvas.seen_without(&unknown)?))?;
                let start = Start::of(constraint, hidden)?;
                if !full {
                    return Ok(Prepared { marks, ..with_guess(start, model.seen(image, *fit))? });
                }
                let before = vec![image.pixels().clone(), canvas.without(&unknown)?];
                Ok(Prepared { before, marks, whole: Some(Whole { canvas, unknown }), ..start.into() })
            }
            Self::Colorize { image, fit } => {
                let seen = model.seen(image, *fit);
                with_guess(Start::of(Colorize::default(), model.tensor(seen.clone())?)?, seen)
            }
            &Self::SuperResolve { ref image, factor, fit } => {
                let constraint = SuperResolve::new(factor);
                constraint.check([1, shape.height, shape.width, shape.channels])?;
                let small = Canvas::new(image.pixels().clone(), fit, shape.size().divided(factor)).seen();
                let large = constraint.enlarge(model.tensor(model.in_channels(small))?);
                with_guess(Start::of(constraint, large)?, model.seen(image, fit))
            }
            Self::Stroke { image, fit, .. } | Self::Vary { image, fit, .. } => {
                let seen = model.seen(image, *fit);
                let start = Start::from(model.tensor(seen.clone())?);
                Ok(Prepared { before: vec![seen], ..start.into() })
            }
            Self::Denoise { image, noise, fit } => {
                let seen = model.seen(image, *fit);
                let noise = match *noise {
                    Some(noise) if noise > 0.0 && noise.is_finite() => deviation_from_bytes(noise),
                    Some(noise) => return Err(EditError::Noise { noise }.into()),
                    None => estimate_noise(&seen.values(), seen.shape()),
                };
                let start = Start::Noisy(Box::new(model.tensor(seen.clone())?));
                Ok(Prepared { before: vec![seen], noise: Some(noise), ..start.into() })
            }
            Self::InterpolateSeeds { seeds, .. } => Ok(Start::BetweenSeeds(*seeds).into()),
            Self::InterpolatePictures { images, fit, .. } => {
                let seen = images.each_ref().map(|image| model.seen(image, *fit));
                let beginning = Beginning::Inversion(Box::new(tensor_from_pixels(&seen, device)?));
                Ok(Prepared { beginning, before: seen.into(), noise: None, marks: None, whole: None })
            }
            &Self::VarySeed { seed, strength } => Ok(Start::NearSeed { seed, distance: strength }.into()),
        }
    }
}

impl Prepared {
    /// A result in the picture's own size where that was asked for, otherwise as it is.
    pub(crate) fn finished(&self, result: Pixels) -> Pixels {
        match &self.whole {
            Some(Whole { canvas, unknown }) => canvas.paste(&result, Some(unknown)),
            None => result,
        }
    }
}

/// What a model sees of pictures.
struct Viewer<'a> {
    shape: ImageShape,
    device: &'a Device,
}

impl Viewer<'_> {
    fn canvas(&self, picture: &Picture, fit: CanvasFit) -> Canvas {
        Canvas::new(picture.pixels().clone(), fit, self.shape.size())
    }

    /// A picture as the model sees it, in the model's channels.
    fn seen(&self, picture: &Picture, fit: CanvasFit) -> Pixels {
        self.in_channels(self.canvas(picture, fit).seen())
    }

    fn in_channels(&self, pixels: Pixels) -> Pixels {
        if self.shape.channels == 1 { pixels.into_grey() } else { pixels.into_rgb() }
    }

    fn tensor(&self, pixels: Pixels) -> Result<Tensor<4>> {
        Ok(tensor_from_pixels(&[pixels], self.device)?)
    }
}

/// A start, and before it the picture and what sampling starts from, where that differs.
fn with_guess(start: Start, seen: Pixels) -> Result<Prepared> {
    let mut before = vec![seen];
    if let Some(origin) = start.origin() {
        // To nearest, so that a pixel that was kept has the byte it had.
        before.extend(pixels_from_tensor(origin.clone(), Rounding::Edm)?);
        before.dedup();
    }
    Ok(Prepared { before, ..start.into() })
}
