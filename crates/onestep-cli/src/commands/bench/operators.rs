//! `onestep bench operators`: the operators alone, at the sizes of image networks.

use std::fmt::Write as _;

use onestep_bench::single::{self, DIRECTIONS, Directions, Single};
use serde_json::{Map, Value};

use super::conditions::{self, Conditions};
use super::report::{digits, speed_json};
use crate::args::BenchArgs;
use crate::failure::{Failure, Outcome};
use crate::progress::bar;

/// Images at a time unless asked otherwise.
const BATCHES: [usize; 3] = [1, 8, 32];
/// Seconds an operator unless asked otherwise.
const SECONDS: f64 = 0.3;
/// Widths of the first two columns.
const NAME: usize = 19;
const SHAPE: usize = 14;

/// Measures and prints them.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    if args.dump.is_some() || !args.settings.is_empty() {
        return Err(Failure::usage("`bench operators` measures no network: it takes no --dump and no --set"));
    }
    let batches = args.batch.map_or(BATCHES.to_vec(), |batch| vec![batch as usize]);
    let work: Vec<(Single, usize)> = single::all()
        .into_iter()
        .flat_map(|single| batches.iter().map(move |&batch| (single, batch)))
        .collect();
    let seconds = args.seconds.unwrap_or(SECONDS);
    let bar = bar(work.len() as u64, "operators", quiet);
    let (conditions, measured) =
        Conditions::around(args.precision.precision(), args.seconds.unwrap_or(1.0), || {
            let measured = work.into_iter().map(|(single, batch)| {
                bar.set_message(format!("· {} {}", single.name(), single.shape(batch)));
                let directions = single.measure(args.precision.precision(), batch, seconds);
                bar.inc(1);
                (single, batch, directions)
            });
            Outcome::Ok(measured.collect::<Vec<_>>())
        })?;
    bar.finish_and_clear();
    if args.json {
        println!("{:#}", to_json(&measured, &conditions));
    } else {
        print!("{}", to_text(&measured, &conditions));
    }
    Ok(())
}

fn to_text(measured: &[(Single, usize, Directions)], conditions: &Conditions) -> String {
    let mut text = format!("operators: {}\n", conditions::text(conditions));
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
                        "  {:>12} ms {:>8.1} {:>7.1} %",
                        digits(1e3 * timing.median()),
                        speed / 1e9,
                        100.0 * speed / conditions.ceiling()
                    );
                }
                None => line.push_str(&" ".repeat(36)),
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn to_json(measured: &[(Single, usize, Directions)], conditions: &Conditions) -> Value {
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
    conditions::extend(conditions, &mut object);
    object.insert("operators".into(), operators.into());
    Value::Object(object)
}
