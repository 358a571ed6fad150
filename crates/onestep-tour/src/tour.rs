//! The way: which stops there are, in which order, and who goes along.

use std::time::Instant;

use onestep::data::Pixels;
use onestep::model::PrecisionChoice;
use onestep::observer::{Event, Flow, Observer};
use onestep::{DefiniteDraw, Model, OpenOptions, Result};

use crate::page::Page;
use crate::section::Section;
use crate::{curve, editing, sampling, training};

/// The diffusion model and the consistency model that a tour shows where nobody names others.
const BUILTIN: [&str; 2] = ["builtin:portraits-edm", "builtin:portraits"];

/// A part of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A diffusion model beside one step.
    OneStep,
    /// One, two and four steps.
    MoreSteps,
    /// Editing without training for it.
    Editing,
    /// From one image to another.
    Interpolation,
    /// Quality against cost.
    Curve,
    /// Training without a teacher.
    Training,
}

impl Stop {
    /// All of them, in the order of the tour.
    pub const ALL: [Self; 6] =
        [Self::OneStep, Self::MoreSteps, Self::Editing, Self::Interpolation, Self::Curve, Self::Training];

    /// What happens there, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneStep => "one step beside thirty-five evaluations",
            Self::MoreSteps => "more steps",
            Self::Editing => "editing",
            Self::Interpolation => "from one image to another",
            Self::Curve => "quality against cost",
            Self::Training => "training without a teacher",
        }
    }

    /// Commands that do the same, or more of it.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Self::OneStep => &[
                "onestep sample builtin:portraits-edm --seeds 0-31 --out teacher.png",
                "onestep sample builtin:portraits --seeds 0-31 --out one-step.png",
            ],
            Self::MoreSteps => {
                &["onestep sample builtin:portraits --seeds 0-15 --steps 4 --out four-steps.png"]
            }
            Self::Editing => &[
                "onestep edit inpaint builtin:portraits face.png --mask hole.png --out filled.png",
                "onestep edit colorize builtin:portraits grey.png --out colored.png",
            ],
            Self::Interpolation => {
                &["onestep edit interpolate builtin:portraits --between 0,1 --frames 12 --out way.png"]
            }
            Self::Curve => &["onestep eval builtin:portraits-cmt-ect -m legal -n 1000"],
            Self::Training => &[
                "onestep train toy2d-ct --out runs/moons",
                "onestep sample runs/moons --seeds 0-1999 --out moons.png",
            ],
        }
    }
}

/// Who goes along: is told of every stop, and of what goes on there, and can end the tour.
pub trait Visitor: Observer {
    /// Called before a stop begins.
    fn arrives(&mut self, stop: Stop);
}

/// A visitor who says nothing and sees everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn observe(&mut self, _: &Event) -> Flow {
        Flow::Continue
    }
}

impl Visitor for Quiet {
    fn arrives(&mut self, _: Stop) {}
}

/// A tour with the models that it shows.
#[derive(Debug, Clone)]
pub struct Tour {
    pub(crate) teacher: Model,
    pub(crate) student: Model,
}

impl Tour {
    /// A tour of the models that come with the library, in the arithmetic that is fastest here.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotBuiltIn`](onestep::checkpoint::CheckpointError::NotBuiltIn) in a build without them.
    pub fn builtin() -> Result<Self> {
        let options = OpenOptions::default().precision(PrecisionChoice::Auto);
        let [teacher, student] = BUILTIN.map(|name| options.open(name));
        Ok(Self { teacher: teacher?, student: student? })
    }

    /// Goes through all stops; none if the visitor wants to stop before the end.
    ///
    /// # Randomness
    ///
    /// None but of seeds that are the same in every tour: only the times differ.
    ///
    /// # Errors
    ///
    /// Whatever drawing, editing, judging and training meet.
    pub fn run(&self, visitor: &mut dyn Visitor) -> Result<Option<Page>> {
        let started = Instant::now();
        let mut sections = Vec::new();
        for stop in Stop::ALL {
            visitor.arrives(stop);
            match self.section(stop, visitor)? {
                Some(section) => sections.push((stop, section)),
                None => return Ok(None),
            }
        }
        let precision = self.student.precision().map_or("f32", |precision| precision.name());
        let seconds = started.elapsed().as_secs_f64();
        let threads = rayon::current_num_threads();
        Ok(Some(Page { sections, seconds, threads, precision }))
    }

    fn section(&self, stop: Stop, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
        match stop {
            Stop::OneStep => sampling::one_step(self, visitor),
            Stop::MoreSteps => sampling::more_steps(self, visitor),
            Stop::Editing => editing::gallery(self, visitor),
            Stop::Interpolation => editing::interpolation(self, visitor),
            Stop::Curve => curve::quality_against_cost(self, visitor),
            Stop::Training => training::in_isolation(visitor),
        }
    }
}

/// What was drawn, and how long it took.
pub(crate) struct Drawn {
    pub(crate) pictures: Vec<Pixels>,
    pub(crate) seconds: f64,
    pub(crate) nfe: usize,
}

/// Draws and takes the time; none if the visitor wants to stop before the end.
pub(crate) fn draw(draw: &DefiniteDraw<'_>, visitor: &mut dyn Visitor) -> Result<Option<Drawn>> {
    let started = Instant::now();
    let samples = draw.run_with(&mut Along(visitor))?;
    let seconds = started.elapsed().as_secs_f64();
    if samples.seeds.len() < draw.seeds().len() {
        return Ok(None);
    }
    let pictures = samples.pixels(onestep::data::Rounding::Edm)?;
    Ok(Some(Drawn { pictures, seconds, nfe: draw.nfe() }))
}

/// A visitor as an observer of the library's work.
pub(crate) struct Along<'a>(pub(crate) &'a mut dyn Visitor);

impl Observer for Along<'_> {
    fn observe(&mut self, event: &Event) -> Flow {
        self.0.observe(event)
    }
}
