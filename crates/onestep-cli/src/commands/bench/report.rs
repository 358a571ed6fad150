//! How `bench` shows what it measured.

use std::fmt::Write as _;

use onestep::model::n_parameters;
use onestep_bench::{Measured, Row, Subject, Timing, by_kind};
use serde_json::{Map, Value, json};

use super::Passes;
use super::conditions::{self, Conditions};

/// Operators of a smaller share are added up in the short table.
const SMALL: f64 = 0.005;

/// A network and what was measured of it.
pub struct Report<'a> {
    pub subject: &'a Subject,
    pub batch: usize,
    pub conditions: Conditions,
    pub passes: Passes,
}

impl Report<'_> {
    /// For people: a summary, and the operators of the longest pass, or of every pass by their sizes.
    pub fn text(&self, every_operator: bool) -> String {
        let [height, width, channels] = self.subject.model.network().image();
        let ceiling = self.conditions.ceiling();
        let mut text = format!(
            "{}: {:.2} M parameters · {width}x{height}x{channels} · batch {} · {}",
            self.subject.name,
            self.n_parameters() as f64 / 1e6,
            self.batch,
            conditions::text(&self.conditions),
        );
        let _ = writeln!(
            text,
            "\n{:<15} {:>11} {:>11} {:>6} {:>10} {:>10} {:>10} {:>11}",
            "", "median", "min", "runs", "images/s", "GFLOP", "GFLOP/s", "of ceiling"
        );
        for (name, pass) in self.passes() {
            let median = pass.timing.median();
            let _ = writeln!(
                text,
                "{name:<15} {:>8} ms {:>8} ms {:>6} {:>10} {:>10} {:>10.1} {:>9.1} %",
                digits(1e3 * median),
                digits(1e3 * pass.timing.min()),
                pass.timing.runs(),
                digits(self.batch as f64 / median),
                digits(pass.flop / 1e9),
                pass.flop / median / 1e9,
                100.0 * pass.flop / median / ceiling,
            );
        }
        if every_operator {
            for (name, pass) in self.passes() {
                table(&mut text, &format!("{name}, every operator"), &pass.rows, pass, ceiling);
            }
        } else if let Some((name, pass)) = self.passes().last() {
            let rows = without_small(by_kind(&pass.rows), pass.profiled_seconds);
            table(&mut text, &format!("{name} by operator"), &rows, pass, ceiling);
        }
        text
    }

    /// For programs: everything, one object.
    pub fn json(&self) -> Value {
        let ceiling = self.conditions.ceiling();
        let operators: Vec<Value> = self
            .passes()
            .flat_map(|(name, pass)| pass.rows.iter().map(move |row| (name, pass, row)))
            .map(|(name, pass, row)| {
                let speed = (row.flop > 0.0).then(|| row.flop / row.seconds);
                json!({
                    "pass": name.replace(' ', "_"),
                    "name": row.name,
                    "shape": row.shape,
                    "calls": row.calls,
                    "ms": 1e3 * row.seconds,
                    "share": row.seconds / pass.profiled_seconds,
                    "flop": row.flop,
                    "gflops": speed.map(|speed| speed / 1e9),
                    "fraction": speed.map(|speed| speed / ceiling),
                })
            })
            .collect();
        let pass =
            |pass: &Option<Measured>| pass.as_ref().map(|pass| speed_json(&pass.timing, pass.flop, ceiling));
        let mut object = Map::new();
        object.insert("network".into(), self.subject.name.clone().into());
        object.insert("batch".into(), self.batch.into());
        object.insert("parameters".into(), self.n_parameters().into());
        conditions::extend(&self.conditions, &mut object);
        object.insert("flop_forward".into(), self.passes.flop_forward.into());
        object.insert("forward".into(), pass(&self.passes.forward).into());
        object.insert("backward".into(), pass(&self.passes.backward).into());
        object.insert("training_step".into(), pass(&self.passes.training_step).into());
        object.insert("operators".into(), operators.into());
        Value::Object(object)
    }

    /// The measured passes with the names they are printed by.
    fn passes(&self) -> impl Iterator<Item = (&'static str, &Measured)> {
        let Passes { forward, backward, training_step, .. } = &self.passes;
        [("forward", forward), ("backward", backward), ("training step", training_step)]
            .into_iter()
            .filter_map(|(name, pass)| pass.as_ref().map(|pass| (name, pass)))
    }

    fn n_parameters(&self) -> usize {
        n_parameters(self.subject.model.network().parameters())
    }
}

/// Rows of one run of a pass.
pub fn table(text: &mut String, title: &str, rows: &[Row], pass: &Measured, ceiling: f64) {
    let labels: Vec<String> =
        rows.iter().map(|row| format!("{:<27} {}", row.name, row.shape).trim_end().to_string()).collect();
    let width = labels.iter().map(|label| label.chars().count()).chain([title.len()]).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\n{title:<width$} {:>6} {:>12} {:>8} {:>9} {:>11}",
        "calls", "time", "share", "GFLOP/s", "of ceiling"
    );
    for (row, label) in rows.iter().zip(labels) {
        let calls = if row.calls > 0 { row.calls.to_string() } else { String::new() };
        let speed = if row.flop > 0.0 {
            format!(
                "{:>9.1} {:>9.1} %",
                row.flop / row.seconds / 1e9,
                100.0 * row.flop / row.seconds / ceiling
            )
        } else {
            String::new()
        };
        let line = format!(
            "{label:<width$} {calls:>6} {:>9} ms {:>6.1} % {speed}",
            digits(1e3 * row.seconds),
            100.0 * row.seconds / pass.profiled_seconds,
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// The rows that matter, and one for all others.
pub fn without_small(rows: Vec<Row>, total: f64) -> Vec<Row> {
    let (mut large, mut small): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.seconds >= SMALL * total || row.calls == 0);
    if small.len() == 1 {
        large.append(&mut small);
    } else if !small.is_empty() {
        large.push(Row {
            name: format!("{} others", small.len()),
            shape: String::new(),
            calls: small.iter().map(|row| row.calls).sum(),
            seconds: small.iter().map(|row| row.seconds).sum(),
            flop: small.iter().map(|row| row.flop).sum(),
        });
    }
    large
}

/// Time and speed of something that does `flop` operations.
pub fn speed_json(timing: &Timing, flop: f64, ceiling: f64) -> Value {
    let speed = flop / timing.median();
    json!({
        "median_ms": 1e3 * timing.median(),
        "min_ms": 1e3 * timing.min(),
        "runs": timing.runs(),
        "flop": flop,
        "gflops": speed / 1e9,
        "fraction": speed / ceiling,
    })
}

/// Three digits that count, or more in front of the point.
pub fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rows_are_added_up_and_the_framework_is_never_one_of_them() {
        let row = |name: &str, calls, seconds| Row {
            name: name.into(),
            shape: String::new(),
            calls,
            seconds,
            flop: 0.0,
        };
        let rows = vec![
            row("conv", 3, 0.99),
            row("norm", 2, 0.004),
            row("silu", 1, 0.003),
            row("framework", 0, 0.003),
        ];
        let seen: Vec<_> =
            without_small(rows, 1.0).into_iter().map(|row| (row.name, row.calls, row.seconds)).collect();
        assert_eq!(
            seen,
            [("conv".into(), 3, 0.99), ("framework".into(), 0, 0.003), ("2 others".into(), 3, 0.007)]
        );
    }

    #[test]
    fn three_digits_count() {
        let shown = [1234.6, 99.96, 9.876, 0.01234].map(digits);
        assert_eq!(shown, ["1235", "100.0", "9.88", "0.012"]);
    }
}
