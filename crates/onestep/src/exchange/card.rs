//! Model cards: what a model is, in Markdown, with a head that catalogues read.

use std::fmt::Write as _;

use super::ExportOptions;
use crate::TOOL;
use crate::checkpoint::ModelHeader;
use crate::model::{Architecture, ModelKind, Preconditioning};

/// The card of a model, as far as its header and the options say what it is.
///
/// `library` is the program that loads it, for catalogues; `use_of_it` is Markdown on how it is used.
pub fn model_card(
    header: &ModelHeader,
    title: &str,
    library: &str,
    use_of_it: &str,
    options: &ExportOptions,
) -> String {
    let mut card = head(header, library, options);
    let title = title.replace(['\n', '\r'], " ");
    let kind = match header.kind {
        ModelKind::Consistency => "A consistency model: it makes an image of noise in one step, or in a few.",
        ModelKind::Diffusion => "A diffusion model: it makes an image of noise step by step.",
        ModelKind::Progressive => "A diffusion model that was distilled to a fixed number of steps.",
    };
    let _ = write!(card, "\n# {title}\n\n{kind}\n");
    if !use_of_it.is_empty() {
        let _ = write!(card, "\n## Use\n\n{use_of_it}\n");
    }
    let _ = write!(card, "\n## What it is\n\n| | |\n|---|---|\n");
    for (what, said) in facts(header, options) {
        let _ = writeln!(card, "| {what} | {} |", said.replace('|', "\\|").replace(['\n', '\r'], " "));
    }
    if !header.class_names.is_empty() {
        let _ = write!(card, "\n## Classes\n\n");
        for (number, name) in header.class_names.iter().enumerate() {
            let _ = writeln!(card, "- {number}: {}", name.replace(['\n', '\r'], " "));
        }
    }
    let _ = write!(card, "\n## Metrics\n\n{}\n", options.metrics.as_deref().unwrap_or("None were given."));
    card
}

/// What catalogues read. Texts are written as JSON, which YAML reads.
fn head(header: &ModelHeader, library: &str, options: &ExportOptions) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut head = String::from("---\n");
    if let Some(license) = &options.license {
        let _ = writeln!(head, "license: {}", text(license));
    }
    let _ = writeln!(head, "library_name: {}", text(library));
    let _ = writeln!(head, "pipeline_tag: unconditional-image-generation\ntags:");
    let kind = match header.kind {
        ModelKind::Consistency => "consistency-model",
        ModelKind::Diffusion => "diffusion",
        ModelKind::Progressive => "progressive-distillation",
    };
    for tag in [kind, &header.method, "onestep"] {
        let _ = writeln!(head, "- {}", text(tag));
    }
    head + "---\n"
}

/// What the header and the options say, each with what it is.
fn facts(header: &ModelHeader, options: &ExportOptions) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Method", header.method.clone()),
        ("Network", network(&header.architecture)),
        ("Form", form(header.preconditioning)),
        ("Trained on", header.data.clone()),
        (
            "Noise",
            format!(
                "σ from {} to {}, σ of the data {}",
                header.sigma_min, header.sigma_max, header.sigma_data
            ),
        ),
    ];
    if header.images_seen > 0 || header.step > 0 {
        facts.push(("Images seen", header.images_seen.to_string()));
        facts.push(("Steps", header.step.to_string()));
    }
    if let Some(levels) = &header.sampling_levels {
        facts.push(("Sampling levels", levels.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")));
    }
    facts.extend(options.seed.map(|seed| ("Seed", seed.to_string())));
    facts.extend(options.license.clone().map(|license| ("Licence", license)));
    if let Some(imported) = &header.imported {
        facts.push((
            "Imported from",
            format!("{}: `{}`, SHA-256 {}", imported.family, imported.file, imported.sha256),
        ));
    }
    facts.push(("Made by", header.tool.clone()));
    if header.tool != TOOL {
        facts.push(("Exported by", TOOL.into()));
    }
    facts
}

/// A network in a few words.
fn network(architecture: &Architecture) -> String {
    let (name, size, width, mult) = match architecture {
        Architecture::Adm(config) => ("ADM", config.image_size, config.model_channels, &config.channel_mult),
        Architecture::Song(config) => {
            ("DDPM++ or NCSN++", config.image_size, config.model_channels, &config.channel_mult)
        }
        Architecture::Dhariwal(config) => {
            ("ADM of EDM", config.image_size, config.model_channels, &config.channel_mult)
        }
        Architecture::Mlp(_) => return "perceptron".into(),
        Architecture::Custom(_) => return "a network of the program's own".into(),
    };
    let parameters = architecture
        .build()
        .map(|network| network.parameters().iter().map(|spec| spec.n_values()).sum::<usize>());
    let parameters = parameters.map_or(String::new(), |n| format!(", {n} parameters"));
    format!("{name} for images of {size}, {width} channels times {mult:?}{parameters}")
}

/// What makes a denoiser of the network, in a few words.
fn form(preconditioning: Preconditioning) -> String {
    match preconditioning {
        Preconditioning::Edm => "EDM".into(),
        Preconditioning::Boundary => "the identity at the smallest level (Song et al. 2023)".into(),
        Preconditioning::Trig => "TrigFlow".into(),
        Preconditioning::TrigEdm => "TrigFlow, told ln(σ)/4".into(),
        Preconditioning::Discrete(discrete) => format!(
            "answers with the {:?} of {} discrete steps, {:?}",
            discrete.answer,
            discrete.schedule.steps(),
            discrete.schedule.betas()
        ),
        Preconditioning::VariancePreserving(_) => "variance preserving (Song et al. 2021)".into(),
        Preconditioning::VarianceExploding => "variance exploding (Song et al. 2021)".into(),
    }
}
