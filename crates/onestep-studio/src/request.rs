//! What a job is asked to do, as JSON, and what it comes to.

use axum::http::StatusCode;
use onestep::edit::{CanvasFit, Job, MaskMarks, Picture};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::input::Inputs;
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::shelf::{Entry, Shelf};
use crate::work::{CurveWork, DrawWork, EditWork, Work};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaskName {
    /// Draw images.
    Generate,
    /// Fill in what a mask marks.
    Inpaint,
    /// Color a grey picture.
    Colorize,
    /// Enlarge a small picture.
    SuperResolve,
    /// Turn a drawing into a picture.
    Stroke,
    /// Remove noise.
    Denoise,
    /// Images between two seeds, or two pictures.
    Interpolate,
    /// Images like a picture, or like that of a seed.
    Vary,
    /// Measure quality against cost.
    Curve,
}

impl TaskName {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Generate,
        Self::Inpaint,
        Self::Colorize,
        Self::SuperResolve,
        Self::Stroke,
        Self::Denoise,
        Self::Interpolate,
        Self::Vary,
        Self::Curve,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Inpaint => "inpaint",
            Self::Colorize => "colorize",
            Self::SuperResolve => "super-resolve",
            Self::Stroke => "stroke",
            Self::Denoise => "denoise",
            Self::Interpolate => "interpolate",
            Self::Vary => "vary",
            Self::Curve => "curve",
        }
    }

    /// The fields that it takes beside those of all.
    fn takes(self) -> Vec<&'static str> {
        const DRAWN: &[&str] = &["seed", "steps", "levels", "class", "guidance", "partial"];
        const MANY: &[&str] = &["seeds", "n"];
        const EDITED: &[&str] = &["fit", "image"];
        let parts: [&[&str]; 4] = match self {
            Self::Generate => [DRAWN, MANY, &[], &[]],
            Self::Inpaint => [DRAWN, MANY, EDITED, &["mask", "marks"]],
            Self::Colorize => [DRAWN, MANY, EDITED, &[]],
            Self::SuperResolve => [DRAWN, MANY, EDITED, &["factor"]],
            Self::Stroke => [DRAWN, MANY, EDITED, &["strength"]],
            Self::Denoise => [DRAWN, MANY, EDITED, &["noise"]],
            Self::Interpolate => [DRAWN, &[], &[], &["fit", "ends", "images", "teacher", "frames"]],
            Self::Vary => [DRAWN, MANY, EDITED, &["near", "strength"]],
            Self::Curve => [&["n"], &[], &[], &[]],
        };
        parts.concat()
    }
}

/// A class by its name or its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Called {
    /// Its number, from 0.
    Number(usize),
    /// Its name, or the beginning of it.
    Name(String),
}

impl Called {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

/// How a picture that is not of the model's shape is brought to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fit {
    /// The largest part in the middle.
    Crop,
    /// All of it, with its border repeated.
    Pad,
}

/// What in a mask marks the pixels that are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Marks {
    /// Found out from the mask.
    Auto,
    /// What is opaque.
    Opaque,
    /// What is transparent.
    Transparent,
    /// What is white.
    White,
}

impl From<Marks> for MaskMarks {
    fn from(marks: Marks) -> Self {
        match marks {
            Marks::Auto => Self::Auto,
            Marks::Opaque => Self::Opaque,
            Marks::Transparent => Self::Transparent,
            Marks::White => Self::White,
        }
    }
}

impl From<MaskMarks> for Marks {
    fn from(marks: MaskMarks) -> Self {
        match marks {
            MaskMarks::Auto => Self::Auto,
            MaskMarks::Opaque => Self::Opaque,
            MaskMarks::Transparent => Self::Transparent,
            MaskMarks::White => Self::White,
        }
    }
}

/// What a job is asked to do. A field that the task has no use for is refused.
///
/// Pictures are data URLs (`data:image/png;base64,...`), or `input:` and a digest, as `POST /api/v1/inputs` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"task": "generate", "seed": 7, "n": 4, "steps": 1}))]
pub(crate) struct JobRequest {
    /// What is done.
    pub task: TaskName,
    /// The model; without it the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The seed of the first image, from which the others' count up; without it one is drawn by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uint64")]
    pub seed: Option<u64>,
    /// One seed an image, in place of `seed` and `n`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Vec<u64>>,
    /// How many images; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub n: Option<usize>,
    /// Steps: network evaluations of a consistency model, levels of a diffusion model; without it those that suit the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub steps: Option<usize>,
    /// The noise levels to visit, descending, in place of `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<f64>>,
    /// The class; without it drawn from the seed, or guessed from the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Called>,
    /// The guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// The picture to be edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What is to be filled in: white in a picture without transparency, transparent in one with a hole; without it, what is
    /// transparent in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// What in the mask marks; `auto` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Marks>,
    /// How much is drawn anew, from 0 for nothing to 1 for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub strength: Option<f64>,
    /// How many times larger; 2 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub factor: Option<usize>,
    /// Deviation of the noise in levels of 255; without it, it is estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub noise: Option<f64>,
    /// The two seeds to go between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 2)]
    pub ends: Option<[u64; 2]>,
    /// The two pictures to go between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 2, max_items = 2)]
    pub images: Option<[String; 2]>,
    /// The diffusion model that finds the noises of two pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Images on the way, both ends included; 8 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2)]
    pub frames: Option<usize>,
    /// The seed to stay near, in place of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "uint64")]
    pub near: Option<u64>,
    /// How pictures are brought to the model's shape; `crop` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Whether every step is told to whoever listens to the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// Whether the results are kept on the server's disk; they are where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    /// Who asks: of live jobs with one client, the last alone is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl JobRequest {
    /// A request to do something, and nothing said about how.
    pub fn new(task: TaskName) -> Self {
        Self {
            task,
            model: None,
            seed: None,
            seeds: None,
            n: None,
            steps: None,
            levels: None,
            class: None,
            guidance: None,
            image: None,
            mask: None,
            marks: None,
            strength: None,
            factor: None,
            noise: None,
            ends: None,
            images: None,
            teacher: None,
            frames: None,
            near: None,
            fit: None,
            partial: None,
            keep: None,
            client: None,
        }
    }

    /// The request with everything said that was left to chance, so that it says the same when it is asked again.
    pub fn settled(mut self) -> Self {
        if self.task.takes().contains(&"seed") && self.seed.is_none() && self.seeds.is_none() {
            let mut bytes = [0; 4];
            // Without chance, all begin at 0.
            let _ = getrandom::fill(&mut bytes);
            self.seed = Some(u32::from_le_bytes(bytes).into());
        }
        self
    }

    /// The request with its pictures kept as files, so that it can be asked again.
    pub fn with_kept_pictures(mut self, inputs: &Inputs) -> Result<Self, Refusal> {
        let keep = |called: &mut String, field: &str| match inputs.find(called, field)? {
            Some(_) => Ok(()),
            None => {
                *called = inputs.keep(&inputs.of_data_url(called, field)?, field)?.id;
                Ok::<_, Refusal>(())
            }
        };
        for (called, field) in [(&mut self.image, "image"), (&mut self.mask, "mask")] {
            called.as_mut().map_or(Ok(()), |called| keep(called, field))?;
        }
        self.images.iter_mut().flatten().try_for_each(|called| keep(called, "images"))?;
        Ok(self)
    }

    /// What its pictures are called.
    pub fn pictures(&self) -> impl Iterator<Item = &str> {
        [&self.image, &self.mask]
            .into_iter()
            .flatten()
            .chain(self.images.iter().flatten())
            .map(String::as_str)
    }

    /// What is to be done, if it can be.
    pub fn work(&self, shelf: &Shelf, inputs: &Inputs, limits: &Limits) -> Result<Work, Refusal> {
        self.check_fields()?;
        let model = shelf.find(self.model.as_deref())?;
        self.check_numbers(limits)?;
        let class = match &self.class {
            Some(called) => Some(model.view.class_number(&called.text())?),
            None => None,
        };
        match self.task {
            TaskName::Generate => {
                let seeds = self.seeds(limits)?;
                let (steps, levels, guidance) = (self.steps, self.levels.clone(), self.guidance);
                Ok(Work::Draw(DrawWork { model, seeds, class, steps, levels, guidance }))
            }
            TaskName::Curve => Ok(Work::Curve(CurveWork::new(model, self.n)?)),
            _ => {
                if !model.view.edits {
                    let message = format!(
                        "`{}` is a {} model, and editing needs one that draws in a few steps",
                        model.view.id, model.view.kind
                    );
                    return Err(Refusal::field("model", message));
                }
                let (job, teacher) = self.job(shelf, inputs)?;
                let seeds = if self.task == TaskName::Interpolate {
                    vec![self.seed.unwrap_or_default()]
                } else {
                    self.seeds(limits)?
                };
                let (steps, levels, guidance) = (self.steps, self.levels.clone(), self.guidance);
                let work = EditWork { model, teacher, job, seeds, class, steps, levels, guidance };
                Ok(Work::Edit(Box::new(work)))
            }
        }
    }

    /// The edit with its pictures, and the model that finds their noises where it needs one.
    fn job(&self, shelf: &Shelf, inputs: &Inputs) -> Result<(Job, Option<Entry>), Refusal> {
        let picture = |called: &Option<String>, field: &str| match called {
            Some(called) => opened(inputs, called, field),
            None => Err(Refusal::field(field, format!("{} needs `{field}`", self.task.name()))),
        };
        let fit = match self.fit {
            Some(Fit::Pad) => CanvasFit::Pad,
            _ => CanvasFit::Crop,
        };
        let mut teacher = None;
        let job = match self.task {
            TaskName::Inpaint => {
                let image = picture(&self.image, "image")?;
                let mask = self.mask.as_ref().map(|mask| opened(inputs, mask, "mask")).transpose()?;
                Job::Inpaint {
                    image,
                    mask,
                    marks: self.marks.unwrap_or(Marks::Auto).into(),
                    fit,
                    full: false,
                }
            }
            TaskName::Colorize => Job::Colorize { image: picture(&self.image, "image")?, fit },
            TaskName::SuperResolve => {
                let factor = self.factor.unwrap_or(2);
                Job::SuperResolve { image: picture(&self.image, "image")?, factor, fit }
            }
            TaskName::Stroke => {
                Job::Stroke { image: picture(&self.image, "image")?, strength: self.strength, fit }
            }
            TaskName::Denoise => {
                Job::Denoise { image: picture(&self.image, "image")?, noise: self.noise, fit }
            }
            TaskName::Vary => match (self.near, &self.image) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::field("near", "vary takes `image` or `near`, not both"));
                }
                (Some(seed), None) => match Job::vary_seed(seed) {
                    job if self.strength.is_none() => job,
                    job => job.with_strength(self.strength.unwrap_or_default()),
                },
                (None, image) => Job::Vary { image: picture(image, "image")?, strength: self.strength, fit },
            },
            _ => {
                let frames = self.frames.unwrap_or(8);
                match (self.ends, &self.images) {
                    (Some(seeds), None) => Job::InterpolateSeeds { seeds, frames },
                    (None, Some([first, second])) => {
                        let name = self.teacher.as_deref();
                        let name = name.ok_or_else(|| {
                            Refusal::field(
                                "teacher",
                                "`teacher` must name the diffusion model that finds the noises of pictures",
                            )
                        })?;
                        teacher = Some(shelf.find(Some(name))?);
                        let images = [opened(inputs, first, "images")?, opened(inputs, second, "images")?];
                        Job::InterpolatePictures { images, frames, fit }
                    }
                    _ => {
                        return Err(Refusal::field(
                            "ends",
                            "interpolate takes `ends`, two seeds, or `images`, two pictures",
                        ));
                    }
                }
            }
        };
        Ok((job, teacher))
    }

    /// One seed an image.
    fn seeds(&self, limits: &Limits) -> Result<Vec<u64>, Refusal> {
        let seeds = match (&self.seeds, self.seed, self.n) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err(Refusal::field("seeds", "`seeds` takes the place of `seed` and `n`"));
            }
            (Some(seeds), None, None) => seeds.clone(),
            (None, first, n) => {
                let (first, n) = (first.unwrap_or_default(), n.unwrap_or(1));
                (0..n.min(limits.images + 1) as u64).map(|at| first.wrapping_add(at)).collect()
            }
        };
        match seeds.len() {
            n if n < 1 || n > limits.images => {
                let message = format!("a job makes 1 to {} images; ask for several jobs", limits.images);
                Err(Refusal::field(if self.seeds.is_some() { "seeds" } else { "n" }, message))
            }
            _ => Ok(seeds),
        }
    }

    fn check_numbers(&self, limits: &Limits) -> Result<(), Refusal> {
        let within = |field: &str, value: Option<usize>, least: usize, most: usize| match value {
            Some(value) if value < least || value > most => {
                Err(Refusal::field(field, format!("`{field}` must be {least} to {most}, not {value}")))
            }
            _ => Ok(()),
        };
        within("steps", self.steps, 1, limits.steps)?;
        within("levels", self.levels.as_ref().map(Vec::len), 1, limits.steps)?;
        within("frames", self.frames, 2, limits.frames)?;
        within("factor", self.factor, 1, 64)?;
        if self.steps.is_some() && self.levels.is_some() {
            return Err(Refusal::field("levels", "`levels` takes the place of `steps`"));
        }
        match &self.client {
            Some(client) if client.len() > 64 => {
                Err(Refusal::field("client", "`client` has at most 64 letters"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a field that the task has no use for.
    fn check_fields(&self) -> Result<(), Refusal> {
        let said = [
            ("seed", self.seed.is_some()),
            ("seeds", self.seeds.is_some()),
            ("n", self.n.is_some()),
            ("steps", self.steps.is_some()),
            ("levels", self.levels.is_some()),
            ("class", self.class.is_some()),
            ("guidance", self.guidance.is_some()),
            ("image", self.image.is_some()),
            ("mask", self.mask.is_some()),
            ("marks", self.marks.is_some()),
            ("strength", self.strength.is_some()),
            ("factor", self.factor.is_some()),
            ("noise", self.noise.is_some()),
            ("ends", self.ends.is_some()),
            ("images", self.images.is_some()),
            ("teacher", self.teacher.is_some()),
            ("frames", self.frames.is_some()),
            ("near", self.near.is_some()),
            ("fit", self.fit.is_some()),
            ("partial", self.partial.is_some()),
        ];
        let takes = self.task.takes();
        match said.iter().find(|(field, said)| *said && !takes.contains(field)) {
            Some((field, _)) => {
                let message =
                    format!("{} has no use for `{field}`; it takes {}", self.task.name(), takes.join(", "));
                let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "unknown_parameter", message);
                refusal.problem.param = Some((*field).into());
                Err(refusal)
            }
            None => Ok(()),
        }
    }
}

/// A picture of a request.
fn opened(inputs: &Inputs, called: &str, field: &str) -> Result<Picture, Refusal> {
    match inputs.find(called, field)? {
        Some(path) => Picture::open(path)
            .map_err(|_| Refusal::field(field, format!("`{field}` cannot be read any more; send it again"))),
        None => inputs.decode(&inputs.of_data_url(called, field)?, field),
    }
}
