//! Models on their way out, and back in.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::checkpoint::{Format, ModelHeader};
use onestep::data::Outputs;
use onestep::exchange::{ExportOptions, Import, write_diffusers, write_state_dict};
use onestep::interop::{Choices, read_weights, to_torch};
use onestep::model::network::{AdmConfig, AdmHeads, AdmResample};
use onestep::model::{Architecture, ModelKind, Preconditioning, Weights};
use onestep::observer::{Event, Flow, Work};
use serde_json::Value;

use crate::golden::Array;
use crate::interop::diffusers::foreign;
use crate::networks::small::small_architectures;

/// The header of a consistency model of this network.
fn header(architecture: Architecture) -> ModelHeader {
    ModelHeader {
        format: Format,
        architecture,
        preconditioning: Preconditioning::Boundary,
        kind: ModelKind::Consistency,
        sigma_min: 0.002,
        sigma_max: 80.0,
        sigma_data: 0.5,
        rho: 7.0,
        class_names: Vec::new(),
        method: "cd".into(),
        data: "emoji".into(),
        images_seen: 123_456,
        step: 789,
        tool: "onestep 0.0.9".into(),
        sampling_levels: None,
        task_levels: Default::default(),
        null_class: false,
        guidance: None,
        imported: None,
    }
}

fn small() -> AdmConfig {
    AdmConfig {
        image_size: 8.into(),
        model_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1, 2],
        attention_resolutions: vec![4],
        n_classes: Some(2),
        heads: AdmHeads::Width(16),
        ..AdmConfig::imagenet64()
    }
}

fn weights(architecture: &Architecture) -> Weights {
    Weights::initialize(architecture.build().unwrap().parameters(), 7, &Device::flex())
}

fn values(weights: &Weights) -> Vec<Vec<f64>> {
    weights.values().iter().map(|value| Array::from_tensor(value.clone()).values).collect()
}

/// The names in a folder.
fn listed(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn folders_of_diffusers_come_back_as_the_same_model() {
    let home = tempfile::tempdir().unwrap();
    for name in ["consistency", "ddpm", "cosine"] {
        let model = onestep::open(foreign(name)).unwrap();
        let (header, network) = (&model.origin().unwrap().header, model.network().unwrap());
        let folder = home.path().join(name);
        write_diffusers(header, network.weights(), &folder, &ExportOptions::default()).unwrap();
        let again = onestep::open(&folder).unwrap();
        assert_eq!(again.profile(), model.profile(), "{name}");
        assert_eq!(again.origin().unwrap().header.architecture, header.architecture);
        assert_eq!(values(again.network().unwrap().weights()), values(network.weights()));
        // What diffusers asks of its files.
        let bytes = std::fs::read(folder.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    }
    assert_eq!(listed(home.path()), ["consistency", "cosine", "ddpm"], "nothing else is left");
}

#[test]
fn what_diffusers_has_no_place_for_is_kept_and_levels_become_timesteps() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    let architecture = Architecture::Adm(small());
    let grid = onestep::noise::karras_levels(40, 0.002, 80.0, 7.0).unwrap();
    // The published pair: the places 0 and 22 from above.
    let levels = vec![80.0, grid[39 - 22]];
    let header = ModelHeader {
        class_names: vec!["cat".into(), "dog".into()],
        sampling_levels: Some(levels.clone()),
        ..header(architecture.clone())
    };
    let options = ExportOptions {
        title: Some("Two animals".into()),
        license: Some("apache-2.0".into()),
        metrics: Some("FD-ENetLite0 12.3 on 50,000 images".into()),
        seed: Some(11),
        ..ExportOptions::default()
    };
    write_diffusers(&header, &weights(&architecture), &folder, &options).unwrap();
    let model = onestep::open(&folder).unwrap();
    assert_eq!(model.class_names(), ["cat", "dog"]);
    assert_eq!(model.profile().levels, Some(levels));
    assert_eq!(model.origin().unwrap().header.method, "cd");
    let card = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(card.starts_with("---\nlicense: \"apache-2.0\"\nlibrary_name: \"diffusers\"\n"), "{card}");
    for said in [
        "pipeline_tag: unconditional-image-generation",
        "# Two animals",
        "timesteps=[22, 0]",
        "| Images seen | 123456 |",
        "| Trained on | emoji |",
        "- 1: dog",
        "FD-ENetLite0 12.3",
        "| Seed | 11 |",
        "| Made by | onestep 0.0.9 |",
    ] {
        assert!(card.contains(said), "{said} is not in\n{card}");
    }
    let scheduler: Value =
        serde_json::from_slice(&std::fs::read(folder.join("scheduler/scheduler_config.json")).unwrap())
            .unwrap();
    assert_eq!(scheduler["num_train_timesteps"], 40);
    // Levels between those of the published grid ask for a finer one; those that do not begin at its top have none.
    let with = |levels: Vec<f64>| {
        let folder = home.path().join(format!("levels-{}", levels[0]));
        let header = ModelHeader { sampling_levels: Some(levels), ..header.clone() };
        write_diffusers(&header, &weights(&architecture), &folder, &ExportOptions::default()).unwrap();
        let scheduler = std::fs::read(folder.join("scheduler/scheduler_config.json")).unwrap();
        let scheduler: Value = serde_json::from_slice(&scheduler).unwrap();
        let card = std::fs::read_to_string(folder.join("README.md")).unwrap();
        (scheduler["num_train_timesteps"].as_u64().unwrap(), card)
    };
    let (steps, card) = with(vec![80.0, 24.4, 5.84, 0.9]);
    assert!((41..2000).contains(&steps) && card.contains("timesteps=["), "{steps}");
    let (steps, card) = with(vec![60.0, 1.0]);
    assert!(steps == 40 && card.contains("are none of its scheduler"), "{steps}");
}

#[test]
fn models_that_diffusers_does_not_know_are_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    let refused = |header: &ModelHeader| {
        let weights = weights(&header.architecture);
        write_diffusers(header, &weights, &folder, &ExportOptions::default()).unwrap_err().to_string()
    };
    let adm = |config: AdmConfig| header(Architecture::Adm(config));
    let song = small_architectures().into_iter().find(|kind| matches!(kind, Architecture::Song(_))).unwrap();
    let discrete = onestep::interop::Form::DdpmLinear.preconditioning();
    let cases = [
        (header(song), "UNet2DModel"),
        (
            ModelHeader { preconditioning: Preconditioning::Edm, kind: ModelKind::Diffusion, ..adm(small()) },
            "form of EDM",
        ),
        (ModelHeader { preconditioning: Preconditioning::Trig, ..adm(small()) }, "trig"),
        (
            ModelHeader {
                preconditioning: discrete,
                kind: ModelKind::Diffusion,
                ..adm(AdmConfig { time_scale: 1.0, ..small() })
            },
            "classes",
        ),
        (ModelHeader { preconditioning: discrete, kind: ModelKind::Diffusion, ..adm(small()) }, "noise code"),
        (adm(AdmConfig { resample: AdmResample::Pooling, ..small() }), "without weights"),
        (adm(AdmConfig { channel_mult: vec![2, 2], ..small() }), "first level"),
        (adm(AdmConfig { image_size: onestep::ImageSize { height: 8, width: 16 }, ..small() }), "square"),
        (adm(AdmConfig { heads: AdmHeads::Count { heads: 2, upsample: Some(4) }, ..small() }), "heads of"),
    ];
    for (header, words) in cases {
        let told = refused(&header);
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(listed(home.path()), [""; 0]);
}

#[test]
fn nothing_is_written_over_that_may_not_be() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("model");
    let architecture = Architecture::Adm(small());
    let (header, weights) = (header(architecture.clone()), weights(&architecture));
    let over = ExportOptions { outputs: Outputs::default().overwrite(true), ..ExportOptions::default() };
    let write = |options: &ExportOptions| write_diffusers(&header, &weights, &folder, options);
    std::fs::create_dir(&folder).unwrap();
    write(&ExportOptions::default()).expect("an empty folder is as good as none");
    let refused = write(&ExportOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("onestep.json"), "{refused}");
    write(&over).expect("it is ours");
    // Somebody's notes, and a file that somebody changed.
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    let refused = write(&over).unwrap_err().to_string();
    assert!(refused.contains("notes.txt"), "{refused}");
    std::fs::remove_file(folder.join("notes.txt")).unwrap();
    std::fs::write(folder.join("README.md"), "a better card").unwrap();
    let refused = write(&over).unwrap_err().to_string();
    assert!(refused.contains("README.md"), "{refused}");
    assert_eq!(std::fs::read_to_string(folder.join("README.md")).unwrap(), "a better card");
    // Folders of others, and files.
    let refused = write_diffusers(&header, &weights, home.path(), &over).unwrap_err().to_string();
    assert!(refused.contains("not empty"), "{refused}");
    assert_eq!(listed(home.path()), ["model"]);
}

#[test]
fn state_dicts_are_read_back_and_replaced_only_where_they_are_ours() {
    let home = tempfile::tempdir().unwrap();
    let over = ExportOptions { outputs: Outputs::default().overwrite(true), ..ExportOptions::default() };
    for (number, architecture) in small_architectures().into_iter().enumerate() {
        let weights = weights(&architecture);
        let named = weights.iter().map(|(spec, value)| {
            (spec.name.clone(), (spec.shape.clone(), Array::from_tensor(value.clone()).f32()))
        });
        let expected = to_torch(&architecture, named.collect());
        let header = header(architecture.clone());
        for ending in ["pt", "safetensors"] {
            let path = home.path().join(format!("cd-{number}.{ending}"));
            let written = write_state_dict(&header, &weights, &path, &ExportOptions::default());
            if let Architecture::Mlp(_) = architecture {
                assert!(written.unwrap_err().to_string().contains("no other"));
                continue;
            }
            written.unwrap();
            assert!(read_weights(&path).unwrap() == *expected.as_ref().unwrap(), "{architecture:?}");
            let write = |options: &ExportOptions| write_state_dict(&header, &weights, &path, options);
            assert!(write(&ExportOptions::default()).is_err(), "{ending}");
            write(&over).unwrap_or_else(|error| panic!("{ending}: {error}"));
            std::fs::write(&path, "something else").unwrap();
            assert!(write(&over).is_err(), "{ending}");
        }
    }
    let architecture = Architecture::Adm(small());
    let told = |name: &str, architecture: &Architecture| {
        let path = home.path().join(name);
        let header = header(architecture.clone());
        write_state_dict(&header, &weights(architecture), &path, &over).unwrap_err().to_string()
    };
    assert!(told("model.ckpt", &architecture).contains("must end with"));
    let own = Architecture::Adm(AdmConfig { groups: 8, ..small() });
    assert!(told("model.pt", &own).contains("32 groups"));
}

#[test]
fn weights_that_are_no_numbers_are_never_written() {
    let home = tempfile::tempdir().unwrap();
    let architecture = Architecture::Adm(small());
    let sound = weights(&architecture);
    let specs: &Arc<[_]> = sound.specs();
    let mut values = sound.values().to_vec();
    let last = values.len() - 1;
    let n = specs[last].n_values();
    values[last] = Tensor::from_data(TensorData::new(vec![f32::NAN; n], [n]), &Device::flex());
    let broken = Weights::from_values(specs, values);
    let header = header(architecture);
    let options = ExportOptions::default();
    for told in [
        write_diffusers(&header, &broken, &home.path().join("folder"), &options).unwrap_err(),
        write_state_dict(&header, &broken, &home.path().join("a.pt"), &options).unwrap_err(),
        write_state_dict(&header, &broken, &home.path().join("a.safetensors"), &options).unwrap_err(),
    ] {
        assert!(told.to_string().contains(&specs[last].name), "{told}");
    }
    assert_eq!(listed(home.path()), [""; 0]);
}

/// Taking a model over can be stopped, and leaves nothing; what a killed process left is taken over with the name.
#[test]
fn an_import_that_is_stopped_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let architecture = Architecture::Adm(small());
    let options = ExportOptions::default();
    write_state_dict(
        &header(architecture.clone()),
        &weights(&architecture),
        &path("cd.safetensors"),
        &options,
    )
    .unwrap();
    let choices =
        Choices { image_size: Some(8.into()), heads: Some(AdmHeads::Width(16)), ..Choices::default() };
    let import = || Import::open(path("cd.safetensors"), &choices).unwrap();
    let before = listed(home.path());
    let mut told = Vec::new();
    let mut third = |event: &Event| {
        if let Event::Progress { work: Work::Importing, done, total } = event {
            told.push((*done, *total));
        }
        if told.len() == 3 { Flow::Stop } else { Flow::Continue }
    };
    let saved = import().save_watched(path("model.safetensors"), &Outputs::default(), &mut third).unwrap();
    assert!(saved.is_none());
    assert_eq!((told.len(), told[2].0), (3, 3));
    assert_eq!(listed(home.path()), before);

    std::fs::write(path(".model.safetensors.0.partial"), "of a killed process").unwrap();
    let mut most = 0;
    let mut watching = |event: &Event| {
        if let Event::Progress { done, total, .. } = event {
            most = (*done).max(most);
            assert!(done <= total);
        }
        Flow::Continue
    };
    let saved = import().save_watched(path("model.safetensors"), &Outputs::default(), &mut watching).unwrap();
    assert!(saved.is_some() && most > 3);
    assert_eq!(listed(home.path()), [&before[..], &["model.safetensors".into()]].concat());
    onestep::open(path("model.safetensors")).unwrap();
}
