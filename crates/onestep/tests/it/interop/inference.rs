//! Architectures found again from names and shapes.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use onestep::interop::{Choices, Family, ForeignModel, Form, InteropError, NamedArrays, QkvOrder, to_torch};
use onestep::model::network::{AdmConfig, AdmHeads, DhariwalConfig, SongConfig};
use onestep::model::{Architecture, Weights};

use crate::golden::{Array, arrays, case, folder, models};
use crate::networks::small::small_architectures;

/// Writes arrays as a safetensors file, as other programs do: without metadata.
pub fn write(path: &Path, named: &NamedArrays) {
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

/// Weights of a network as its own program saves them.
pub fn state_dict(architecture: &Architecture) -> NamedArrays {
    let network = architecture.build().unwrap();
    let weights = Weights::initialize(network.parameters(), 3, &Device::flex());
    let named = weights.iter().map(|(spec, values)| {
        (spec.name.clone(), (spec.shape.clone(), Array::from_tensor(values.clone()).f32()))
    });
    to_torch(architecture, named.collect()).unwrap()
}

/// What has to be said of a network beside its state dict.
fn choices(architecture: &Architecture) -> Choices {
    let adm = |config: &AdmConfig| Choices {
        image_size: Some(config.image_size),
        heads: Some(config.heads),
        ..Choices::default()
    };
    let choices = match architecture {
        Architecture::Adm(config) => adm(config),
        _ => Choices::default(),
    };
    Choices { form: Some(Form::Edm), ..choices }
}

/// A network with as many outputs as inputs, and how it is opened: one with twice as many answers as improved DDPM does, and the
/// second half is left.
fn with_own_outputs(architecture: Architecture) -> (Architecture, Choices) {
    let choices = choices(&architecture);
    match architecture {
        Architecture::Adm(config) if config.out_channels == 2 * config.in_channels => {
            let config = AdmConfig { out_channels: config.in_channels, time_scale: 1.0, ..config };
            (Architecture::Adm(config), Choices { form: Some(Form::DdpmLinear), ..choices })
        }
        architecture => (architecture, choices),
    }
}

/// The same network without what leaves no trace.
fn traceable(architecture: &Architecture) -> Architecture {
    match architecture.clone() {
        Architecture::Adm(config) => Architecture::Adm(AdmConfig { dropout: 0.0, ..config }),
        Architecture::Song(config) => {
            Architecture::Song(SongConfig { dropout: 0.0, fourier_scale: 16.0, ..config })
        }
        Architecture::Dhariwal(config) => {
            // Where there are fewer channels than one head has, nothing attends, whatever is asked for.
            let mut attention_resolutions = config.attention_resolutions.clone();
            attention_resolutions.retain(|size| {
                let level = (config.image_size.shorter() / size).trailing_zeros() as usize;
                config.channel_mult[level] * config.model_channels >= 64
            });
            Architecture::Dhariwal(DhariwalConfig { dropout: 0.0, attention_resolutions, ..config })
        }
        other => other,
    }
}

fn compare(architecture: &Architecture, found: &ForeignModel, what: &str) {
    let expected = match (traceable(architecture), &found.architecture) {
        // Without a level that is resampled there is no filter to be seen.
        (Architecture::Song(config), Architecture::Song(found)) if config.channel_mult.len() == 1 => {
            Architecture::Song(SongConfig { resample_filter: found.resample_filter.clone(), ..config })
        }
        (expected, _) => expected,
    };
    assert_eq!(found.architecture, expected, "{what}");
    assert!(found.matching().is_complete(), "{what}: {:?}", found.matching());
}

#[test]
fn every_small_network_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut n_networks = 0;
    for architecture in small_architectures() {
        if matches!(architecture, Architecture::Mlp(_) | Architecture::Custom(_)) {
            continue;
        }
        write(&path, &state_dict(&architecture));
        let found = ForeignModel::open(&path, &choices(&architecture)).unwrap();
        compare(&architecture, &found, &format!("{architecture:?}"));
        n_networks += 1;
    }
    assert!(n_networks >= 3, "{n_networks} networks");
}

#[test]
fn golden_networks_are_found_again_from_their_weights() {
    let names = [
        "adm_unet_a",
        "adm_unet_b",
        "adm_unet_c",
        "adm_unet_d",
        "edm_ddpmpp",
        "edm_ncsnpp",
        "edm_skip",
        "edm_adm",
        "edm_cond",
        "ect_net",
    ];
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let Some(case) = case(name) else { continue };
        let Some(weights) = arrays(&case.weights_file()) else { continue };
        let path = folder.path().join("weights.safetensors");
        write(
            &path,
            &weights.into_iter().map(|(name, array)| (name, (array.shape.clone(), array.f32()))).collect(),
        );
        let architecture = models::architecture(&case.json["config"]);
        let (architecture, choices) = with_own_outputs(architecture);
        let found = ForeignModel::open(&path, &choices).unwrap();
        compare(&architecture, &found, name);
        let n_tensors = found.matching().matched.len();
        println!("golden | {name} | {n_tensors} tensors | architecture found again |");
    }
}

#[test]
fn golden_checkpoint_of_torch_save_is_opened_like_a_model() {
    let path = folder().join("adm_unet_a.weights.pt");
    let Some(case) = case("adm_unet_a").filter(|_| path.is_file()) else {
        println!("golden | adm_unet_a.weights.pt | absent from this set |");
        return;
    };
    let architecture = models::architecture(&case.json["config"]);
    let mut found = ForeignModel::open(&path, &choices(&architecture)).unwrap();
    compare(&architecture, &found, "adm_unet_a.weights.pt");
    assert_eq!(found.family, Family::OpenAi);
    let twin = arrays(&case.weights_file()).unwrap();
    let twin = twin.into_iter().map(|(name, array)| (name, (array.shape.clone(), array.f32()))).collect();
    let ours = onestep::interop::from_torch(&architecture, twin).unwrap();
    assert_eq!(found.arrays().unwrap(), ours);
    println!("golden | adm_unet_a.weights.pt | {} tensors | equal to the safetensors |", ours.len());
}

#[test]
fn the_published_networks_need_no_choice() {
    let folder = tempfile::tempdir().unwrap();
    for (config, file, n_tensors, kind) in [
        (AdmConfig::imagenet64(), "cd_imagenet64_lpips.safetensors", 541, "consistency"),
        (AdmConfig::lsun256(), "edm_bedroom256_ema.safetensors", 566, "diffusion"),
    ] {
        let architecture = Architecture::Adm(config);
        let path = folder.path().join(file);
        write_sparse(&path, &architecture);
        let found = ForeignModel::open(&path, &Choices::default()).unwrap();
        compare(&architecture, &found, file);
        assert_eq!(found.matching().matched.len(), n_tensors);
        assert_eq!(format!("{:?}", found.kind).to_lowercase(), kind);
    }
}

/// Writes a state dict of the right names and shapes whose values are zeros that take no room on the disk.
fn write_sparse(path: &Path, architecture: &Architecture) {
    let map = onestep::interop::NameMap::torch(architecture, QkvOrder::default()).unwrap();
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in map.shapes() {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(
            name,
            serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] }),
        );
    }
    let header = serde_json::to_string(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    std::fs::write(path, &bytes).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((bytes.len() + end) as u64).unwrap();
}

#[test]
fn what_cannot_be_seen_is_asked_for_by_the_name_of_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let adm = small_architectures().into_iter().find(|kind| matches!(kind, Architecture::Adm(_))).unwrap();
    let path = folder.path().join("model.safetensors");
    write(&path, &state_dict(&adm));
    let all = choices(&adm);
    let asked = |choices: Choices| match ForeignModel::open(&path, &choices) {
        Err(InteropError::Undecided { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    assert!(asked(Choices { image_size: None, ..all.clone() }).contains("--size"));
    assert!(asked(Choices { heads: None, ..all.clone() }).contains("--head-channels"));
    assert!(asked(Choices { form: None, ..all.clone() }).contains("--form"));
    // The name of a published file tells its form.
    let named = folder.path().join("ct_model.safetensors");
    std::fs::copy(&path, &named).unwrap();
    let found = ForeignModel::open(&named, &Choices { form: None, ..all.clone() }).unwrap();
    assert_eq!((found.method.as_str(), found.kind), ("ct", onestep::model::ModelKind::Consistency));
}

#[test]
fn the_order_of_guided_diffusion_is_chosen_and_translated() {
    let folder = tempfile::tempdir().unwrap();
    let Some(Architecture::Adm(config)) =
        small_architectures().into_iter().find(|kind| matches!(kind, Architecture::Adm(_)))
    else {
        panic!("no such network")
    };
    // More than one head, so that the orders differ.
    let heads = AdmHeads::Width(16);
    let architecture = Architecture::Adm(AdmConfig { heads, ..config });
    let mut named = state_dict(&architecture);
    for (name, (shape, _)) in &mut named {
        if name.ends_with("qkv.weight") || name.ends_with("proj_out.weight") {
            assert_eq!(shape.pop(), Some(1));
        }
    }
    let path = folder.path().join("model.safetensors");
    write(&path, &named);
    let all = choices(&architecture);
    let open = |order| ForeignModel::open(&path, &Choices { qkv_order: order, ..all.clone() });
    let error = open(None).unwrap_err();
    assert!(
        matches!(&error, InteropError::Undecided { option, .. } if option.contains("--qkv-order")),
        "{error}"
    );
    let [three, heads] = [QkvOrder::ThreeFirst, QkvOrder::HeadsFirst]
        .map(|order| open(Some(order)).unwrap().arrays().unwrap());
    let name = "middle_block.1.qkv.bias";
    let (three, heads) = (&three[name].1, &heads[name].1);
    let n_channels = three.len() / 3;
    for channel in 0..n_channels {
        for part in 0..3 {
            let (head, within) = (channel / 16, channel % 16);
            // Theirs in the one reading are at (part, channel), in the other at (head, part, within).
            assert_eq!(heads[part * n_channels + channel], three[(head * 3 + part) * 16 + within]);
        }
    }
    assert_ne!(three, heads);
}
