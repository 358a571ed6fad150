//! What was measured of a feature network, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::passes::Measured;
use super::rows::by_kind;
use super::table::{self, digits, speed_json};

/// A network that images are judged by, and what was measured of it.
pub struct FeatureReport<'a> {
    /// What the network is called.
    pub name: &'a str,
    /// Images at a time.
    pub images: usize,
    /// The circumstances.
    pub conditions: Conditions,
    /// What was measured.
    pub measured: Measured,
}

impl FeatureReport<'_> {
    /// For people: a summary, and the operators added up, or each by its sizes.
    pub fn text(&self, every_operator: bool) -> String {
        let Self { name, images, conditions, measured } = self;
        let (median, ceiling) = (measured.timing.median(), conditions.ceiling());
        let mut text = format!("{name}: batch {images} · {}", conditions.text());
        let _ = writeln!(
            text,
            "forward      {} images/s: median {} ms of {} runs, {} at best · {:.1} GFLOP/s, {} of the ceiling",
            digits(*images as f64 / median),
            digits(1e3 * median),
            measured.timing.runs(),
            digits(1e3 * measured.timing.min()),
            measured.flop / median / 1e9,
            table::of_ceiling(measured.flop / median, ceiling),
        );
        if every_operator {
            table::write(&mut text, "every operator", &measured.rows, measured, ceiling);
        } else {
            let rows = table::without_small(by_kind(&measured.rows), measured.profiled_seconds);
            table::write(&mut text, "by operator", &rows, measured, ceiling);
        }
        text
    }

    /// For programs: everything, one object.
    pub fn json(&self) -> Value {
        let Self { name, images, conditions, measured } = self;
        let mut object = Map::new();
        object.insert("network".into(), (*name).into());
        object.insert("batch".into(), (*images).into());
        conditions.extend(&mut object);
        object.insert("images_per_second".into(), (*images as f64 / measured.timing.median()).into());
        object.insert("forward".into(), speed_json(&measured.timing, measured.flop, conditions.ceiling()));
        Value::Object(object)
    }
}
