//! How `bench` shows what it measured.

use std::fmt::Write as _;

use clap::ValueEnum as _;
use serde_json::{Value, json};

use super::Bench;
use crate::measure::{Measured, Row, by_kind, peak_memory_bytes};
use crate::progress::human_bytes;

/// Operators of a smaller share are added up in the short table.
const SMALL: f64 = 0.005;

/// For people: a summary, and the operators of the longest pass, or of every pass by their sizes.
pub fn text(bench: &Bench, every_operator: bool) -> String {
    let mut text = String::new();
    let [height, width, channels] = bench.subject.model.network().image();
    let precision = precision(bench);
    let _ = writeln!(
        text,
        "{}: {:.2} M parameters · {width}x{height}x{channels} · batch {} · {precision} · {}",
        bench.subject.name,
        bench.n_parameters() as f64 / 1e6,
        bench.batch,
        threads(bench.threads),
    );
    let [before, after] = bench.ceilings.map(|ceiling| ceiling / 1e9);
    let _ = writeln!(
        text,
        "ceiling: {:.0} GFLOP/s of multiply-adds alone ({before:.0} before, {after:.0} after)",
        bench.ceiling() / 1e9
    );
    if let Some(peak) = peak_memory_bytes() {
        let _ = writeln!(text, "peak memory: {}", human_bytes(peak));
    }
    let _ = writeln!(
        text,
        "\n{:<15} {:>11} {:>11} {:>6} {:>10} {:>10} {:>10} {:>9}",
        "", "median", "min", "runs", "images/s", "GFLOP", "GFLOP/s", "ceiling"
    );
    for (name, pass) in bench.passes() {
        let median = pass.timing.median();
        let _ = writeln!(
            text,
            "{name:<15} {:>8} ms {:>8} ms {:>6} {:>10} {:>10} {:>10.1} {:>7.1} %",
            digits(1e3 * median),
            digits(1e3 * pass.timing.min()),
            pass.timing.runs(),
            digits(bench.batch as f64 / median),
            digits(pass.flop / 1e9),
            pass.flop / median / 1e9,
            100.0 * pass.flop / median / bench.ceiling(),
        );
    }
    if every_operator {
        for (name, pass) in bench.passes() {
            table(&mut text, &format!("{name}, every operator"), &pass.rows, pass, bench.ceiling());
        }
    } else if let Some((name, pass)) = bench.passes().last() {
        let rows = without_small(by_kind(&pass.rows), pass.profiled_seconds);
        table(&mut text, &format!("{name} by operator"), &rows, pass, bench.ceiling());
    }
    text
}

/// Rows of one run of a pass.
fn table(text: &mut String, title: &str, rows: &[Row], pass: &Measured, ceiling: f64) {
    let labels: Vec<String> =
        rows.iter().map(|row| format!("{:<27} {}", row.name, row.shape).trim_end().to_string()).collect();
    let width = labels.iter().map(|label| label.chars().count()).chain([title.len()]).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\n{title:<width$} {:>6} {:>12} {:>8} {:>9} {:>9}",
        "calls", "time", "share", "GFLOP/s", "ceiling"
    );
    for (row, label) in rows.iter().zip(labels) {
        let calls = if row.calls > 0 { row.calls.to_string() } else { String::new() };
        let speed = if row.flop > 0.0 {
            format!(
                "{:>9.1} {:>7.1} %",
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
fn without_small(rows: Vec<Row>, total: f64) -> Vec<Row> {
    let (mut large, small): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.seconds >= SMALL * total || row.calls == 0);
    if !small.is_empty() {
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

/// For programs: everything, one object.
pub fn json(bench: &Bench) -> Value {
    let ceiling = bench.ceiling();
    let pass = |pass: &Option<Measured>| {
        pass.as_ref().map(|pass| {
            let median = pass.timing.median();
            json!({
                "median_ms": 1e3 * median,
                "min_ms": 1e3 * pass.timing.min(),
                "runs": pass.timing.runs(),
                "flop": pass.flop,
                "gflops": pass.flop / median / 1e9,
                "fraction": pass.flop / median / ceiling,
            })
        })
    };
    let operators: Vec<Value> = bench
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
    json!({
        "network": bench.subject.name,
        "batch": bench.batch,
        "threads": bench.threads,
        "precision": precision(bench),
        "parameters": bench.n_parameters(),
        "flop_forward": bench.flop_forward,
        "ceiling_gflops": ceiling / 1e9,
        "ceiling_gflops_before": bench.ceilings[0] / 1e9,
        "ceiling_gflops_after": bench.ceilings[1] / 1e9,
        "forward": pass(&bench.forward),
        "backward": pass(&bench.backward),
        "training_step": pass(&bench.training_step),
        "operators": operators,
        "peak_memory_bytes": peak_memory_bytes(),
    })
}

fn precision(bench: &Bench) -> String {
    bench.precision.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

pub(super) fn threads(n: usize) -> String {
    if n == 1 { "1 thread".into() } else { format!("{n} threads") }
}

/// Three digits that count, or more in front of the point.
pub(super) fn digits(value: f64) -> String {
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
