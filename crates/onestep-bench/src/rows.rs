//! The operators of one run, added up.

use onestep_kernels::profile::Entry;

/// The calls of one operator in one run; without calls, the time outside of the operators.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which operator.
    pub name: String,
    /// Its sizes; empty where several are added up.
    pub shape: String,
    /// How often it ran.
    pub calls: usize,
    /// How long it took in all.
    pub seconds: f64,
    /// Nominal floating-point operations in all.
    pub flop: f64,
}

/// The name of the time outside of the operators.
const FRAMEWORK: &str = "framework";

impl Row {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.seconds += other.seconds;
        self.flop += other.flop;
    }
}

/// Adds up entries of the same name and sizes, and what is left of `total` seconds; the slowest first.
pub fn from_entries(entries: &[Entry], total: f64) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for Entry { operation, seconds } in entries {
        let row = Row {
            name: operation.name.clone(),
            shape: operation.shape.clone(),
            calls: 1,
            seconds: *seconds,
            flop: operation.flop,
        };
        add(&mut rows, row);
    }
    let operators: f64 = rows.iter().map(|row| row.seconds).sum();
    rows.push(Row {
        name: FRAMEWORK.into(),
        shape: String::new(),
        calls: 0,
        seconds: (total - operators).max(0.0),
        flop: 0.0,
    });
    sort(rows)
}

/// The same with the sizes of each operator added up.
pub fn by_kind(rows: &[Row]) -> Vec<Row> {
    let mut kinds = Vec::new();
    for row in rows {
        add(&mut kinds, Row { shape: String::new(), ..row.clone() });
    }
    sort(kinds)
}

fn add(rows: &mut Vec<Row>, new: Row) {
    match rows.iter_mut().find(|row| row.name == new.name && row.shape == new.shape) {
        Some(row) => row.add(&new),
        None => rows.push(new),
    }
}

fn sort(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    rows
}

#[cfg(test)]
mod tests {
    use onestep_kernels::profile::Operation;

    use super::*;

    fn entry(name: &str, shape: &str, flop: f64, seconds: f64) -> Entry {
        Entry { operation: Operation { name: name.into(), shape: shape.into(), flop }, seconds }
    }

    #[test]
    fn rows_add_up_to_the_whole_run() {
        let entries = [
            entry("conv", "8x8", 10.0, 1.0),
            entry("conv", "4x4", 5.0, 0.25),
            entry("conv", "8x8", 10.0, 1.5),
            entry("norm", "8x8", 0.0, 0.5),
        ];
        let rows = from_entries(&entries, 4.0);
        let seen: Vec<_> = rows.iter().map(|row| (&*row.name, &*row.shape, row.calls, row.seconds)).collect();
        assert_eq!(
            seen,
            [
                ("conv", "8x8", 2, 2.5),
                ("framework", "", 0, 0.75),
                ("norm", "8x8", 1, 0.5),
                ("conv", "4x4", 1, 0.25)
            ]
        );
        let kinds = by_kind(&rows);
        assert_eq!(kinds[0].calls, 3);
        assert_eq!(kinds[0].flop, 25.0);
        assert_eq!(kinds.iter().map(|row| row.seconds).sum::<f64>(), 4.0);
    }
}
