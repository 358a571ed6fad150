//! What was measured of single operators, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::single::{DIRECTIONS, Directions, Single};
use super::table::{digits, of_ceiling, speed_json};

/// Widths of the first two columns.
const NAME: usize = 19;
const SHAPE: usize = 14;

/// Single operators and what was measured of them.
pub struct OperatorReport {
    /// Each operator, images at a time, and its times.
    pub measured: Vec<(Single, usize, Directions)>,
    /// The circumstances.
    pub conditions: Conditions,
}

impl OperatorReport {
    /// For people: a table.
    pub fn text(&self) -> String {
        let Self { measured, conditions } = self;
        let mut text = format!("operators: {}\n", conditions.text());
        let mut head = " ".repeat(NAME + SHAPE);
        for direction in DIRECTIONS {
            let _ = write!(head, "  {direction:>15} {:>8} {:>9}", "GFLOP/s", "ceiling");
        }
        let _ = writeln!(text, "{head}");
        for (single, batch, directions) in measured {
            let mut line = format!("{:<NAME$}{:<SHAPE$}", single.name(), single.shape(*batch));
            for direction in directions {
                match direction {
                    Some((timing, flop)) => {
                        let speed = flop / timing.median();
                        let _ = write!(
                            line,
                            "  {:>12} ms {:>8.1} {:>9}",
                            digits(1e3 * timing.median()),
                            speed / 1e9,
                            of_ceiling(speed, conditions.ceiling())
                        );
                    }
                    None => line.push_str(&" ".repeat(36)),
                }
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    /// For programs: everything, one object.
    pub fn json(&self) -> Value {
        let Self { measured, conditions } = self;
        let operators: Vec<Value> = measured
            .iter()
            .map(|(single, batch, directions)| {
                let mut row = Map::new();
                row.insert("name".into(), single.name().into());
                row.insert("shape".into(), single.shape(*batch).into());
                row.insert("batch".into(), (*batch).into());
                for (name, direction) in DIRECTIONS.into_iter().zip(directions) {
                    if let Some((timing, flop)) = direction {
                        let speed = speed_json(timing, *flop, conditions.ceiling());
                        row.insert(name.replace(' ', "_"), speed);
                    }
                }
                Value::Object(row)
            })
            .collect();
        let mut object = Map::new();
        conditions.extend(&mut object);
        object.insert("operators".into(), operators.into());
        Value::Object(object)
    }
}
