//! Tables of operators, and numbers as reports show them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::passes::Measured;
use super::rows::Row;
use super::timing::Timing;

/// Operators of a smaller share are added up in the short table.
const SMALL: f64 = 0.005;

/// Rows of one run of a pass.
pub(crate) fn write(text: &mut String, title: &str, rows: &[Row], pass: &Measured, ceiling: Option<f64>) {
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
            let speed = row.flop / row.seconds;
            format!("{:>9.1} {:>11}", speed / 1e9, of_ceiling(speed, ceiling))
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
pub(crate) fn without_small(rows: Vec<Row>, total: f64) -> Vec<Row> {
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
pub(crate) fn speed_json(timing: &Timing, flop: f64, ceiling: Option<f64>) -> Value {
    let speed = flop / timing.median();
    json!({
        "median_ms": 1e3 * timing.median(),
        "min_ms": 1e3 * timing.min(),
        "runs": timing.runs(),
        "flop": flop,
        "gflops": speed / 1e9,
        "fraction": ceiling.map(|ceiling| speed / ceiling),
    })
}

/// A speed in parts of the most there is; nothing where that is not known.
pub(crate) fn of_ceiling(speed: f64, ceiling: Option<f64>) -> String {
    ceiling.map_or_else(String::new, |ceiling| format!("{:.1} %", 100.0 * speed / ceiling))
}

/// Three digits that count, or more in front of the point.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// `3.1 MB`, `1.2 GB`: decimal units, as disks are sold.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
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
