//! How `eval` shows what it measured: never a number without what it depends on.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use onestep::data::write_whole;
use onestep::eval::{Collection, Metric, Protocol, Score};
use serde_json::{Value, json};

use super::reference::OpenedReference;
use crate::failure::Outcome;

/// Real images measured in the samples' place.
pub struct Floor {
    /// What they score.
    pub score: Score,
    /// What they are.
    pub of: String,
}

impl Floor {
    /// The distance between the halves of the reference.
    pub fn halves(value: f64, reference: &OpenedReference, samples: &Collection) -> Self {
        let n = reference.reference.n.unwrap_or_default();
        let score = Score {
            metric: Metric::Frechet.label(&samples.subject().network),
            value,
            error: None,
            n: n as usize / 2,
            n_reference: Some(n - n / 2),
        };
        Self { score, of: "one half of the reference against the other".into() }
    }
}

/// Scores with all that must be said with them.
pub struct Report {
    samples: String,
    reference: Option<String>,
    network: String,
    protocol: String,
    scores: Vec<Score>,
    warnings: Vec<String>,
    /// What real images score.
    pub floors: Vec<Floor>,
}

impl Report {
    /// The scores of some samples.
    pub fn new(
        collection: &Collection,
        samples: String,
        reference: Option<&OpenedReference>,
        scores: Vec<Score>,
    ) -> Self {
        let subject = collection.subject();
        let mut warnings = Vec::new();
        let mut warn = |whose: &str, n: u64| {
            if n < subject.pooled as u64 + 1 {
                warnings.push(format!(
                    "{n} {whose} are too few for {} features: Fréchet distances are too large, and only comparable at equal \
                     numbers",
                    subject.pooled
                ));
            }
        };
        if reference.is_some() {
            warn("samples", subject.n as u64);
        }
        if let Some(n) = reference.and_then(|reference| reference.reference.n) {
            warn("images of the reference", n);
        }
        Self {
            samples,
            reference: reference.map(|reference| reference.name.clone()),
            network: subject.network.clone(),
            protocol: subject.protocol.clone(),
            scores,
            warnings,
            floors: Vec::new(),
        }
    }

    /// Prints it, as a table or as JSON, and writes the file that was asked for.
    pub fn show(&self, as_json: bool, out: Option<&Path>) -> Outcome<ExitCode> {
        if let Some(path) = out {
            write_whole(path, |file| writeln!(file, "{:#}", self.json()))?;
        }
        if as_json {
            println!("{:#}", self.json());
        } else {
            print!("{}", self.text());
        }
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// For people.
    fn text(&self) -> String {
        let floors = self.floors.iter().map(|floor| (&floor.score, floor.of.as_str()));
        let rows: Vec<(&Score, &str)> =
            self.scores.iter().map(|score| (score, "samples")).chain(floors).collect();
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
        let _ = writeln!(text, "samples    {}", self.samples);
        if let Some(reference) = &self.reference {
            let _ = writeln!(text, "reference  {reference}");
        }
        let _ = writeln!(text, "network    {}", self.network);
        let about = Protocol::named(&self.protocol).map_or("", |protocol| protocol.about);
        let _ = writeln!(text, "protocol   {}: {about}", self.protocol);
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
            "network": self.network,
            "protocol": self.protocol,
            "scores": self.scores,
            "floors": floors,
            "warnings": self.warnings,
        })
    }
}

/// A number with as many digits as it has to show.
pub fn digits(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.1 { format!("{value:.6}") } else { format!("{value:.4}") }
}
