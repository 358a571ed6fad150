//! Folders of diffusers: golden ones, small ones of every kind, and settings that are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use onestep::interop::{Choices, Family, ForeignModel, Form, InteropError, NameMap, QkvOrder};
use onestep::model::network::{AdmConfig, AdmHeads};
use onestep::model::{Architecture, Condition, ModelKind, Preconditioning};
use onestep::noise::SamplingLevels;
use onestep::sample::{Request, sample_multistep};
use onestep::solver::Solver;
use serde_json::{Value, json};

use crate::golden::{self, Array, arrays_at, check_values};
use crate::networks::settings;
use crate::samplers::Recorded;

/// The small folders that come with the source.
pub fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/diffusers").join(name)
}

/// What diffusers makes of one of them.
pub fn expected(name: &str) -> BTreeMap<String, Array> {
    arrays_at(&foreign(&format!("{name}.expected.safetensors"))).expect("it comes with the source")
}

pub fn batch(array: &Array) -> Tensor<4> {
    let shape: [usize; 4] = array.shape.clone().try_into().expect("a batch of images");
    Tensor::from_data(TensorData::new(array.f32(), shape), &Device::flex())
}

fn close(what: &str, got: Tensor<4>, expected: &[f64], atol: f64, rtol: f64) {
    let got = Array::from_tensor(got);
    check_values("diffusers", what, &got.values, expected, |expected| atol + rtol * expected.abs());
}

#[test]
fn a_pipeline_samples_what_diffusers_samples() {
    let Some(case) = golden::case("diffusers_pipeline_io") else { return };
    let folder = golden::folder().join(case.text("folder"));
    let model = onestep::open(&folder).unwrap();
    assert_eq!((model.kind(), model.n_classes()), (ModelKind::Consistency, Some(5)));
    let condition = Condition::classes(case.array("class_labels").indices());
    let latents = case.array("latents").channels_last();
    let shape: [usize; 4] = latents.shape.clone().try_into().unwrap();
    for (run, _) in case.get("runs").as_object().unwrap() {
        // The last level of theirs is σ_min, where nothing is left to be done.
        let levels = case.array(&format!("{run}.sigmas")).values.clone();
        let levels = SamplingLevels::new(levels[..levels.len() - 1].to_vec()).unwrap();
        let draws = case.numbered(&format!("{run}.noise"), "").into_values().map(Array::channels_last);
        let mut noise = Recorded::of(std::iter::once(latents.clone()).chain(draws).collect());
        let request = Request {
            shape,
            condition: &condition,
            clamp: true,
            device: &Device::flex(),
            on_estimate: &mut |_| true,
        };
        let sample = sample_multistep(model.denoiser(), &levels, &mut noise, request).unwrap();
        let expected = case.array(&format!("{run}.sample")).channels_last();
        case.check(run, &Array::from_tensor(sample), &expected);
    }
}

#[test]
fn names_are_those_of_the_published_conversion() {
    let Some(case) = golden::case("diffusers_mapping") else { return };
    let Some(of) = golden::case("adm_unet_a") else { return };
    let Architecture::Adm(config) = settings::adm(&of.json["config"]) else { unreachable!() };
    let map = NameMap::diffusers(&config).unwrap();
    let shapes: BTreeMap<_, _> = map.shapes().into_iter().collect();
    let golden: BTreeMap<&str, &str> = (case.get("name_map_diffusers_to_adm").as_object().unwrap().iter())
        // Of queries, keys and values the entry says which rows they are.
        .map(|(theirs, ours)| (theirs.as_str(), ours.as_str().unwrap().split('[').next().unwrap()))
        .collect();
    assert_eq!(shapes.len(), golden.len());
    let matching = map.matching(&shapes);
    assert!(matching.is_complete());
    for tensor in &matching.matched {
        for theirs in &tensor.theirs {
            assert_eq!(golden.get(theirs.as_str()), Some(&tensor.ours.as_str()), "{theirs}");
        }
    }
}

#[test]
fn a_network_in_both_names_is_one_network() {
    let Some(case) = golden::case("diffusers_mapping") else { return };
    let Some(of) = golden::case("adm_unet_a") else { return };
    let Some(weights) = golden::arrays(&of.weights_file()) else { return };
    let architecture = settings::adm(&of.json["config"]);
    let Architecture::Adm(config) = &architecture else { unreachable!() };
    let named = weights.into_iter().map(|(name, array)| (name, (array.shape.clone(), array.f32()))).collect();
    let ours = onestep::interop::from_torch(&architecture, named).unwrap();
    let map = NameMap::diffusers(config).unwrap();
    let theirs = map.written(|name| ours[name].1.clone());
    let home = tempfile::tempdir().unwrap();
    write_safetensors(&home.path().join("diffusion_pytorch_model.safetensors"), theirs);
    std::fs::write(home.path().join("config.json"), case.get("unet_config").to_string()).unwrap();
    let choices = Choices { form: Some(Form::Consistency), ..Choices::default() };
    for path in [home.path().to_path_buf(), home.path().join("diffusion_pytorch_model.safetensors")] {
        let mut model = ForeignModel::open(&path, &choices).unwrap();
        assert_eq!(model.family, Family::Diffusers);
        assert_eq!(model.architecture, architecture);
        assert!(model.arrays().unwrap() == ours);
    }
    // Without a form, and without the settings and a size, something has to be said.
    let refused = ForeignModel::open(home.path(), &Choices::default()).unwrap_err().to_string();
    assert!(refused.contains("--form"), "{refused}");
    std::fs::remove_file(home.path().join("config.json")).unwrap();
    let alone = home.path().join("diffusion_pytorch_model.safetensors");
    let refused = ForeignModel::open(&alone, &choices).unwrap_err().to_string();
    assert!(refused.contains("--size"), "{refused}");
    let said = Choices { image_size: Some(16.into()), heads: Some(config.heads), ..choices };
    let mut model = ForeignModel::open(&alone, &said).unwrap();
    assert_eq!(model.architecture, architecture);
    assert!(model.arrays().unwrap() == ours);
}

/// Writes arrays in the format of others.
fn write_safetensors(path: &Path, arrays: impl Iterator<Item = (String, Vec<usize>, Vec<f32>)>) {
    let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = arrays
        .map(|(name, shape, values)| (name, shape, values.into_iter().flat_map(f32::to_le_bytes).collect()))
        .collect();
    let views = arrays.iter().map(|(name, shape, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.clone(), view.unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_consistency_pipeline_with_old_names_answers_as_there() {
    let model = onestep::open(foreign("consistency")).unwrap();
    let expected = expected("consistency");
    let condition = Condition::classes(expected["labels"].indices());
    let noisy = batch(&expected["latents"]) * 80.0;
    let image = model.denoiser().denoise(noisy, &[80.0; 2], &condition).unwrap().clamp(-1.0, 1.0);
    close("consistency, one step", image, &expected["one_step"].values, 1e-5, 1e-4);
}

#[test]
fn networks_of_discrete_steps_answer_as_there() {
    for name in ["ddpm", "cosine"] {
        let model = onestep::open(foreign(name)).unwrap();
        assert_eq!(model.kind(), ModelKind::Diffusion);
        let Preconditioning::Discrete(form) = model.profile().preconditioning else { panic!("{name}") };
        let expected = expected(name);
        let sigmas: Vec<f64> = form.schedule.sigmas().collect();
        let steps = expected["steps"].indices();
        let levels: Vec<f64> = steps.iter().map(|&step| sigmas[step]).collect();
        check_values("diffusers", &format!("{name}, levels"), &levels, &expected["sigma"].values, |level| {
            1e-5 * level
        });
        for (&step, &level) in steps.iter().zip(&levels) {
            assert!((form.schedule.time(level) - step as f64).abs() < 1e-9, "{name}: step {step}");
            assert_eq!(form.schedule.nearest(level), step);
        }
        let estimate =
            model.denoiser().denoise(batch(&expected["noisy"]), &levels, &Condition::default()).unwrap();
        // The estimate is a difference of numbers as large as the noisy images.
        let noisy = &expected["noisy"].values;
        let got = Array::from_tensor(estimate).values;
        let errors: Vec<f64> =
            got.iter().zip(&expected["denoised"].values).map(|(got, there)| got - there).collect();
        let relative: Vec<f64> =
            errors.iter().zip(noisy).map(|(error, noisy)| error / (1.0 + noisy.abs())).collect();
        check_values(
            "diffusers",
            &format!("{name}, estimates"),
            &relative,
            &vec![0.0; relative.len()],
            |_| 1e-4,
        );
    }
}

#[test]
fn euler_steps_are_those_of_ddim() {
    let model = onestep::open(foreign("ddpm")).unwrap();
    let Preconditioning::Discrete(form) = model.profile().preconditioning else { panic!() };
    let expected = expected("ddpm");
    let sigmas: Vec<f64> = form.schedule.sigmas().collect();
    let mut levels: Vec<f64> =
        expected["ddim_steps"].indices().into_iter().map(|step| sigmas[step]).collect();
    levels.push(0.0);
    let latents = batch(&expected["latents"]);
    let mut state = latents * (levels[0].powi(2) + 1.0).sqrt();
    for pair in levels.windows(2) {
        let step =
            Solver::Euler.step(model.denoiser(), state, &[pair[0]; 2], &[pair[1]; 2], &Condition::default());
        state = step.unwrap().state;
    }
    // Networks with random weights make large images of noise.
    close("ddpm, ten steps", state, &expected["ddim"].values, 2e-2, 1e-3);
}

#[test]
fn variances_are_left_in_the_file() {
    let mut model = ForeignModel::open(&foreign("cosine"), &Choices::default()).unwrap();
    let Architecture::Adm(config) = &model.architecture else { panic!() };
    assert_eq!((config.in_channels, config.out_channels, config.middle_attention), (1, 1, false));
    let arrays = model.arrays().unwrap();
    assert_eq!(arrays["out.2.weight"].0, [3, 3, 4, 1]);
    assert_eq!(arrays["out.2.bias"].0, [1]);
}

/// What comes of a setting of the network that is changed to a value.
fn with_setting(folder: &str, file: &str, key: &str, value: &Value) -> Result<(), InteropError> {
    let home = tempfile::tempdir().unwrap();
    copy(&foreign(folder), home.path());
    let path = home.path().join(file);
    let mut settings: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    settings[key] = value.clone();
    std::fs::write(&path, settings.to_string()).unwrap();
    ForeignModel::open(home.path(), &Choices::default())?.check()
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn settings_that_change_the_model_are_refused_by_name_and_value() {
    let unet = "unet/config.json";
    let scheduler = "scheduler/scheduler_config.json";
    let cases = [
        (unet, "time_embedding_type", json!("fourier")),
        (unet, "act_fn", json!("gelu")),
        (unet, "center_input_sample", json!(true)),
        (unet, "class_embed_type", json!("timestep")),
        (unet, "mid_block_scale_factor", json!(1.5)),
        (unet, "mid_block_type", json!(null)),
        (unet, "freq_shift", json!(0.5)),
        (unet, "time_embedding_dim", json!(32)),
        (unet, "block_out_channels", json!([4, 6])),
        (unet, "downsample_padding", json!(2)),
        (unet, "down_block_types", json!(["SkipDownBlock2D", "AttnDownBlock2D"])),
        (unet, "up_block_types", json!(["UpBlock2D", "UpBlock2D"])),
        (unet, "downsample_type", json!("fir")),
        (unet, "attn_norm_num_groups", json!(4)),
        (unet, "resnet_time_scale_shift", json!("spatial")),
        (unet, "cross_attention_dim", json!(768)),
        (unet, "layers_per_block", json!(1_000_000)),
        (unet, "sample_size", json!("large")),
        (unet, "norm_num_groups", json!(3)),
        (scheduler, "beta_schedule", json!("sigmoid")),
        (scheduler, "prediction_type", json!("flow")),
        (scheduler, "rescale_betas_zero_snr", json!(true)),
        (scheduler, "num_train_timesteps", json!(1)),
        (scheduler, "trained_betas", json!([0.1, 0.5, 0.2])),
        (scheduler, "_class_name", json!("KarrasVeScheduler")),
        ("model_index.json", "_class_name", json!("StableDiffusionPipeline")),
        ("model_index.json", "vqvae", json!(["diffusers", "VQModel"])),
        ("model_index.json", "unet", json!(["diffusers", "UNet2DConditionModel"])),
    ];
    for (file, key, value) in cases {
        let refused = with_setting("ddpm", file, key, &value).expect_err(key).to_string();
        // Groups that do not divide, steps of no schedule and blocks beyond the file are told in other words.
        let told = refused.contains(key)
            || ["multiple of", "levels of", "no schedule"].iter().any(|words| refused.contains(words));
        assert!(told, "{key}: {refused}");
    }
    let fine = [
        (unet, "dropout", json!(0.1)),
        (unet, "act_fn", json!("swish")),
        (unet, "_name_or_path", json!("somewhere")),
        (unet, "num_train_timesteps", json!(1000)),
        (unet, "sample_size", json!([8, 16])),
        (scheduler, "clip_sample", json!(false)),
        (scheduler, "steps_offset", json!(1)),
        (
            scheduler,
            "trained_betas",
            json!((0..1000).map(|step| 1e-4 + step as f64 / 999.0 * 0.0199).collect::<Vec<_>>()),
        ),
        ("model_index.json", "_diffusers_version", json!("0.1")),
    ];
    for (file, key, value) in fine {
        with_setting("ddpm", file, key, &value).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
    // With scale and shift, the attention of the middle would have no norm.
    let refused = with_setting("consistency", unet, "attn_norm_num_groups", &Value::Null).unwrap_err();
    assert!(refused.to_string().contains("no norm"), "{refused}");
}

#[test]
fn folders_without_their_files_say_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    copy(&foreign("ddpm"), home.path());
    let unet = home.path().join("unet");
    std::fs::rename(unet.join("diffusion_pytorch_model.safetensors"), unet.join("other.safetensors"))
        .unwrap();
    let open = || onestep::open(home.path()).unwrap_err().to_string();
    assert!(open().contains("no file of weights"), "{}", open());
    std::fs::write(unet.join("diffusion_pytorch_model.safetensors.index.json"), "{}").unwrap();
    assert!(open().contains("several files"), "{}", open());
    std::fs::rename(unet.join("other.safetensors"), unet.join("diffusion_pytorch_model.fp16.safetensors"))
        .unwrap();
    assert!(onestep::open(home.path()).is_ok());
    std::fs::write(unet.join("config.json"), "[1]").unwrap();
    assert!(open().contains("no object"), "{}", open());
    std::fs::write(unet.join("config.json"), vec![b' '; 2 << 20]).unwrap();
    assert!(open().contains("bytes"), "{}", open());
    std::fs::remove_file(unet.join("config.json")).unwrap();
    assert!(open().contains("config.json"), "{}", open());
}

#[test]
fn the_first_published_pipelines_have_all_files_in_one_folder() {
    let home = tempfile::tempdir().unwrap();
    copy(&foreign("ddpm"), home.path());
    for part in ["unet", "scheduler"] {
        copy(&home.path().join(part), home.path());
        std::fs::remove_dir_all(home.path().join(part)).unwrap();
    }
    let config = home.path().join("config.json");
    let older =
        std::fs::read_to_string(&config).unwrap().replace("\"AttnDownBlock2D", "\"UNetResAttnDownBlock2D");
    std::fs::write(config, older).unwrap();
    let [flat, usual] = [home.path().to_path_buf(), foreign("ddpm")].map(|path| onestep::open(path).unwrap());
    assert_eq!(flat.profile(), usual.profile());
    assert_eq!(flat.origin().unwrap().sha256, usual.origin().unwrap().sha256);
    // And its file alone.
    let file = home.path().join("diffusion_pytorch_model.safetensors");
    assert_eq!(onestep::open(file).unwrap().profile(), usual.profile());
}

#[test]
fn the_network_alone_is_read_with_the_form_of_its_pipeline() {
    let file = foreign("ddpm").join("unet/diffusion_pytorch_model.safetensors");
    let model = ForeignModel::open(&file, &Choices::default()).unwrap();
    assert!(matches!(model.preconditioning, Preconditioning::Discrete(_)));
    let said = Choices { form: Some(Form::DdpmCosine), ..Choices::default() };
    let model = ForeignModel::open(&foreign("ddpm").join("unet"), &said).unwrap();
    assert_eq!(model.preconditioning, Form::DdpmCosine.preconditioning());
}

#[test]
fn files_of_guided_diffusion_are_read_with_the_form_said() {
    let architecture = Architecture::Adm(with_variance());
    let map = NameMap::torch(&architecture, QkvOrder::ThreeFirst).unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("64x64_diffusion.safetensors");
    let network = architecture.build().unwrap();
    let n_values: BTreeMap<&str, usize> =
        network.parameters().iter().map(|spec| (spec.name.as_str(), spec.n_values())).collect();
    write_safetensors(&path, map.written(|name| (0..n_values[name]).map(|n| n as f32).collect()));
    let choices = |form| Choices {
        form: Some(form),
        image_size: Some(8.into()),
        heads: Some(with_variance().heads),
        ..Choices::default()
    };
    let refused = ForeignModel::open(&path, &choices(Form::Edm)).unwrap_err().to_string();
    assert!(refused.contains("--form ddpm-linear"), "{refused}");
    let mut model = ForeignModel::open(&path, &choices(Form::DdpmLinear)).unwrap();
    let Architecture::Adm(config) = &model.architecture else { panic!() };
    assert_eq!((config.out_channels, config.time_scale), (3, 1.0));
    let arrays = model.arrays().unwrap();
    // Of the six outputs of each of ours, in the order [row, column, in, out], the first three.
    let (shape, values) = &arrays["out.2.weight"];
    assert_eq!(shape, &[3, 3, 32, 3]);
    assert_eq!(values[..6], [0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);
    assert!((model.range.sigma_max - 157.407).abs() < 1e-2);
}

/// A network with twice the outputs: the noise, and a variance.
fn with_variance() -> AdmConfig {
    AdmConfig {
        image_size: 8.into(),
        model_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1, 2],
        attention_resolutions: vec![4],
        n_classes: None,
        out_channels: 6,
        heads: AdmHeads::Width(16),
        ..AdmConfig::imagenet64()
    }
}
