//! Who goes along on a tour.

use onestep::observer::{Estimate, Event, Flow, Observer};

use crate::stop::Stop;

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

/// A visitor as an observer of the library's work.
pub(crate) struct Along<'a>(pub(crate) &'a mut dyn Visitor);

impl Observer for Along<'_> {
    fn observe(&mut self, event: &Event) -> Flow {
        self.0.observe(event)
    }

    fn look(&mut self, estimate: &Estimate<'_>) -> Flow {
        self.0.look(estimate)
    }
}
