//! Which cases there are, and which of them the folder at hand lacks.
//!
//! A test can only read what is listed here. What is absent is named at the end of every run, on the terminal itself, so that
//! no green line hides a comparison that was not made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::array::has_arrays;
use super::{arrays, committed, folder};

/// Every case that a test reads: the name of its json.
const CASES: &[&str] = &[
    "adm_unet_a",
    "adm_unet_b",
    "adm_unet_c",
    "adm_unet_d",
    "bad/manifest",
    "cfg_sampling",
    "cmt_loss",
    "consistency_cd",
    "consistency_ct",
    "consistency_ct_weights",
    "consistency_lpips",
    "ct_training_steps",
    "denoise",
    "diffusers_mapping",
    "diffusers_pipeline_io",
    "dpm_solver",
    "ect_loss",
    "ect_net",
    "ect_sampling",
    "edit_colorization",
    "edit_inpainting",
    "edit_stroke",
    "edit_superres",
    "edm_adm",
    "edm_cond",
    "edm_ddpmpp",
    "edm_loss",
    "edm_loss_cond",
    "edm_ncsnpp",
    "edm_sampler_deterministic",
    "edm_sampler_stochastic",
    "edm_skip",
    "edm_training",
    "ema",
    "inception",
    "loss_net",
    "lpips",
    "metric_fid",
    "metric_is",
    "metric_kid",
    "metric_prec_recall",
    "metric_stats",
    "optimizers",
    "progdist",
    "resize_bilinear",
    "sample_ancestral",
    "sample_dpm",
    "sample_dpm_churn",
    "sample_euler",
    "sample_heun",
    "sample_heun_churn",
    "sample_heun_noclip",
    "sample_multistep_151",
    "sample_multistep_4",
    "sample_multistep_40",
    "sample_multistep_4_noclip",
    "sample_onestep",
    "sample_onestep_noclip",
    "sample_progdist",
    "schedules",
    "slerp",
    "to_uint8",
    "weight_rule",
];

/// What the committed set leaves out, for its size alone: `tests/golden/README.md` says what stands in.
const LEFT_OUT: &[&str] = &[
    "adm_unet_a",
    "adm_unet_b",
    "adm_unet_c",
    "bad/manifest",
    "consistency_lpips",
    "diffusers_mapping",
    "diffusers_pipeline_io",
    "edm_adm",
];

/// Weights and numbers of networks that others trained, in a folder `data/weights` beside the golden one or under `DATA_DIR`.
const BESIDE: &[&str] = &[
    "frechet_fixture_resnet20.json",
    "frechet_fixture_resnet20.safetensors",
    "resnet20_cifar10.safetensors",
    "resnet56_cifar10.safetensors",
    "stlpips_alex.safetensors",
    "stlpips_golden.json",
    "stlpips_golden_images.safetensors",
];

/// The most that the committed set may take on a disk.
const COMMITTED_BYTES: u64 = 9_200_000;

/// Refuses the name of a case without a place in the table.
pub fn assert_known(name: &str) {
    assert!(CASES.contains(&name), "`{name}` has no place in the table of golden cases");
}

/// The cases whose names begin with `prefix`.
pub fn starting_with(prefix: &str) -> impl Iterator<Item = &'static str> {
    CASES.iter().copied().filter(move |name| name.starts_with(prefix))
}

/// A file beside the golden folder; none, with a word about it, if it is not there.
pub fn beside(file: &str) -> Option<PathBuf> {
    assert!(BESIDE.contains(&file), "`{file}` has no place in the table of files beside the golden ones");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = root.join(std::env::var_os("DATA_DIR").unwrap_or_else(|| "../shared/data".into()));
    let places = [folder().join("../data/weights"), data.join("weights")];
    let found = places.into_iter().map(|place| place.join(file)).find(|path| path.is_file());
    if found.is_none() {
        println!("golden | {file} | absent beside this set |");
    }
    found
}

/// What the json of a case says, if the folder has it.
fn settings(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}")))
}

/// The files that a case names and the folder lacks, and the arrays that its json lists and its file lacks.
fn lacking(name: &str, settings: &Value) -> Vec<String> {
    let file = format!("{name}.safetensors");
    let held = arrays(&file).unwrap_or_default();
    let listed = settings["tensors"].as_object().into_iter().flatten().map(|(key, _)| key);
    let lacking = listed.filter(|key| !held.contains_key(*key)).map(|key| format!("{file}: {key}"));
    let weights = match &settings["weights"] {
        Value::Array(files) => files.iter().filter_map(Value::as_str).collect(),
        Value::Object(files) => files.values().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    // Of some cases the entry is a sentence.
    let files = weights.into_iter().filter(|file| !file.contains(' '));
    let files = files.chain(settings["gradient"]["file"].as_str());
    let files = files.filter(|file| !folder().join(file).is_file() && !has_arrays(file));
    lacking.chain(files.map(str::to_owned)).collect()
}

/// The names of all json files in the folder.
fn found() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).unwrap_or_else(|e| panic!("{}: {e}", folder().display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

fn same_folder(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

/// Names what is absent, and fails where it should be there: all but the left out in the committed set, all in
/// `../shared/golden`, and in any other folder every part of a case of which there is one.
pub fn report() {
    let here: BTreeMap<&str, Value> =
        CASES.iter().filter_map(|name| Some((*name, settings(name)?))).collect();
    let absent: Vec<&str> = CASES.iter().copied().filter(|name| !here.contains_key(name)).collect();
    let without_network = |settings: &Value| {
        let network = settings["network"].as_str();
        network.is_some_and(|network| absent.contains(&network))
    };
    let recorded = here.iter().filter(|(_, settings)| without_network(settings)).map(|(name, _)| *name);
    let no_file = BESIDE.iter().copied().filter(|file| beside(file).is_none());
    let found = found();
    let unread = found.iter().map(String::as_str).filter(|name| !CASES.contains(name));
    let place = folder().canonicalize().unwrap_or_else(|_| folder());
    let mut lines = format!("\ngolden: {} cases of {} are in {}\n", here.len(), CASES.len(), place.display());
    for (what, names) in [
        ("absent", absent.clone()),
        ("without their network, compared by what is recorded", recorded.collect()),
        ("files of other networks absent beside them", no_file.collect()),
        ("in the folder that no test reads", unread.collect()),
    ] {
        let colon = if names.is_empty() { "" } else { ": " };
        lines += &format!("golden: {} {what}{colon}{}\n", names.len(), names.join(", "));
    }
    // Straight to the terminal: what a passing test prints is kept back.
    let _ = std::io::stderr().write_all(lines.as_bytes());

    let partial: Vec<String> = here.iter().flat_map(|(name, settings)| lacking(name, settings)).collect();
    assert!(partial.is_empty(), "cases of which only a part is there lack {partial:#?}");
    assert!(!here.is_empty(), "{} has no case", place.display());
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    if same_folder(&folder(), &committed()) {
        assert_eq!(absent, LEFT_OUT, "absent from the committed set");
        let bytes = bytes_on_disk(&committed());
        assert!(bytes <= COMMITTED_BYTES, "the committed set takes {bytes} bytes of {COMMITTED_BYTES}");
    } else if same_folder(&folder(), &shared) {
        assert!(absent.is_empty(), "absent from the whole set: {absent:?}");
    }
}

/// What a folder takes in blocks of 4096 bytes.
fn bytes_on_disk(path: &Path) -> u64 {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        return entries.map(|entry| bytes_on_disk(&entry.unwrap().path())).sum();
    }
    path.metadata().unwrap().len().next_multiple_of(4096)
}

#[test]
#[should_panic(expected = "no place in the table")]
fn golden_cases_without_a_place_in_the_table_are_refused() {
    super::case("some_case_that_nobody_listed");
}
