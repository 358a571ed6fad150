//! What is to be computed, once a request was found to be one that can be done.

use onestep::edit;
use onestep::sample::class_of_seed;

use crate::refusal::Refusal;
use crate::shelf::Entry;

/// What models of portraits say that they were trained on.
const PORTRAITS: &str = "builtin:portraits";

/// Images of a point where nobody says, and the most of them.
const USUAL: usize = 64;
const MOST: usize = 1000;

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Work {
    /// Images are drawn.
    Draw(DrawWork),
    /// Pictures are edited.
    Edit(Box<EditWork>),
    /// A curve is measured.
    Curve(CurveWork),
}

impl Work {
    /// Its images.
    pub fn size(&self) -> usize {
        match self {
            Work::Draw(work) => work.seeds.len(),
            Work::Edit(work) => work.job.frames().unwrap_or(work.seeds.len()),
            Work::Curve(work) => work.n,
        }
    }
}

/// Images to draw.
#[derive(Debug, Clone)]
pub(crate) struct DrawWork {
    /// The model.
    pub model: Entry,
    /// One seed an image.
    pub seeds: Vec<u64>,
    /// The class of all; none to draw one from each seed.
    pub class: Option<usize>,
    /// Steps.
    pub steps: Option<usize>,
    /// Levels, in place of steps.
    pub levels: Option<Vec<f64>>,
    /// The guidance scale.
    pub guidance: Option<f64>,
}

impl DrawWork {
    /// The class of each image.
    pub fn classes(&self) -> Option<Vec<usize>> {
        let n_classes = self.model.view.n_classes?;
        Some(
            self.seeds
                .iter()
                .map(|&seed| self.class.unwrap_or_else(|| class_of_seed(seed, n_classes)))
                .collect(),
        )
    }

    /// What has to be equal for images to be drawn together.
    pub fn key(&self) -> DrawKey {
        let levels = self.levels.as_ref().map(|levels| levels.iter().map(|level| level.to_bits()).collect());
        (self.model.view.id.clone(), self.steps, levels, self.guidance.map(f64::to_bits))
    }
}

/// What has to be equal for images to be drawn together.
pub(crate) type DrawKey = (String, Option<usize>, Option<Vec<u64>>, Option<u64>);

/// Pictures to edit.
#[derive(Debug)]
pub(crate) struct EditWork {
    /// The model.
    pub model: Entry,
    /// The diffusion model that finds the noises of pictures.
    pub teacher: Option<Entry>,
    /// What is done, with its pictures.
    pub job: edit::Job,
    /// One seed a candidate.
    pub seeds: Vec<u64>,
    /// The class; none to have it guessed.
    pub class: Option<usize>,
    /// Steps.
    pub steps: Option<usize>,
    /// Levels, in place of steps.
    pub levels: Option<Vec<f64>>,
    /// The guidance scale.
    pub guidance: Option<f64>,
}

/// A curve to measure.
#[derive(Debug, Clone)]
pub(crate) struct CurveWork {
    /// The model.
    pub model: Entry,
    /// Images of a point.
    pub n: usize,
}

impl CurveWork {
    /// A curve of so many images a point, for a model that has an exact score.
    pub fn new(model: Entry, n: Option<usize>) -> Result<Self, Refusal> {
        if !model.view.data.starts_with(PORTRAITS) {
            let message = format!(
                "`{}` was trained on {}, and only portraits have an exact score; `onestep eval curve` measures others",
                model.view.id, model.view.data
            );
            return Err(Refusal::field("model", message));
        }
        match n.unwrap_or(USUAL) {
            n if (1..=MOST).contains(&n) => Ok(Self { model, n }),
            n => Err(Refusal::field("n", format!("`n` must be 1 to {MOST}, not {n}"))),
        }
    }
}
