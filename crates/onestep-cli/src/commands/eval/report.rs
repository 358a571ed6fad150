//! How `eval` shows what it measured: never a number without what it depends on.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use onestep::ImageSize;
use onestep::data::{Outputs, write_whole};
use onestep::eval::{Comparison, Score};
use onestep::model::Precision;
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::print::{answer, answer_text, say};

/// Real images measured in the samples' place.
pub struct Floor {
    /// What they score.
    pub score: Score,
    /// What they are.
    pub of: String,
}

/// Scores with all that must be said with them.
pub struct Report {
    comparison: Comparison,
    samples: String,
    reference: Option<String>,
    /// What real images score.
    pub floors: Vec<Floor>,
}

impl Report {
    /// The scores of some samples.
    pub fn new(comparison: Comparison, samples: String, reference: Option<&str>) -> Self {
        let half = |score| Floor { score, of: "one half of the reference against the other".into() };
        let floors = comparison.floor.clone().map(half).into_iter().collect();
        Self { comparison, samples, reference: reference.map(str::to_owned), floors }
    }

    /// Prints it, as a table or as JSON, and writes the file that was asked for.
    pub fn show(
        &self,
        as_json: bool,
        out: Option<&Path>,
        outputs: &Outputs,
        quiet: bool,
    ) -> Outcome<ExitCode> {
        if let Some(path) = out {
            outputs.check(path)?;
            write_whole(path, |file| writeln!(file, "{:#}", self.json()))?;
        }
        if as_json {
            answer!("{:#}", self.json());
        } else {
            answer_text!("{}", self.text());
        }
        if !quiet {
            for warning in &self.comparison.warnings {
                say!("warning: {warning}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// For people.
    fn text(&self) -> String {
        let floors = self.floors.iter().map(|floor| (&floor.score, floor.of.as_str()));
        let rows: Vec<(&Score, &str)> =
            self.comparison.scores.iter().map(|score| (score, "samples")).chain(floors).collect();
        let width = rows.iter().map(|(score, _)| score.metric.len()).max().unwrap_or(0).max("metric".len());
        let mut text = format!(
            "{:<width$}  {:>11}  {:>9}  {:>8}  {:>9}  of\n",
            "metric", "value", "±", "images", "reference"
        );
        for (score, of) in rows {
            let error = score.error.map_or_else(|| "-".into(), digits);
            let n_reference = score.n_reference.map_or_else(|| "-".into(), |n| n.to_string());
            let _ = writeln!(
                text,
                "{:<width$}  {:>11}  {error:>9}  {:>8}  {n_reference:>9}  {of}",
                score.metric,
                digits(score.value),
                score.n
            );
        }
        let sized = |size: Option<ImageSize>| size.map_or(String::new(), |size| format!(" · {size}"));
        let mut drawn =
            self.comparison.precision.map_or(String::new(), |drawn| format!(" · {}", drawn.name()));
        match self.comparison.guidance {
            Some(1.0) => drawn += " · no guidance",
            Some(scale) => drawn += &format!(" · guidance {scale}"),
            None => {}
        }
        let _ = writeln!(text, "samples    {}{drawn}{}", self.samples, sized(self.comparison.size));
        if let Some(reference) = &self.reference {
            let _ = writeln!(text, "reference  {reference}{}", sized(self.comparison.reference_size));
        }
        let _ = writeln!(text, "network    {}", self.comparison.network);
        let protocol = &self.comparison.protocol;
        let _ = writeln!(text, "protocol   {}: {}", protocol.name, protocol.about);
        text
    }

    /// For programs.
    fn json(&self) -> Value {
        let floors: Vec<Value> = self
            .floors
            .iter()
            .map(|floor| {
                let mut value = json!(floor.score);
                value["of"] = floor.of.clone().into();
                value
            })
            .collect();
        json!({
            "tool": onestep::TOOL,
            "samples": self.samples,
            "reference": self.reference,
            "image_size": self.comparison.size,
            "reference_image_size": self.comparison.reference_size,
            "precision": self.comparison.precision.map(Precision::name),
            "guidance": self.comparison.guidance,
            "network": self.comparison.network,
            "protocol": self.comparison.protocol.name,
            "scores": self.comparison.scores,
            "floors": floors,
            "warnings": self.comparison.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

/// A number with as many digits as it has to show.
pub fn digits(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.1 { format!("{value:.6}") } else { format!("{value:.4}") }
}
