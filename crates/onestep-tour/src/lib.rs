//! A tour of consistency models: what the models that come with onestep do on this machine, as one page. Nothing is printed.
//!
//! 1. A [`Tour`] goes through its [`Stop`]s, each of which draws, edits, trains or measures and tells it as a [`Section`].
//! 2. A [`Page`] is the sections as HTML that needs nothing beside it.
//!
//! ```no_run
//! use onestep_tour::{Tour, Quiet};
//!
//! let page = Tour::builtin()?.run(&mut Quiet)?.expect("nobody stops it");
//! std::fs::write("tour.html", page.html()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod curve;
mod editing;
mod page;
mod sampling;
mod section;
mod stop;
mod tour;
mod training;
mod visitor;

pub use page::{NEXT, Page};
pub use section::{Art, Figure, Section};
pub use stop::Stop;
pub use tour::Tour;
pub use visitor::{Quiet, Visitor};
