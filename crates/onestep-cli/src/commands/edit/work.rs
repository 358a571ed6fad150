//! The edit itself: parameters and pictures in, pictures out.

use burn::tensor::{Device, Tensor, TensorData};
use onestep::data::{ImageShape, Pixels, Rounding};
use onestep::edit::{
    BetweenSeeds, Canvas, CanvasFit, Colorize, Constraint, Edit, GivenNoise, Inpaint, SuperResolve, Task,
    Unconstrained, invert, sample_edit,
};
use onestep::model::Condition;
use onestep::noise::{NoiseSource, SamplingLevels, SeedNoise, TrainingLevels};
use onestep::sample::{Request, sample_multistep};

use super::inputs::{Inputs, Picture, unknown};
use super::parameters::Parameters;
use crate::failure::{Failure, Outcome};
use crate::old_model::Opened;

/// Pictures that are made together.
const BATCH: usize = 64;

/// Levels at which a picture is followed up to its noise.
const INVERSION_LEVELS: usize = 60;

/// What came out.
pub struct Made {
    /// What went in: the picture, and what was known of it.
    pub before: Vec<Pixels>,
    /// The candidates, or the pictures on the way.
    pub results: Vec<Pixels>,
    /// The candidates after every step.
    pub path: Vec<Vec<Pixels>>,
}

/// The edit of a picture: where sampling starts and what it keeps.
pub struct Editor {
    constraint: Box<dyn Constraint>,
    known: Tensor<4>,
    origin: Tensor<4>,
}

impl Editor {
    /// As the library takes it.
    pub fn edit(&self) -> Edit<'_> {
        Edit { constraint: &*self.constraint, known: self.known.clone(), origin: self.origin.clone() }
    }
}

/// A picture as the model sees it, in the model's channels.
pub fn seen(picture: &Picture, fit: CanvasFit, model: &Opened) -> Outcome<Pixels> {
    let [side, _, channels] = model.model.network().image();
    let pixels = Canvas::new(picture.pixels.clone(), fit, side).seen();
    Ok(if channels == 1 { pixels.into_grey() } else { pixels.into_rgb() })
}

fn tensor(pixels: &Pixels, device: &Device) -> Tensor<4> {
    let ImageShape { height, width, channels } = pixels.shape();
    Tensor::from_data(TensorData::new(pixels.values(), [1, height, width, channels]), device)
}

fn pixels(values: &[f32], shape: ImageShape) -> Outcome<Vec<Pixels>> {
    // To nearest, so that a pixel that was kept has the byte it had.
    let picture = |values| Ok(Pixels::from_values(values, shape, Rounding::Edm)?);
    values.chunks_exact(shape.n_values()).map(picture).collect()
}

/// Gets the edit of a picture ready; none where pictures are drawn from noise.
pub fn open_editor(parameters: &Parameters, inputs: &Inputs, device: &Device) -> Outcome<Option<Editor>> {
    let Some(image) = inputs.images.first().filter(|_| parameters.task != Task::Interpolate) else {
        return Ok(None);
    };
    let model = &inputs.model;
    let [side, _, channels] = model.model.network().image();
    let in_channels = |pixels: Pixels| if channels == 1 { pixels.into_grey() } else { pixels.into_rgb() };
    let (constraint, image): (Box<dyn Constraint>, Tensor<4>) = match parameters.task {
        Task::Inpaint => {
            let unknown = unknown(image, inputs.mask.as_ref())?;
            let canvas = Canvas::new(image.pixels.clone(), parameters.fit, side);
            let mask = canvas.known(&unknown)?;
            if mask.iter().all(|known| *known == 1.0) {
                return Err(Failure::usage(
                    "nothing to fill in lies in the middle square, which the model sees",
                )
                .hint("--fit pad shows the model the whole picture"));
            }
            let seen = in_channels(canvas.seen_without(&unknown)?);
            (Box::new(Inpaint::new(&mask, [side, side], device)?), tensor(&seen, device))
        }
        Task::Colorize => {
            (Box::new(Colorize::default()), tensor(&seen(image, parameters.fit, model)?, device))
        }
        Task::SuperResolve => {
            let factor = parameters.factor.unwrap_or(1);
            let constraint = SuperResolve::new(factor);
            constraint.check([1, side, side, channels]).map_err(|error| {
                Failure::from(error)
                    .hint(format!("--factor must divide {side}, the size of the model's images"))
            })?;
            let small = Canvas::new(image.pixels.clone(), parameters.fit, side / factor).seen();
            let large = constraint.enlarge(tensor(&in_channels(small), device));
            (Box::new(constraint), large)
        }
        _ => (Box::new(Unconstrained), tensor(&seen(image, parameters.fit, model)?, device)),
    };
    constraint.check([1, side, side, channels])?;
    if matches!(parameters.task, Task::Stroke | Task::Vary | Task::Denoise) {
        return Ok(Some(Editor { constraint, known: image.zeros_like(), origin: image }));
    }
    let Edit { known, origin, .. } = Edit::of(&*constraint, image)?;
    Ok(Some(Editor { constraint, known, origin }))
}

/// Makes all pictures.
pub fn make(parameters: &Parameters, inputs: &Inputs, device: &Device) -> Outcome<Made> {
    let model = inputs.model.model.with_precision(parameters.precision.precision());
    let [height, width, channels] = model.network().image();
    let shape = ImageShape { height, width, channels };
    let levels = SamplingLevels::new(parameters.levels.clone())?;
    let editor = open_editor(parameters, inputs, device)?;
    let ends =
        if parameters.task == Task::Interpolate { inverted(parameters, inputs, device)? } else { None };
    let n = parameters.seeds.len();
    let (mut results, mut path) = (Vec::new(), vec![Vec::new(); parameters.levels.len()]);
    for first in (0..n).step_by(BATCH) {
        let seeds = &parameters.seeds[first..n.min(first + BATCH)];
        let labels = parameters.class.map(|class| vec![class; seeds.len()]);
        let condition = Condition { labels, ..Condition::default() };
        let mut estimates = Vec::new();
        let mut keep = |estimate: &Tensor<4>| {
            estimates.push(estimate.clone());
            true
        };
        let request = Request {
            shape: [seeds.len(), height, width, channels],
            condition: &condition,
            clamp: true,
            device,
            on_estimate: &mut keep,
        };
        let places: Vec<f64> =
            (first..first + seeds.len()).map(|i| i as f64 / (n - 1).max(1) as f64).collect();
        let mut noise: Box<dyn NoiseSource> = match (parameters, &ends) {
            (_, Some([a, b])) => Box::new(GivenNoise::between([a, b], &places, seeds)),
            (Parameters { between: Some([a, b]), .. }, _) => Box::new(BetweenSeeds::new(*a, *b, &places)),
            (Parameters { like: Some(seed), strength, .. }, _) => {
                // The first candidate's seed may be the one to stay near; the others lead away from it all the same.
                let others: Vec<u64> =
                    seeds.iter().map(|other| other.wrapping_add(*seed).wrapping_add(1)).collect();
                Box::new(BetweenSeeds::near(*seed, &others, strength.unwrap_or(1.0)))
            }
            _ => Box::new(SeedNoise::new(seeds)),
        };
        let edited = match &editor {
            None => sample_multistep(&model, &levels, &mut *noise, request)?,
            // The picture is noisy already: the first evaluation gets it as it is.
            Some(Editor { origin, .. }) if parameters.task == Task::Denoise => {
                let sigma = parameters.levels[0];
                let noisy = origin.clone().repeat_dim(0, seeds.len()) / sigma;
                let noisy = noisy.into_data().iter::<f32>().collect();
                sample_multistep(&model, &levels, &mut GivenNoise::new(noisy, seeds), request)?
            }
            Some(editor) => sample_edit(&model, &levels, &editor.edit(), &mut *noise, request)?,
        };
        let to_pixels =
            |images: Tensor<4>| pixels(&images.into_data().iter::<f32>().collect::<Vec<_>>(), shape);
        results.extend(to_pixels(edited)?);
        for (step, estimate) in path.iter_mut().zip(estimates) {
            step.extend(to_pixels(estimate)?);
        }
    }
    let before = before(parameters, inputs, editor.as_ref(), shape)?;
    if parameters.full {
        results = in_full(parameters, inputs, results)?;
    }
    Ok(Made { before, results, path })
}

/// The unit noises of the two pictures to go between.
fn inverted(parameters: &Parameters, inputs: &Inputs, device: &Device) -> Outcome<Option<[Vec<f32>; 2]>> {
    let (Some(teacher), [a, b]) = (&inputs.teacher, &inputs.images[..]) else { return Ok(None) };
    let [of_teacher, of_model] = [teacher, &inputs.model].map(|opened| opened.model.network().image());
    if of_teacher != of_model {
        return Err(Failure::usage(format!(
            "the teacher draws images of {of_teacher:?} (height, width, channels), the model of {of_model:?}"
        )));
    }
    let images = [a, b].map(|picture| seen(picture, parameters.fit, &inputs.model));
    let range = inputs.model.model.range();
    let rho = inputs.model.header.rho;
    let levels = TrainingLevels::karras(INVERSION_LEVELS, range.sigma_min, range.sigma_max, rho)?;
    let labels = parameters.class.filter(|_| teacher.model.network().n_classes().is_some());
    let condition = Condition { labels: labels.map(|class| vec![class; 2]), ..Condition::default() };
    let [a, b] = images;
    let both = Tensor::cat(vec![tensor(&a?, device), tensor(&b?, device)], 0);
    let noise = invert(&teacher.model, both, &levels, &condition)?;
    let values: Vec<f32> = noise.into_data().iter::<f32>().collect();
    let (a, b) = values.split_at(values.len() / 2);
    Ok(Some([a.to_vec(), b.to_vec()]))
}

/// What went in, for people: the picture as the model would see it, and what was known of it where that differs.
fn before(
    parameters: &Parameters,
    inputs: &Inputs,
    editor: Option<&Editor>,
    shape: ImageShape,
) -> Outcome<Vec<Pixels>> {
    if let (true, [image]) = (parameters.full, &inputs.images[..]) {
        let [side, _, _] = inputs.model.model.network().image();
        let canvas = Canvas::new(image.pixels.clone(), parameters.fit, side);
        let hidden = canvas.without(&unknown(image, inputs.mask.as_ref())?)?;
        return Ok(vec![image.pixels.clone(), hidden]);
    }
    let mut before = Vec::new();
    for picture in &inputs.images {
        before.push(seen(picture, parameters.fit, &inputs.model)?);
    }
    if let (Some(Editor { origin, .. }), Task::Inpaint | Task::Colorize | Task::SuperResolve) =
        (editor, parameters.task)
    {
        before.extend(pixels(&origin.clone().into_data().iter::<f32>().collect::<Vec<_>>(), shape)?);
        before.dedup();
    }
    Ok(before)
}

/// The pictures in their full size, with what was filled in laid over them.
fn in_full(parameters: &Parameters, inputs: &Inputs, results: Vec<Pixels>) -> Outcome<Vec<Pixels>> {
    let Some(image) = inputs.images.first() else { return Ok(results) };
    let [side, _, _] = inputs.model.model.network().image();
    let unknown = unknown(image, inputs.mask.as_ref())?;
    let canvas = Canvas::new(image.pixels.clone(), parameters.fit, side);
    Ok(results.iter().map(|result| canvas.paste(result, Some(&unknown))).collect())
}
