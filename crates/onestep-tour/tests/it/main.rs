//! The whole tour, and one that is left early.

use std::cell::RefCell;

use onestep::observer::{Event, Flow, Observer};
use onestep_tour::{Stop, Tour, Visitor};

/// Goes along as far as some number of events.
struct Guest {
    stops: RefCell<Vec<Stop>>,
    events_left: usize,
}

impl Observer for Guest {
    fn observe(&mut self, _: &Event) -> Flow {
        self.events_left = self.events_left.saturating_sub(1);
        if self.events_left == 0 { Flow::Stop } else { Flow::Continue }
    }
}

impl Visitor for Guest {
    fn arrives(&mut self, stop: Stop) {
        self.stops.get_mut().push(stop);
    }
}

#[test]
fn a_tour_shows_every_stop_and_needs_nothing_beside_its_page() {
    let mut guest = Guest { stops: RefCell::default(), events_left: usize::MAX };
    let page = Tour::builtin().unwrap().run(&mut guest).unwrap().expect("nobody stops it");
    assert_eq!(guest.stops.into_inner(), Stop::ALL);
    assert_eq!(page.sections.len(), Stop::ALL.len());
    for (_, section) in &page.sections {
        assert!(!section.figures.is_empty(), "{}", section.title);
        assert!(section.paragraphs.iter().all(|text| !text.contains("NaN")), "{}", section.title);
    }
    let html = page.html().unwrap();
    let pictures = html.matches("data:image/png;base64,").count();
    let drawn: usize = page.sections.iter().map(|(_, section)| section.figures.len()).sum();
    assert_eq!(pictures + html.matches("<svg").count(), drawn);
    for place in ["src=\"http", "href=\"http", "<script", "@import"] {
        assert!(!html.contains(place), "{place}");
    }
}

#[test]
fn a_tour_that_is_left_early_ends_there() {
    let mut guest = Guest { stops: RefCell::default(), events_left: 3 };
    assert!(Tour::builtin().unwrap().run(&mut guest).unwrap().is_none());
    assert!(guest.stops.into_inner().len() < Stop::ALL.len());
}
