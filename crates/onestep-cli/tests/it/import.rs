//! Models of other programs: taken over, used directly, refused.

use std::collections::BTreeMap;
use std::path::Path;

use onestep::burn::tensor::Device;
use onestep::interop::{NamedArrays, to_torch};
use onestep::model::network::{AdmConfig, AdmHeads, SongConfig};
use onestep::model::{Architecture, Weights};
use tempfile::TempDir;

use super::{expect, onestep, stderr, stdout};

/// A small network of EDM, whose state dict tells everything but its form.
fn song() -> Architecture {
    Architecture::Song(SongConfig {
        image_size: 8.into(),
        model_channels: 16,
        channel_mult: vec![1, 1],
        num_blocks: 1,
        attention_resolutions: vec![4],
        augment_dim: 0,
        dropout: 0.0,
        ..SongConfig::cifar10_ddpmpp()
    })
}

/// A small network of OpenAI, whose state dict tells neither size nor heads.
fn adm() -> Architecture {
    Architecture::Adm(AdmConfig {
        image_size: 8.into(),
        model_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1, 1],
        attention_resolutions: vec![4],
        n_classes: Some(3),
        heads: AdmHeads::Width(16),
        ..AdmConfig::imagenet64()
    })
}

/// Random weights as the network's own program names them.
fn state_dict(architecture: &Architecture) -> NamedArrays {
    let network = architecture.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 5, &Device::flex());
    let named = weights.iter().map(|(spec, values)| {
        let values = values.clone().into_data().try_to_vec::<f32>().unwrap();
        (spec.name.clone(), (spec.shape.clone(), values))
    });
    to_torch(architecture, named.collect()).unwrap()
}

fn write(path: &Path, named: &NamedArrays) {
    let bytes: BTreeMap<&String, Vec<u8>> = named
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let view = |(name, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), &bytes[name]);
        (name.clone(), view.unwrap())
    };
    safetensors::serialize_to_file(named.iter().map(view), None, path).unwrap();
}

#[test]
fn a_model_of_another_program_is_drawn_from_directly_and_taken_over() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    write(&home.join("cd_small.safetensors"), &state_dict(&song()));
    let draw = |model: &str, out: &str| {
        expect(&onestep(home, &["sample", model, "--seeds", "0-3", "--precision", "f32", "--out", out]), 0);
        onestep::data::picture::read_parameters(&home.join(out)).unwrap().expect("a record")
    };
    draw("cd_small.safetensors", "direct.png");
    let dry = onestep(home, &["import", "cd_small.safetensors", "--dry-run"]);
    expect(&dry, 0);
    assert!(!home.join("model.safetensors").exists(), "a dry run writes nothing");
    let imported =
        onestep(home, &["import", "cd_small.safetensors", "-o", "model.safetensors", "--data", "made up"]);
    expect(&imported, 0);
    let told = stdout(&imported);
    assert!(told.contains("consistency model") && told.contains("0 missing, 0 too many"), "{told}");
    draw("model.safetensors", "imported.png");
    let pixels = |name: &str| image::open(home.join(name)).unwrap().into_rgb8().into_raw();
    assert_eq!(pixels("direct.png"), pixels("imported.png"));
    let info = stdout(&onestep(home, &["info", "model.safetensors"]));
    assert!(info.contains("images of made up") && info.contains("imported"), "{info}");
    // Nothing is written over without being told.
    let again = onestep(home, &["import", "cd_small.safetensors", "-o", "model.safetensors"]);
    expect(&again, 73);
    expect(&onestep(home, &["import", "cd_small.safetensors", "-o", "model.safetensors", "--overwrite"]), 0);
    expect(
        &onestep(home, &["import", "cd_small.safetensors", "-o", "cd_small.safetensors", "--overwrite"]),
        73,
    );
}

#[test]
fn a_foreign_teacher_is_distilled() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    write(&home.join("edm_small.safetensors"), &state_dict(&song()));
    let mut train = vec!["train", "emoji-cd", "--teacher", "edm_small.safetensors", "--out", "run"];
    for setting in ["train.steps=2", "train.batch=4", "train.preview_every=0"] {
        train.extend(["--set", setting]);
    }
    // The recipe's own network is another one, which is told, and how to take the teacher's.
    let output = onestep(home, &train);
    expect(&output, 65);
    assert!(stderr(&output).contains("--like-teacher"), "{}", stderr(&output));
    train.push("--like-teacher");
    expect(&onestep(home, &train), 0);
    expect(&onestep(home, &["sample", "run", "--seeds", "0", "--out", "one.png"]), 0);
}

#[test]
fn what_has_to_be_said_is_asked_for_and_what_does_not_fit_is_listed() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let mut named = state_dict(&adm());
    write(&home.join("small.safetensors"), &named);
    let import = |more: &[&str]| {
        let mut arguments = vec!["import", "small.safetensors"];
        arguments.extend(more);
        onestep(home, &arguments)
    };
    for (more, option) in [
        (&[][..], "--size"),
        (&["--size", "8"], "--head-channels"),
        (&["--size", "8", "--head-channels", "16"], "--form"),
    ] {
        let output = import(more);
        expect(&output, 2);
        assert!(stderr(&output).contains(option), "{}", stderr(&output));
    }
    // Other commands say what to do, too.
    let output = onestep(home, &["sample", "small.safetensors"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("onestep import small.safetensors"), "{}", stderr(&output));

    let all = ["--size", "8", "--head-channels", "16", "--form", "consistency"];
    expect(&import(&[&all[..], &["--dry-run"]].concat()), 0);
    named.remove("middle_block.0.out_layers.3.bias");
    named.insert("more".into(), (vec![1], vec![0.0]));
    named.get_mut("time_embed.2.bias").unwrap().0 = vec![2, 64];
    write(&home.join("small.safetensors"), &named);
    let output = import(&all);
    expect(&output, 65);
    let told = stdout(&output);
    for part in ["middle_block.0.out_layers.3.bias", "more [1]", "time_embed.2.bias [2, 64], needed [128]"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!home.join("model.safetensors").exists());
    let report: serde_json::Value =
        serde_json::from_str(&stdout(&import(&[&all[..], &["--json"]].concat()))).expect("JSON");
    assert_eq!(report["missing"][0]["name"], "middle_block.0.out_layers.3.bias");
}

#[test]
fn files_that_are_no_models_are_called_what_they_are() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for (name, contents, part) in [
        ("model.pt", &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"[..], "Git LFS"),
        ("page.safetensors", b"<!DOCTYPE html><html><body>not found</body></html>", "web page"),
        ("empty.pt", b"", "empty"),
        ("evil.pkl", b"cos\nsystem\n(S'touch PWNED'\ntR.", ""),
        ("evil2.pkl", b"\x80\x02cposix\nsystem\nX\x0b\0\0\0touch PWNED\x85R.", "posix.system"),
    ] {
        std::fs::write(home.join(name), contents).unwrap();
        for command in [&["import", name][..], &["sample", name], &["info", name]] {
            let output = onestep(home, command);
            assert_ne!(output.status.code(), Some(0), "{command:?}");
            assert_ne!(output.status.code(), Some(101), "{command:?}: {}", stderr(&output));
            if command[0] == "import" {
                expect(&output, 65);
                assert!(stderr(&output).contains(part), "{command:?}: {}", stderr(&output));
            }
        }
    }
    assert!(!home.join("PWNED").exists(), "something was run");
}

#[test]
fn published_names_say_how_they_are_to_be_had() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let caches = home.join("caches");
    let run = |arguments: &[&str]| {
        super::command(home, arguments)
            .env("ONESTEP_MODELS", caches.join("fetched"))
            .env("HF_HUB_CACHE", caches.join("hub"))
            .output()
            .unwrap()
    };
    let list = run(&["models"]);
    expect(&list, 0);
    assert!(stdout(&list).contains("cd-imagenet64-lpips"), "{}", stdout(&list));
    let output = run(&["sample", "cd-imagenet64-lpips"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("onestep fetch cd-imagenet64-lpips"), "{}", stderr(&output));
    let output = run(&["sample", "someone/something"]);
    expect(&output, 65);
    assert!(stderr(&output).contains("hf download"), "{}", stderr(&output));
    let output = run(&["fetch", "cd-imagenet64-lpips", "--dry-run"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("licence      MIT"), "{}", stdout(&output));
    expect(&run(&["fetch", "no-such-thing"]), 2);
    expect(&run(&["fetch", "nvidia-edm-cifar10-uncond-vp"]), 2);

    // What the hub's cache holds is found by its name.
    let snapshot = caches.join("hub/models--someone--something/snapshots/abc123");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(caches.join("hub/models--someone--something/refs")).unwrap();
    std::fs::write(caches.join("hub/models--someone--something/refs/main"), "abc123").unwrap();
    write(&snapshot.join("cd_small.safetensors"), &state_dict(&song()));
    expect(&run(&["sample", "someone/something", "--seeds", "0", "--out", "one.png"]), 0);
}

#[test]
fn models_go_out_and_come_in_again_as_the_same() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    write(&home.join("cd_small.safetensors"), &state_dict(&song()));
    write(&home.join("small.safetensors"), &state_dict(&adm()));
    let run = |arguments: &[&str], code: i32| {
        let output = onestep(home, arguments);
        expect(&output, code);
        stdout(&output)
    };
    let all = ["--size", "8", "--head-channels", "16", "--form", "consistency"];
    run(&[&["import", "small.safetensors", "-o", "adm.safetensors"][..], &all].concat(), 0);
    run(&["import", "cd_small.safetensors", "-o", "song.safetensors"], 0);
    let pixels = |model: &str| {
        let out = format!("{}.png", model.replace('.', "-"));
        run(&["sample", model, "--seeds", "0-2", "--precision", "f32", "-o", &out, "--overwrite"], 0);
        image::open(home.join(out)).unwrap().into_rgb8().into_raw()
    };
    // A folder of diffusers is a model as it is.
    run(&["export", "adm.safetensors", "--to", "diffusers", "-o", "folder", "--license", "mit"], 0);
    let card = std::fs::read_to_string(home.join("folder/README.md")).unwrap();
    assert!(card.contains("license: \"mit\"") && card.contains("ConsistencyModelPipeline"), "{card}");
    assert_eq!(pixels("folder"), pixels("adm.safetensors"));
    let judged = run(&["eval", "folder", "builtin:emoji", "-n", "8", "--fewer", "--image-size", "32"], 0);
    assert!(!judged.is_empty());
    // A state dict of torch has the names of EDM.
    assert!(
        run(&["export", "song.safetensors", "--to", "openai", "-o", "cd_again.pt"], 0)
            .contains("cd_again.pt.md")
    );
    assert_eq!(pixels("cd_again.pt"), pixels("song.safetensors"));
    run(&["export", "song.safetensors", "--to", "safetensors", "-o", "cd_original.safetensors"], 0);
    assert_eq!(pixels("cd_original.safetensors"), pixels("song.safetensors"));
    for form in ["one-step", "denoiser"] {
        let out = format!("{form}.onnx");
        run(&["export", "song.safetensors", "--to", "onnx", "--form", form, "-o", &out], 0);
        assert!(home.join(&out).metadata().unwrap().len() > 100_000);
    }
    // What is there is replaced when it is said, and never what others made or what is read.
    run(&["export", "song.safetensors", "--to", "onnx", "-o", "denoiser.onnx"], 73);
    // Weights that lay beside a larger export go with it, but not what somebody else has called so.
    let data = home.join("denoiser.onnx.data");
    std::fs::write(&data, "mine").unwrap();
    run(&["export", "song.safetensors", "--to", "onnx", "-o", "denoiser.onnx", "--overwrite"], 73);
    std::fs::write(&data, "onestep 0.1.0 weights").unwrap();
    run(&["export", "song.safetensors", "--to", "onnx", "-o", "denoiser.onnx", "--overwrite"], 0);
    assert!(!data.exists());
    std::fs::write(home.join("notes.onnx.md"), "mine").unwrap();
    run(&["export", "song.safetensors", "--to", "onnx", "-o", "notes.onnx", "--overwrite"], 73);
    assert!(!home.join("notes.onnx").exists());
    run(&["export", "song.safetensors", "--to", "safetensors", "-o", "song.safetensors", "--overwrite"], 73);
    // What a program does not know is said.
    let output = onestep(home, &["export", "song.safetensors", "--to", "diffusers", "-o", "no"]);
    expect(&output, 2);
    assert!(stderr(&output).contains("UNet2DModel"), "{}", stderr(&output));
    expect(&onestep(home, &["export", "song.safetensors", "--to", "openai", "--form", "denoiser"]), 2);
}
