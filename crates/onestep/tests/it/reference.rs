//! docs/recipe.md: every key of a recipe, made from the types that read them.
//!
//! Meanings are the types' own comments, types and choices are read from the source, defaults are what a recipe that leaves the
//! key out comes to. A page that is not what they say fails the test; `ONESTEP_WRITE_REFERENCE=1 cargo test --release
//! --workspace -- the_reference_of_recipes` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use onestep::train::{Draft, Recipe};

/// A table of keys: heading, introduction, file, type, the keys' path, and the recipe that leaves them out.
struct Table(&'static str, &'static str, &'static str, &'static str, &'static str, Least);

/// The least recipe: objective and network by name, and what they cannot do without.
#[derive(Clone, Copy)]
struct Least(&'static str, &'static str);

const DENOISING: Least = Least("denoising", "song");

const TABLES: &[Table] = &[
    Table("The recipe", "", "train/recipe/mod.rs", "Recipe", "", DENOISING),
    Table(
        "`[objective]` with `kind = \"denoising\"`",
        "Diffusion models: EDM, TrigFlow.",
        "train/method/denoising.rs",
        "Settings",
        "objective",
        DENOISING,
    ),
    Table(
        "`[objective]` with `kind = \"consistency\"`",
        "CD, CT, iCT.",
        "train/method/consistency.rs",
        "Settings",
        "objective",
        Least("consistency", "song"),
    ),
    Table(
        "`[objective]` with `kind = \"tuning\"`",
        "ECT.",
        "train/method/tuning.rs",
        "Settings",
        "objective",
        Least("tuning", "song"),
    ),
    Table(
        "`[objective]` with `kind = \"mid-training\"`",
        "CMT.",
        "train/method/mid_training.rs",
        "Settings",
        "objective",
        Least("mid-training", "song"),
    ),
    Table(
        "`[objective]` with `kind = \"progressive-distillation\"`",
        "PD.",
        "train/method/progressive.rs",
        "Settings",
        "objective",
        Least("progressive-distillation", "song"),
    ),
    Table(
        "`[objective]` with `kind = \"continuous\"`",
        "sCD, sCT, and the continuous-time CD and CT of 2023.",
        "train/method/continuous.rs",
        "Settings",
        "objective",
        Least("continuous", "song"),
    ),
    Table(
        "`[objective.guidance]`",
        "Of `consistency` and `continuous` along a teacher's path, `mid-training` and `progressive-distillation`.",
        "model/guidance.rs",
        "GuidanceRange",
        "objective.guidance",
        Least("consistency", "song"),
    ),
    Table("`[data]`", "", "data/spec.rs", "DataSpec", "data", DENOISING),
    Table("`[noise]`", "", "train/training.rs", "Noise", "noise", DENOISING),
    Table(
        "`[network]` with `network = \"song\"`",
        "EDM's DDPM++ and NCSN++. What is marked *data* follows the data where it is left out; where the size does and `attention_resolutions` is left out too, the smallest feature maps attend.",
        "model/network/edm/settings.rs",
        "$name",
        "network",
        DENOISING,
    ),
    Table("More of `song`", "", "model/network/edm/song.rs", "SongConfig", "network", DENOISING),
    Table(
        "`[network]` with `network = \"dhariwal\"`",
        "EDM's ADM: the keys that it has in common with `song`, with these defaults of its own.",
        "model/network/edm/settings.rs",
        "$name",
        "network",
        Least("denoising", "dhariwal"),
    ),
    Table(
        "`[network]` with `network = \"adm\"`",
        "OpenAI's ADM.",
        "model/network/adm/config.rs",
        "AdmConfig",
        "network",
        Least("denoising", "adm"),
    ),
    Table(
        "`[network]` with `network = \"mlp\"`",
        "For points.",
        "model/network/mlp.rs",
        "MlpConfig",
        "network",
        Least("denoising", "mlp"),
    ),
    Table("`[train]`", "", "train/training.rs", "Train", "train", DENOISING),
    Table(
        "`[train.optimizer]` with `kind = \"radam\"`",
        "",
        "train/optimizer.rs",
        "RadamConfig",
        "train.optimizer",
        DENOISING,
    ),
    Table(
        "`[train.optimizer]` with `kind = \"adam\"` or `\"adamw\"`",
        "",
        "train/optimizer.rs",
        "AdamConfig",
        "train.optimizer",
        DENOISING,
    ),
    Table(
        "`[train.learning_rate]`",
        "",
        "train/learning_rate.rs",
        "LearningRate",
        "train.learning_rate",
        DENOISING,
    ),
    Table("`[train.augment]`", "", "train/augment.rs", "Augmentation", "train.augment", DENOISING),
    Table(
        "`[train.distance_files]`",
        "",
        "perceptual/open.rs",
        "WeightFiles",
        "train.distance_files",
        DENOISING,
    ),
    Table("`[sampling]`", "", "train/recipe/mod.rs", "Sampling", "sampling", DENOISING),
];

/// Choices: heading, file, type.
const CHOICES: &[(&str, &str, &str)] = &[
    ("PathConfig", "train/method/consistency.rs", "`objective.path` of `consistency`"),
    ("DirectionConfig", "train/method/continuous.rs", "`objective.path` of `continuous`"),
    ("Curriculum", "noise/curriculum.rs", "`objective.curriculum`"),
    ("Proposal", "noise/proposal.rs", "`objective.proposal`"),
    ("Distance", "objective/distance.rs", "`objective.distance`"),
    ("Trunk", "perceptual/layout.rs", "`trunk` of the distance `lpips`"),
    ("Pooling", "perceptual/layout.rs", "`pooling` of the distance `lpips`"),
    ("Weighting", "objective/weighting.rs", "`objective.weighting`"),
    ("RateWeighting", "objective/continuous.rs", "`objective.weighting` of `continuous`"),
    ("TangentNormalization", "objective/continuous.rs", "`objective.normalization`"),
    ("TargetRate", "noise/curriculum.rs", "`objective.target`"),
    ("AdaptiveExponent", "noise/curriculum.rs", "`exponent` of the target `adaptive`"),
    ("Gap", "noise/gap.rs", "`objective.gap`"),
    ("Solver", "solver/mod.rs", "`solver` of the path `teacher`"),
    ("Order", "solver/multistep.rs", "`objective.order`"),
    ("Preconditioning", "model/precondition.rs", "`objective.preconditioning`"),
    ("Split", "data/spec.rs", "`data.split`"),
    ("Fit", "data/fit.rs", "`data.fit`"),
    ("OnError", "data/spec.rs", "`data.on_error`"),
    ("NoiseEmbedding", "model/network/edm/song.rs", "`network.embedding`"),
    ("Encoder", "model/network/edm/plan.rs", "`network.encoder`"),
    ("Decoder", "model/network/edm/plan.rs", "`network.decoder`"),
    ("AdmHeads", "model/network/adm/config.rs", "`network.heads`"),
    ("AdmResample", "model/network/adm/config.rs", "`network.resample`"),
    ("Order", "model/network/sinusoids.rs", "`network.sinusoid_order`"),
    ("Spacing", "model/network/sinusoids.rs", "`network.sinusoid_spacing`"),
    ("Start", "train/training.rs", "`train.start`"),
    ("Renew", "train/training.rs", "`train.renew`"),
    ("AverageConfig", "checkpoint/average.rs", "one of `train.averages`"),
    ("Decay", "train/learning_rate.rs", "`train.learning_rate.decay`"),
];

fn source(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
}

/// One line of a type's body: a field, or a variant, with what is written above it.
#[derive(Debug, Default, Clone)]
struct Member {
    name: String,
    kind: String,
    about: String,
    attributes: String,
    depth: usize,
}

/// The attributes above a type, and the members of its body: fields, variants, and fields of variants one level deeper.
fn members(text: &str, name: &str) -> (String, Vec<Member>) {
    let lines: Vec<&str> = text.lines().collect();
    let opens = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub ");
        let rest = line.strip_prefix("struct ").or(line.strip_prefix("enum ")).unwrap_or(line);
        rest.strip_prefix(name)
            .is_some_and(|rest| rest == " {" || rest.starts_with('<') && rest.ends_with('{'))
    };
    let start = lines.iter().position(|line| opens(line)).unwrap_or_else(|| panic!("no type {name}"));
    let above = lines[..start].iter().rev().map(|line| line.trim());
    let above = above.take_while(|line| line.starts_with(['#', '/'])).filter(|line| line.starts_with('#'));
    let attributes = above.collect::<Vec<_>>().join(" ");
    let (mut found, mut next, mut depth) = (Vec::new(), Member::default(), 0);
    for line in lines[start + 1..].iter().map(|line| line.trim()) {
        if let Some(words) = line.strip_prefix("///") {
            next.about += words;
        } else if line.starts_with("#[") {
            next.attributes += line;
        } else if line == "}" || line == "}," || line == "$($own)*" {
            if depth == 0 {
                break;
            }
            depth -= 1;
        } else if !line.is_empty() && !line.starts_with("//") {
            let (name, kind) = line.trim_end_matches([',', '{', ' ']).split_once(": ").unwrap_or((line, ""));
            let name = name.trim_start_matches("pub ").trim_end_matches([',', '{', ' ']).to_owned();
            let opens = line.ends_with('{');
            found.push(Member { name, kind: kind.into(), depth, ..std::mem::take(&mut next) });
            depth += usize::from(opens);
        }
    }
    (attributes, found)
}

/// A comment as a line of a table: no links, no line breaks.
fn plain(about: &str) -> String {
    let mut text = about.trim().replace('|', "\\|");
    while let Some(start) = text.find("[`") {
        let Some(length) = text[start..].find("`]") else { break };
        let end = start + length;
        let link = text[end + 2..].strip_prefix('(').and_then(|rest| rest.find(')')).map_or(0, |n| n + 2);
        text = format!("{}{}{}", &text[..start], &text[start + 1..end + 1], &text[end + 2 + link..]);
    }
    text.replace("Self::", "")
}

/// A Rust type in words.
fn in_words(kind: &str) -> String {
    let inner = |outer: &str| kind.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return in_words(inner);
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list of {}", in_words(inner));
    }
    match kind.rsplit("::").next().unwrap_or(kind) {
        "usize" | "u64" => "whole number".into(),
        "f64" | "f32" => "number".into(),
        "bool" => "true or false".into(),
        "String" | "PathBuf" => "text".into(),
        "ImageSize" => "number or [height, width]".into(),
        "Labels" => "true, false or \"file-name\"".into(),
        "Precision" => "\"f32\" or \"bf16\"".into(),
        "N" | "Objective" | "DataSpec" | "Noise" | "Train" | "Sampling" | "OptimizerConfig"
        | "LearningRate" | "Augmentation" | "WeightFiles" | "GuidanceRange" => "table".into(),
        other => format!("[choice](#{})", other.to_lowercase()),
    }
}

/// The values of a least recipe by key.
fn values(Least(objective, network): Least) -> BTreeMap<String, String> {
    let more = match network {
        "adm" => {
            "image_size = 32\nmodel_channels = 32\nnum_res_blocks = 1\nchannel_mult = [1, 2]\nattention_resolutions = [16]"
        }
        "mlp" => "n_dims = 2",
        "dhariwal" => "image_size = 64",
        _ => "image_size = 32",
    };
    let start = if objective == "progressive-distillation" { "start = \"teacher\"" } else { "" };
    let text = format!(
        "[objective]\nkind = \"{objective}\"\n[data]\nsource = \"photos\"\nlabels = false\n\
         [network]\nnetwork = \"{network}\"\n{more}\n[train]\nsteps = 1\nbatch = 1\n{start}"
    );
    let recipe: Recipe = Draft::read(&text, &[]).unwrap().as_it_stands().unwrap();
    let mut found = BTreeMap::new();
    let mut left = vec![(String::new(), toml::Value::Table(recipe.to_toml().parse().unwrap()))];
    while let Some((key, value)) = left.pop() {
        if !key.is_empty() {
            found.insert(key.clone(), value.to_string());
        }
        if let toml::Value::Table(table) = value {
            let within = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            left.extend(table.into_iter().map(|(name, value)| (within(&name), value)));
        }
    }
    found
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Defaults that a recipe does not write out: file, key and value.
const UNWRITTEN: [(&str, &str, &str); 12] = [
    ("train/method/denoising.rs", "preconditioning", "\"edm\""),
    ("model/network/mlp.rs", "code_scale", "32.0"),
    ("model/network/mlp.rs", "guidance_embedding", "false"),
    ("model/network/adm/config.rs", "guidance_embedding", "false"),
    ("model/network/edm/settings.rs", "guidance_embedding", "false"),
    ("train/training.rs", "precision", "\"f32\""),
    ("model/network/adm/config.rs", "groups", "32"),
    ("model/network/adm/config.rs", "epsilon", "1e-5"),
    ("model/network/adm/config.rs", "middle_attention", "true"),
    ("model/network/adm/config.rs", "time_scale", "1000.0"),
    ("model/network/adm/config.rs", "sinusoid_order", "\"cos_sin\""),
    ("model/network/adm/config.rs", "sinusoid_spacing", "\"without_endpoint\""),
];

/// Forms that models of other programs have, and no recipe asks for.
const IMPORTED_ONLY: [&str; 3] =
    ["Discrete(Discrete)", "VariancePreserving(VariancePreserving)", "VarianceExploding"];

/// Choices whose default is the same wherever they stand.
const SETTLED: [&str; 5] = ["Trunk", "Pooling", "Solver", "AdaptiveExponent", "OnError"];

/// Choices of another type of the same name: the file of the key, the name as a link has it, and the link in its place, which is the
/// key.
const NAMESAKES: [(&str, &str, &str); 1] = [("train/method/mid_training.rs", "order", "objective.order")];

/// Keys that follow the data.
const FOLLOW: [&str; 5] = ["image_size", "in_channels", "out_channels", "n_classes", "n_dims"];

fn table(text: &mut String, Table(heading, about, file, name, path, least): &Table) {
    let values = values(*least);
    let (above, members) = members(&source(file), name);
    let _ = write!(text, "\n## {heading}\n\n");
    if !about.is_empty() {
        let _ = write!(text, "{about}\n\n");
    }
    let _ = write!(text, "| key | type | default | meaning |\n|---|---|---|---|\n");
    for member in members {
        let key = if path.is_empty() { member.name.clone() } else { format!("{path}.{}", member.name) };
        let required = !member.attributes.contains("default") && !above.contains("default");
        let kind = in_words(&member.kind);
        let kind = NAMESAKES
            .iter()
            .filter(|(of, ..)| of == file)
            .fold(kind, |kind, (_, name, other)| kind.replace(&format!("(#{name})"), &format!("(#{other})")));
        let unwritten = UNWRITTEN.iter().find(|(file_of, name, _)| file_of == file && *name == member.name);
        let default = match (values.get(&key), unwritten) {
            _ if *path == "network" && FOLLOW.contains(&member.name.as_str()) => "*data*".into(),
            _ if key == "data.labels" => "`true`".into(),
            _ if required => "required".into(),
            (Some(_), _) if kind == "table" => "see below".into(),
            (Some(value), _) => format!("`{value}`"),
            (None, Some((.., value))) => format!("`{value}`"),
            (None, None) => "not set".into(),
        };
        let _ = writeln!(text, "| `{}` | {kind} | {default} | {} |", member.name, plain(&member.about));
    }
}

fn choice(text: &mut String, (name, file, heading): &(&str, &str, &str)) {
    let (above, members) = members(&source(file), name);
    let own = name.to_lowercase();
    let anchor = match NAMESAKES.iter().find(|(_, name, other)| *name == own && heading.contains(other)) {
        Some((_, _, other)) => (*other).to_owned(),
        None => own,
    };
    let _ = write!(text, "\n<a id=\"{anchor}\"></a>\n### {heading}\n\n");
    let tag = above.contains("tag = \"kind\"");
    let snake = above.contains("snake_case");
    let lower = above.contains("\"lowercase\"");
    let members = members.into_iter().filter(|member| !IMPORTED_ONLY.contains(&member.name.as_str()));
    for member in members {
        if member.depth == 0 {
            let renamed =
                member.attributes.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next());
            let word = renamed.map_or_else(|| kebab(&member.name), str::to_owned);
            let word = match (snake, lower) {
                (true, _) => word.replace('-', "_"),
                (_, true) => word.replace('-', ""),
                _ => word,
            };
            let shown = match (*name, tag) {
                ("AverageConfig", _) => format!("*{}*", word.replace('-', " ")),
                (_, true) => format!("`{{ kind = \"{word}\" }}`"),
                _ => format!("`\"{word}\"`"),
            };
            let default = if SETTLED.contains(name) && member.attributes.contains("#[default]") {
                " (the default)"
            } else {
                ""
            };
            let _ = writeln!(text, "- {shown}{default}: {}", plain(&member.about));
        } else {
            let _ =
                writeln!(text, "  - `{}`, {}: {}", member.name, in_words(&member.kind), plain(&member.about));
        }
    }
}

fn page() -> String {
    let mut text = String::from(
        "# Recipes: every key\n\n\
         Made from the types that read recipes. How a run is started, stopped and gone on with: [training.md](training.md).\n\n\
         A recipe is TOML; the built-in ones (`onestep recipe list`) are examples, and `onestep recipe show NAME --full` prints one\n\
         with everything that it leaves out. On the command line, `--set key.path=value` changes a key and `--set key.path=null`\n\
         takes it away. Misspelt keys are refused.\n",
    );
    TABLES.iter().for_each(|entry| table(&mut text, entry));
    text += "\n## Choices\n";
    CHOICES.iter().for_each(|entry| choice(&mut text, entry));
    text
}

#[test]
fn the_reference_of_recipes_says_what_the_types_say() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recipe.md");
    let page = page();
    if std::env::var_os("ONESTEP_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(made, there)| made != there);
    assert!(
        written == page,
        "docs/recipe.md is stale, first at {differs:?}; write it anew with ONESTEP_WRITE_REFERENCE=1"
    );
    // Nothing that a recipe comes to is missing from it.
    for least in
        [DENOISING, Least("consistency", "adm"), Least("tuning", "mlp"), Least("continuous", "dhariwal")]
    {
        for key in values(least).keys() {
            let last = key.rsplit('.').next().unwrap();
            assert!(page.contains(&format!("`{last}`")) || last == "kind" || last == "network", "{key}");
        }
    }
    for (_, words) in page.match_indices("](#").map(|(at, _)| (at, &page[at + 3..])) {
        let target = words.split(')').next().unwrap();
        assert!(page.contains(&format!("<a id=\"{target}\">")), "no such choice: {target}");
    }
}
