//! The way from stop to stop, with the models that are shown on it.

use std::time::Instant;

use onestep::checkpoint::{USUAL_MODEL, USUAL_TEACHER};
use onestep::model::PrecisionChoice;
use onestep::{Model, OpenOptions, Result};

use crate::page::Page;
use crate::section::Section;
use crate::stop::Stop;
use crate::visitor::Visitor;
use crate::{curve, editing, sampling, training};

/// A tour with the models that it shows.
#[derive(Debug, Clone)]
pub struct Tour {
    teacher: Model,
    student: Model,
}

impl Tour {
    /// A tour of the models that come with the library, in the arithmetic that is fastest here.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::NotBuiltIn`](onestep::checkpoint::CheckpointError::NotBuiltIn) in a build without them.
    pub fn builtin() -> Result<Self> {
        let options = OpenOptions::default().precision(PrecisionChoice::Auto);
        Ok(Self { teacher: options.open(USUAL_TEACHER)?, student: options.open(USUAL_MODEL)? })
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
        let Self { teacher, student } = self;
        match stop {
            Stop::OneStep => sampling::one_step(teacher, student, visitor),
            Stop::MoreSteps => sampling::more_steps(student, visitor),
            Stop::Editing => editing::gallery(student, visitor),
            Stop::Interpolation => editing::interpolation(student, visitor),
            Stop::Curve => curve::quality_against_cost(teacher, student, visitor),
            Stop::Training => training::in_isolation(visitor),
        }
    }
}
