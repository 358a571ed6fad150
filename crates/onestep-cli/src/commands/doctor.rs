//! `onestep doctor`: what is here, what is missing, and whether it computes right.

use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use onestep::Model;
use onestep::data::{DataSpec, open};
use onestep::model::{ModelKind, NoiseRange, Preconditioned, Preconditioning, Weights};
use onestep::train::{Recipe, builtin_recipes};
use onestep_bench::AutoPrecision;
use serde_json::{Map, Value};

use crate::args::DoctorArgs;
use crate::failure::{Outcome, code};
use crate::print::answer;
use crate::{device, features, version};

/// Images that are evaluated together in a trial of speed.
const TRIED_TOGETHER: usize = 4;

/// Seconds that both arithmetics together are tried for.
const TRIED_FOR: f64 = 0.5;

/// One finding: what, how it is, and whether that is as it should be.
struct Finding {
    what: &'static str,
    says: String,
    good: bool,
}

/// Runs the command.
pub fn run(args: &DoctorArgs) -> Outcome<ExitCode> {
    let device = device::open(args.device)?;
    let findings = [
        note("version", format!("{}, commit {}", env!("CARGO_PKG_VERSION"), version::COMMIT)),
        note("platform", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        note("processor", cpu_features()),
        note("loops", instructions()),
        note("threads", device::threads().to_string()),
        note("devices", device::found().join(", ")),
        builtin_data(),
        recipes(),
        note("weights", weights()),
        network(&device),
        precision(&device),
    ];
    let healthy = findings.iter().all(|finding| finding.good);
    if args.json {
        let mut report = Map::new();
        for finding in &findings {
            report.insert(finding.what.into(), finding.says.clone().into());
        }
        report.insert("healthy".into(), healthy.into());
        answer!("{:#}", Value::Object(report));
    } else {
        for Finding { what, says, good } in &findings {
            answer!("{} {what:<10} {says}", if *good { "ok  " } else { "BAD " });
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(code::INTERNAL) })
}

fn note(what: &'static str, says: String) -> Finding {
    Finding { what, says, good: true }
}

/// The instruction sets the kernels can use.
fn cpu_features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let found: Vec<&str> = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
            ("BF16", is_x86_feature_detected!("avx512bf16")),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect();
        if found.is_empty() { "no vector extensions beyond SSE2".into() } else { found.join(", ") }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if std::arch::is_aarch64_feature_detected!("bf16") { "NEON, BF16".into() } else { "NEON".into() }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    "no vector extensions that are known here".into()
}

/// The one they do use.
fn instructions() -> String {
    onestep_kernels::instructions().map_or_else(|message| message, str::to_owned)
}

/// Which arithmetic is taken where none is named, checked by trying both.
fn precision(device: &Device) -> Finding {
    match AutoPrecision::check(TRIED_TOGETHER, TRIED_FOR, device) {
        Ok(found) => note("precision", found.text()),
        Err(error) => Finding { what: "precision", says: error.to_string(), good: false },
    }
}

fn builtin_data() -> Finding {
    match open(&DataSpec::new("builtin:emoji")) {
        Ok(set) => {
            note("data", format!("builtin:emoji, {} images, {} classes", set.len(), set.class_names().len()))
        }
        Err(error) => Finding { what: "data", says: error.to_string(), good: false },
    }
}

fn recipes() -> Finding {
    let bad: Vec<String> = builtin_recipes()
        .iter()
        .filter_map(|(name, text)| Recipe::parse(text, &[]).err().map(|error| format!("{name}: {error}")))
        .collect();
    if bad.is_empty() {
        note("recipes", format!("{} built in", builtin_recipes().len()))
    } else {
        Finding { what: "recipes", says: bad.join("; "), good: false }
    }
}

/// Which networks that judge images can be used.
fn weights() -> String {
    let (here, absent): (Vec<_>, Vec<_>) = features::fetched().into_iter().partition(|(_, here)| *here);
    let names = |list: &[(&str, bool)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut says = String::from("effnet-lite0 and st-lpips, built in");
    if !here.is_empty() {
        says += &format!("; fetched: {}", names(&here));
    }
    if !absent.is_empty() {
        says += &format!("; not fetched: {}; asked for, each says where it is to be had", names(&absent));
    }
    says
}

/// Runs the built-in small network with random weights and checks the one thing every consistency model promises:
/// at the smallest noise level it is the identity. Reports the time of an evaluation.
fn network(device: &Device) -> Finding {
    let attempt = || -> onestep::Result<String> {
        let text = onestep::train::builtin_recipe("emoji-ct")?;
        let recipe = Recipe::parse(text, &[])?;
        let network = recipe.network.build()?;
        let weights = Weights::initialize(network.parameters(), 0, device);
        let model = Preconditioned::new(network, weights, Preconditioning::Boundary, NoiseRange::default());
        let model = Model::from_network(model, ModelKind::Consistency, device);
        model.draw().run()?;
        let started = Instant::now();
        let samples = model.draw().seeds(0..8).run()?;
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        let finite = samples.values.iter().all(|value| value.is_finite());
        Ok(if finite {
            format!("8 images of the emoji network, one evaluation each, in {millis:.0} ms")
        } else {
            "computes values that are not finite".into()
        })
    };
    match attempt() {
        Ok(says) => Finding { good: says.starts_with('8'), what: "network", says },
        Err(error) => Finding { what: "network", says: error.to_string(), good: false },
    }
}
