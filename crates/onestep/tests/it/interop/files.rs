//! Damaged, hostile and unusual files of weights, and healthy ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use onestep::interop::{NamedArrays, read_weights};
use onestep::model::{Init, ParameterSpec, Weights};
use serde_json::Value;

use crate::golden::{arrays, case, folder};

/// What the manifest says a loader should do, in its words.
enum Expected {
    Error,
    Loads,
    Either,
}

impl Expected {
    fn read(words: &str) -> Self {
        let error = words.contains("error");
        match words.contains("load") || words.contains("values") || words.contains("readable") {
            true if error => Self::Either,
            true => Self::Loads,
            false => Self::Error,
        }
    }
}

/// The file that a readable one must equal: the one that the manifest names, or the one beside it for this purpose.
fn twin(entry: &Value, file: &str) -> Option<String> {
    let words = entry["expect"].as_str().unwrap();
    let named = words.split([' ', ';', ',']).find(|word| word.ends_with(".safetensors"));
    let beside = format!("{}_expected.safetensors", file.split('.').next().unwrap());
    let beside = folder().join(&beside).is_file().then_some(beside);
    let reference = words.contains("equal to reference").then(|| "bad/reference.safetensors".to_owned());
    named.map(|name| format!("bad/{name}")).or(beside).or(reference)
}

/// What hand-written files hold, as their descriptions say.
fn by_hand(file: &str) -> Option<Vec<(&'static str, Vec<f32>)>> {
    let numbers = |range: std::ops::Range<u8>| range.map(f32::from).collect::<Vec<_>>();
    match file {
        "bad/handmade_ok.pt" => Some(vec![("w", numbers(0..12))]),
        "bad/strided_ok.pt" => Some(vec![("w", (0..12u8).map(|n| f32::from(n / 3 + 4 * (n % 3))).collect())]),
        "bad/offset_ok.pt" => Some(vec![("w", numbers(5..11))]),
        "bad/st_ok.safetensors" => Some(vec![("a", numbers(0..3)), ("b", numbers(3..6))]),
        _ => None,
    }
}

/// The function that a file wants to have called.
fn asked_for(file: &str) -> Option<&'static str> {
    match file {
        "bad/evil_reduce.pt" | "bad/evil_legacy.pt" | "bad/evil_raw.pkl" => Some("system`"),
        "bad/evil_eval.pt" => Some("eval`"),
        _ => None,
    }
}

/// The network that the network-like files are for: the tensors of the reference.
fn specs(reference: &NamedArrays) -> Arc<[ParameterSpec]> {
    let spec = |(name, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| ParameterSpec {
        name: name.clone(),
        shape: shape.clone(),
        init: Init::Zeros,
        trainable: true,
        kept: 0,
    };
    reference.iter().map(spec).collect()
}

fn check_equal(file: &str, got: &NamedArrays) {
    let expected = arrays(file).unwrap_or_else(|| panic!("{file} is not there"));
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{file}");
    for (name, expected) in &expected {
        let (shape, values) = &got[name];
        assert_eq!(shape, &expected.shape, "{file}: {name}");
        assert_eq!(values, &expected.f32(), "{file}: {name}");
    }
}

#[test]
fn golden_damaged_and_hostile_files_are_refused_and_unusual_ones_read() {
    let Some(manifest) = case("bad/manifest") else { return };
    let reference = read_weights(&folder().join("bad/reference.safetensors")).unwrap();
    let (mut refused, mut read) = (0, 0);
    let entries = manifest.json.as_object().unwrap().values().filter_map(Value::as_array).flatten();
    for entry in entries {
        let (file, words) = (entry["file"].as_str().unwrap(), entry["expect"].as_str().unwrap());
        let path = folder().join(file);
        let start = Instant::now();
        let outcome = read_weights(&path).map_err(|error| error.to_string());
        let time = start.elapsed();
        assert!(time < Duration::from_secs(5), "{file} took {time:?}");
        // Files of a network with something wrong about a tensor are well as files.
        let names_key = words.contains("naming the key");
        let outcome = match outcome {
            Ok(named) if names_key => Weights::from_named(&specs(&reference), named, &Device::flex())
                .map(|_| NamedArrays::new())
                .map_err(|error| error.to_string()),
            outcome => outcome,
        };
        if let Some(function) = asked_for(file) {
            assert!(outcome.as_ref().is_err_and(|message| message.contains(function)), "{file}: {outcome:?}");
        }
        let says = match &outcome {
            Ok(_) => "read".to_owned(),
            Err(message) => message.replace(path.to_str().unwrap(), "…"),
        };
        println!("golden | {file} | {} | {says} | {time:.1?} |", entry["kind"].as_str().unwrap());
        match (Expected::read(words), outcome) {
            (Expected::Error | Expected::Either, Err(message)) => {
                if names_key {
                    check_names(entry, &message);
                } else {
                    assert!(message.contains(path.to_str().unwrap()), "{file}: {message}");
                }
                refused += 1;
            }
            (Expected::Loads | Expected::Either, Ok(named)) => {
                if let Some(twin) = twin(entry, file) {
                    check_equal(&twin, &named);
                }
                for (name, values) in by_hand(file).into_iter().flatten() {
                    assert_eq!(named[name].1, values, "{file}: {name}");
                }
                read += 1;
            }
            (Expected::Error, Ok(named)) => {
                panic!("{file} ({}) was read: {:?}", entry["kind"], named.keys().collect::<Vec<_>>())
            }
            (Expected::Loads, Err(message)) => panic!("{file}: {message}"),
        }
    }
    assert!(!Path::new("PWNED").exists() && !folder().join("PWNED").exists(), "something was run");
    assert!(refused > 0 && read > 0);
    println!("golden | bad | {refused} files refused, {read} read | as the manifest says |");
    if std::env::var_os("ONESTEP_PEAK").is_some() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        println!("peak {}", peak.trim());
    }
}

/// The message names a tensor of the description, or, where that speaks of another file, some tensor.
fn check_names(entry: &Value, message: &str) {
    let kind = entry["kind"].as_str().unwrap();
    let named =
        kind.split([' ', '(', ')']).find(|word| word.contains('.') && !word.ends_with(".safetensors"));
    assert!(message.contains(named.unwrap_or("tensor `")), "{message} does not name {named:?} of {kind}");
}

#[test]
fn golden_files_of_torch_save_hold_what_their_safetensors_hold() {
    let Ok(entries) = std::fs::read_dir(folder()) else { return };
    let mut compared = BTreeMap::new();
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".pt") else { continue };
        let twin = format!("{stem}.safetensors");
        if folder().join(&twin).is_file() {
            let named = read_weights(&folder().join(&name)).unwrap();
            check_equal(&twin, &named);
            compared.insert(name, named.len());
        }
    }
    for (name, n_tensors) in compared {
        println!("golden | {name} | {n_tensors} tensors | equal |");
    }
}

/// The same table in a process of its own, which may take 4 GB of addresses, and says how much memory it has used.
#[cfg(target_os = "linux")]
#[test]
fn golden_damaged_and_hostile_files_take_little_memory() {
    const TABLE: &str = "interop::files::golden_damaged_and_hostile_files_are_refused_and_unusual_ones_read";
    if case("bad/manifest").is_none() {
        return;
    }
    let mut child = std::process::Command::new("sh");
    child.args(["-c", "ulimit -v 4000000; exec \"$0\" --exact \"$1\" --nocapture --test-threads 1"]);
    let output =
        child.arg(std::env::current_exe().unwrap()).arg(TABLE).env("ONESTEP_PEAK", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let peak = text.lines().find_map(|line| line.strip_prefix("peak ")).expect("the child tells its peak");
    let mebibytes = peak.split(' ').next().unwrap().parse::<u64>().unwrap() / 1024;
    println!("golden | bad | peak of a process that reads all of them | {mebibytes} MiB |");
    assert!(mebibytes < 256, "{mebibytes} MiB");
}
