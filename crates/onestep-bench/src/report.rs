//! What was measured of a network, for people and for programs.

use std::fmt::Write as _;

use onestep::model::n_parameters;
use serde_json::{Map, Value, json};

use super::conditions::Conditions;
use super::passes::Measured;
use super::rows::by_kind;
use super::subject::Subject;
use super::table::{self, digits, speed_json};

/// What was measured of a network.
#[derive(Debug, Clone)]
pub struct Passes {
    /// Operations of one evaluation.
    pub flop_forward: f64,
    /// The evaluation, if it was measured.
    pub forward: Option<Measured>,
    /// The gradient, if it was measured.
    pub backward: Option<Measured>,
    /// The training step, if it was measured.
    pub training_step: Option<Measured>,
}

/// A network and what was measured of it.
pub struct Report<'a> {
    /// The network.
    pub subject: &'a Subject,
    /// Images at a time.
    pub batch: usize,
    /// The circumstances.
    pub conditions: Conditions,
    /// What was measured.
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
            self.conditions.text(),
        );
        let _ = writeln!(
            text,
            "\n{:<15} {:>11} {:>11} {:>6} {:>10} {:>10} {:>10} {:>11}",
            "", "median", "min", "runs", "images/s", "GFLOP", "GFLOP/s", "of ceiling"
        );
        for (name, pass) in self.passes() {
            let median = pass.timing.median();
            let (speed, counted) = (pass.flop / median, pass.flop > 0.0);
            let line = format!(
                "{name:<15} {:>8} ms {:>8} ms {:>6} {:>10} {:>10} {:>10} {:>11}",
                digits(1e3 * median),
                digits(1e3 * pass.timing.min()),
                pass.timing.runs(),
                digits(self.batch as f64 / median),
                if counted { digits(pass.flop / 1e9) } else { String::new() },
                if counted { format!("{:.1}", speed / 1e9) } else { String::new() },
                if counted { table::of_ceiling(speed, ceiling) } else { String::new() },
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if every_operator {
            for (name, pass) in self.passes() {
                table::write(&mut text, &format!("{name}, every operator"), &pass.rows, pass, ceiling);
            }
        } else if let Some((name, pass)) = self.passes().last() {
            let rows = table::without_small(by_kind(&pass.rows), pass.profiled_seconds);
            table::write(&mut text, &format!("{name} by operator"), &rows, pass, ceiling);
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
                    "fraction": speed.zip(ceiling).map(|(speed, ceiling)| speed / ceiling),
                })
            })
            .collect();
        let pass =
            |pass: &Option<Measured>| pass.as_ref().map(|pass| speed_json(&pass.timing, pass.flop, ceiling));
        let mut object = Map::new();
        object.insert("network".into(), self.subject.name.clone().into());
        object.insert("batch".into(), self.batch.into());
        object.insert("parameters".into(), self.n_parameters().into());
        self.conditions.extend(&mut object);
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
