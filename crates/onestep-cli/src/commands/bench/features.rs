//! `onestep bench inception`: the networks that images are judged by.

use std::fmt::Write as _;

use onestep_bench::features::{dump, images, measure, network};
use onestep_bench::{Measured, by_kind};
use serde_json::{Map, Value};

use super::conditions::{self, Conditions};
use super::report::{digits, speed_json, table, without_small};
use super::{BATCH, SECONDS};
use crate::args::{BenchArgs, PassName, PrecisionName};
use crate::failure::{Failure, Outcome};

/// Measures and prints it.
pub fn run(args: &BenchArgs, quiet: bool) -> Outcome {
    let only_forward = matches!(args.what, PassName::All | PassName::Forward);
    if !args.settings.is_empty() || !only_forward || args.precision != PrecisionName::F32 {
        let message = "feature networks are measured forward and in f32: no --set, --what and --precision";
        return Err(Failure::usage(message));
    }
    let images = images(args.batch.map_or(BATCH, |batch| batch as usize))?;
    let network = network(&args.network)?;
    if let Some(folder) = &args.dump {
        dump(folder, &args.network, &images)?;
        if !quiet {
            eprintln!("wrote {}", folder.display());
        }
    }
    let seconds = args.seconds.unwrap_or(SECONDS);
    let (conditions, measured) =
        Conditions::around(args.precision.precision(), seconds, || measure(&*network, &images, seconds))?;
    let report = Report { name: network.name(), images: images.len(), conditions, measured };
    if args.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text(args.operators));
    }
    Ok(())
}

/// What was measured.
struct Report<'a> {
    name: &'a str,
    images: usize,
    conditions: Conditions,
    measured: Measured,
}

impl Report<'_> {
    fn text(&self, every_operator: bool) -> String {
        let Self { name, images, conditions, measured } = self;
        let (median, ceiling) = (measured.timing.median(), conditions.ceiling());
        let mut text = format!("{name}: batch {images} · {}", conditions::text(conditions));
        let _ = writeln!(
            text,
            "forward      {} images/s: median {} ms of {} runs, {} at best · {:.1} GFLOP/s, {:.1} % of the ceiling",
            digits(*images as f64 / median),
            digits(1e3 * median),
            measured.timing.runs(),
            digits(1e3 * measured.timing.min()),
            measured.flop / median / 1e9,
            100.0 * measured.flop / median / ceiling,
        );
        if every_operator {
            table(&mut text, "every operator", &measured.rows, measured, ceiling);
        } else {
            let rows = without_small(by_kind(&measured.rows), measured.profiled_seconds);
            table(&mut text, "by operator", &rows, measured, ceiling);
        }
        text
    }

    fn json(&self) -> Value {
        let Self { name, images, conditions, measured } = self;
        let mut object = Map::new();
        object.insert("network".into(), (*name).into());
        object.insert("batch".into(), (*images).into());
        conditions::extend(conditions, &mut object);
        object.insert("images_per_second".into(), (*images as f64 / measured.timing.median()).into());
        object.insert("forward".into(), speed_json(&measured.timing, measured.flop, conditions.ceiling()));
        Value::Object(object)
    }
}
