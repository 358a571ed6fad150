//! Classifier-free guidance: golden numbers, closed forms, what it costs, and who refuses it.

use std::cell::Cell;
use std::path::Path;

use burn::tensor::{DType, Tensor};
use onestep::checkpoint::{Imported, ModelHeader, save_model};
use onestep::eval::{Comparison, Judge, Metric};
use onestep::model::network::{MlpConfig, SongConfig};
use onestep::model::{
    Architecture, AtScale, Component, Condition, Denoiser, GaussianMixture, GuidanceRange, Guided,
    ModelError, ModelKind, NoiseRange, Preconditioned, Preconditioning, TrigFlow, Weights,
};
use onestep::noise::{Purpose, SamplingLevels, Stream, sigma_from_trig};
use onestep::sample::{OdeOptions, Request, SampleError, sample_ode};
use onestep::{DrawRecord, Error, Model, OpenOptions};

use crate::eval::{Quarters, small_header, small_model, small_unet};
use crate::golden::models::{condition, golden_model};
use crate::golden::{self, Array};
use crate::networks::settings::classes;
use crate::networks::small::{Call, noise, random_weights, small_architectures};
use crate::samplers::Recorded;

/// A denoiser that counts how often it is asked.
struct Counting<'a>(&'a dyn Denoiser, Cell<usize>);

impl<'a> Counting<'a> {
    fn new(model: &'a dyn Denoiser) -> Self {
        Self(model, Cell::default())
    }
}

impl Denoiser for Counting<'_> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        self.1.set(self.1.get() + 1);
        self.0.denoise(noisy, sigma, condition)
    }
    fn sigma_min(&self) -> f64 {
        self.0.sigma_min()
    }
}

fn values(tensor: Tensor<4>) -> Vec<f64> {
    Array::from_tensor(tensor).values
}

#[test]
fn golden_cfg_sampling() {
    let Some(case) = golden::case("cfg_sampling") else { return };
    let Some(model) = golden_model(&case, None, Preconditioning::Edm) else { return };
    let device = crate::devices::device();
    let noisy = case.array("x").channels_last().tensor::<4>(&device);
    let (sigma, batch) = (case.array("sigma").values.clone(), noisy.dims()[0]);
    let given = condition(&case, "");
    for (key, condition) in [("denoised_cond", given.clone()), ("denoised_uncond", given.without_classes())] {
        let got = model.denoise(noisy.clone(), &sigma, &condition).unwrap();
        case.check(key, &Array::from_tensor(got), &case.array(key).channels_last());
    }
    let option = |key: &str| case.noise_setting(key).expect("an option of the sampler");
    let n_levels = option("num_steps") as usize;
    let levels =
        SamplingLevels::karras(n_levels, option("sigma_min"), option("sigma_max"), option("rho")).unwrap();
    let options = OdeOptions { double: true, ..OdeOptions::default() };
    let labels = Some(classes(case.array("sampling_class_labels")));
    let mut compared = 0;
    for (key, result) in case.get("results").as_object().expect("one result a scale") {
        let scale = result["w"].as_f64().expect("a scale");
        if let Some(expected) = case.find(&format!("{key}.denoised")) {
            let told = given.with_guidance(Some(vec![scale; batch]));
            let got = Guided(&model).denoise(noisy.clone(), &sigma, &told).unwrap();
            case.check(&format!("{key} denoised"), &Array::from_tensor(got), &expected.channels_last());
        }
        let Some(expected) = case.find(&format!("{key}.samples")) else { continue };
        let counted = Counting::new(&model);
        let guided = AtScale { model: Guided(&counted), scale };
        let mut noise = Recorded::new(&case, Some("latents"));
        let request = Request {
            shape: case.array("latents").channels_last().shape.try_into().expect("four axes"),
            condition: &Condition { labels: labels.clone(), ..Condition::default() },
            clamp: false,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let samples = sample_ode(&guided, &levels, &options, &mut noise, request).unwrap();
        let asked = case.number("number_of_denoiser_calls") as usize;
        let twice = if scale == 0.0 || scale == 1.0 { 1 } else { 2 };
        assert_eq!(counted.1.get(), twice * asked, "{key}: evaluations");
        case.check(&format!("{key} samples"), &Array::from_tensor(samples), &expected.channels_last());
        compared += 1;
    }
    assert!(compared > 0, "no samples were compared");
}

/// Two classes of one Gaussian each, at +mean and -mean, and both of them where no class is given.
struct TwoClasses {
    each: [GaussianMixture; 2],
    both: GaussianMixture,
}

const MEAN: f64 = 0.6;
const STD: f64 = 0.3;

impl TwoClasses {
    fn new() -> Self {
        let component = |sign: f64, share| Component { share, mean: vec![sign * MEAN, 0.1], std: STD };
        Self {
            each: [1.0, -1.0].map(|sign| GaussianMixture::new(vec![component(sign, 1.0)], 0.002).unwrap()),
            both: GaussianMixture::new(vec![component(1.0, 0.5), component(-1.0, 0.5)], 0.002).unwrap(),
        }
    }
}

impl Denoiser for TwoClasses {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        assert_eq!(condition.guidance, None, "a model that is guided is told no scale");
        let Some(labels) = &condition.labels else { return self.both.denoise(noisy, sigma, condition) };
        let [_, height, width, channels] = noisy.dims();
        let rows = labels.iter().enumerate().map(|(row, label)| {
            let one = noisy.clone().slice([row..row + 1, 0..height, 0..width, 0..channels]);
            let model = label.map_or(&self.both, |label| &self.each[label]);
            model.denoise(one, &sigma[row..=row], condition)
        });
        Ok(Tensor::cat(rows.collect::<Result<Vec<_>, _>>()?, 0))
    }
    fn sigma_min(&self) -> f64 {
        0.002
    }
}

/// With k = s²/(s² + σ²), D_c = k·x + (1 - k)·m_c and D_u = k·x + (1 - k)·m·tanh(m·x/(s² + σ²)) on the axis of the means.
#[test]
fn a_guided_mean_is_the_closed_form_of_two_gaussians() {
    let (model, device) = (TwoClasses::new(), crate::devices::device());
    let points = [0.4, -1.3, 0.05, 2.2, -0.7, 3.0];
    let (sigma, scales) = ([0.02, 0.5, 1.3, 4.0, 0.3, 40.0], [1.5, 4.0, 0.0, 1.0, 7.5, 2.0]);
    let labels = [Some(0), Some(1), Some(1), Some(0), None, Some(0)];
    let data: Vec<f64> = points.iter().flat_map(|&x| [x, -0.2]).collect();
    let noisy = Array { shape: vec![6, 1, 1, 2], values: data }.tensor::<4>(&device).cast(DType::F64);
    let condition =
        Condition { labels: Some(labels.to_vec()), guidance: Some(scales.to_vec()), ..Condition::default() };
    let got = values(Guided(&model).denoise(noisy, &sigma, &condition).unwrap());
    for row in 0..6 {
        let (x, variance) = (f64::from(points[row] as f32), STD.powi(2) + sigma[row].powi(2));
        let kept = STD.powi(2) / variance;
        let unconditional = MEAN * (MEAN * x / variance).tanh();
        let conditional = labels[row].map_or(unconditional, |label| [MEAN, -MEAN][label]);
        let mean = unconditional + scales[row] * (conditional - unconditional);
        let expected = kept * x + (1.0 - kept) * mean;
        assert!((got[2 * row] - expected).abs() < 1e-12, "row {row}: {} and {expected}", got[2 * row]);
        // The other axis tells nothing about the class.
        let other = kept * f64::from(-0.2f32) + (1.0 - kept) * 0.1;
        assert!((got[2 * row + 1] - other).abs() < 1e-12, "row {row}");
    }
}

/// The further a scale goes, the further the samples lie from the other class.
#[test]
fn guided_samples_leave_the_other_class() {
    let (model, device) = (TwoClasses::new(), crate::devices::device());
    let levels = SamplingLevels::karras(12, 0.002, 80.0, 7.0).unwrap();
    let mean_at = |scale: f64| {
        let condition = Condition::classes(vec![0; 64]);
        let request = Request {
            shape: [64, 1, 1, 2],
            condition: &condition,
            clamp: false,
            device: &device,
            on_estimate: &mut |_| true,
        };
        let seeds: Vec<u64> = (0..64).collect();
        let mut noise = onestep::noise::SeedNoise::new(&seeds);
        let guided = AtScale { model: Guided(&model), scale };
        let samples = sample_ode(&guided, &levels, &OdeOptions::default(), &mut noise, request).unwrap();
        values(samples).chunks_exact(2).map(|point| point[0]).sum::<f64>() / 64.0
    };
    let [none, plain, more, most] = [0.0, 1.0, 3.0, 6.0].map(mean_at);
    assert!(none.abs() < 0.25 && (plain - MEAN).abs() < 0.12, "{none} {plain}");
    assert!(plain + 0.02 < more && more + 0.02 < most, "{plain} {more} {most}");
}

#[test]
fn scales_of_one_and_none_are_the_model_itself_to_the_bit() {
    for architecture in small_architectures() {
        let call = Call::new(&architecture, 3);
        let Some(labels) = call.condition.labels.clone() else { continue };
        let model = Preconditioned::new(
            call.network.clone(),
            call.weights.clone(),
            Preconditioning::Edm,
            NoiseRange::default(),
        );
        let (noisy, sigma) = (call.input.clone(), [0.1, 1.0, 9.0]);
        let counted = Counting::new(&model);
        let at = |scales: [f64; 3]| {
            counted.1.set(0);
            let condition = call.condition.with_guidance(Some(scales.to_vec()));
            let got = values(Guided(&counted).denoise(noisy.clone(), &sigma, &condition).unwrap());
            (got, counted.1.get())
        };
        let plain = values(model.denoise(noisy.clone(), &sigma, &call.condition).unwrap());
        let without = call.condition.without_classes();
        let none = values(model.denoise(noisy.clone(), &sigma, &without).unwrap());
        assert!(at([1.0; 3]) == (plain.clone(), 1), "{architecture:?}");
        assert!(at([0.0; 3]) == (none.clone(), 1), "{architecture:?}");
        let (mixed, evaluations) = at([0.0, 1.0, 2.5]);
        assert_eq!(evaluations, 2);
        let n = plain.len() / 3;
        for (index, got) in mixed.iter().enumerate() {
            let scale = [0.0, 1.0, 2.5][index / n];
            let expected = none[index] + scale * (plain[index] - none[index]);
            assert!((got - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{architecture:?}: {index}");
        }
        // A class that is left out for one sample alone is left out for that sample alone.
        let some = Condition { labels: Some(vec![labels[0], None, labels[2]]), ..call.condition.clone() };
        let some = values(model.denoise(noisy.clone(), &sigma, &some).unwrap());
        assert!(
            some[..n] == plain[..n] && some[n..2 * n] == none[n..2 * n] && some[2 * n..] == plain[2 * n..]
        );
        assert_ne!(plain[n..2 * n], none[n..2 * n], "{architecture:?}: the class says something");
    }
}

/// In TrigFlow, the velocity of a guided estimate is the guided velocity.
#[test]
fn a_velocity_is_guided_as_its_estimate_is() {
    let network = Architecture::Mlp(MlpConfig { n_classes: Some(3), ..MlpConfig::new(2) }).build().unwrap();
    let weights = random_weights(&*network, 3);
    let model = Preconditioned::new(network, weights, Preconditioning::Edm, NoiseRange::default());
    let (angle, noisy) = ([0.3, 0.9, 1.4], noise::<4>(3, 0, [3, 1, 1, 2]));
    let column = |of: &dyn Fn(f64) -> f64| onestep::model::per_sample(angle.map(of), &noisy);
    let condition = Condition::classes(vec![0, 1, 2]).with_guidance(Some(vec![3.0, 1.5, 0.5]));
    let velocity = Guided(&model).velocity(noisy.clone(), &angle, &condition).unwrap();
    let sigma = angle.map(|angle| sigma_from_trig(angle, 0.5));
    let clean = Guided(&model).denoise(noisy.clone() / column(&f64::cos), &sigma, &condition).unwrap();
    let expected = (noisy.clone() * column(&f64::cos) - clean) / column(&f64::sin);
    for (got, expected) in values(velocity.clone()).into_iter().zip(values(expected)) {
        assert!((got - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{got} {expected}");
    }
    let along = noise::<4>(4, 0, [3, 1, 1, 2]);
    let moved = Guided(&model).velocity_along(noisy.clone(), along.clone(), &angle, &condition).unwrap();
    let part = |condition: &Condition| {
        let part = model.velocity_along(noisy.clone(), along.clone(), &angle, condition).unwrap();
        values(part.tangent)
    };
    let plain = condition.with_guidance(None);
    let (with, without) = (part(&plain), part(&plain.without_classes()));
    for (index, got) in values(moved.tangent).into_iter().enumerate() {
        let expected = without[index] + [3.0, 1.5, 0.5][index / 2] * (with[index] - without[index]);
        assert!((got - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{got} {expected}");
    }
    assert_eq!(values(moved.value), values(velocity));
}

/// The same architecture with a layer for the guidance scale.
fn told(architecture: &Architecture) -> Architecture {
    let mut architecture = architecture.clone();
    match &mut architecture {
        Architecture::Song(config) => config.guidance_embedding = true,
        Architecture::Dhariwal(config) => config.guidance_embedding = true,
        Architecture::Adm(config) => config.guidance_embedding = true,
        Architecture::Mlp(config) => config.guidance_embedding = true,
        Architecture::Custom(_) => unreachable!("none of ours"),
    }
    architecture
}

#[test]
fn a_scale_that_is_told_reaches_the_output_and_adds_nothing_at_first() {
    for architecture in small_architectures() {
        let plain = Call::new(&architecture, 2);
        let mut call = Call::new(&told(&architecture), 2);
        assert!(call.network.takes_guidance() && !plain.network.takes_guidance());
        let extra: Vec<_> = call
            .network
            .parameters()
            .iter()
            .filter(|spec| !plain.network.parameters().iter().any(|other| other.name == spec.name))
            .collect();
        let [extra] = extra.as_slice() else { panic!("{architecture:?}: {extra:?}") };
        assert_eq!(extra.shape[0], 256, "{architecture:?}");
        let begun = Weights::initialize(call.network.parameters(), 1, &crate::devices::device());
        let first = begun.iter().find(|(spec, _)| spec.name == extra.name).expect("the layer").1.clone();
        assert!(Array::from_tensor(first).values.iter().all(|&value| value == 0.0));
        // With the numbers of the other network and a layer as it begins, it is that network, whatever it is told.
        let random = call.weights.clone();
        let values = random.iter().map(|(spec, value)| {
            let its = plain.weights.iter().find(|(other, _)| other.name == spec.name);
            its.map_or(value.zeros_like(), |(_, value)| value.clone())
        });
        call.weights = Weights::from_values(random.specs(), values.collect());
        call.condition.guidance = Some(vec![2.0, 3.0]);
        assert!(call.run() == plain.run(), "{architecture:?}");
        // Of other numbers it matters, sample by sample; no scale is a scale of 1.
        call.weights = random;
        let (two, n) = (call.run(), plain.run().len() / 2);
        call.condition.guidance = Some(vec![2.0, 1.0]);
        let other = call.run();
        assert!(two[..n] == other[..n] && two[n..] != other[n..], "{architecture:?}");
        call.condition.guidance = Some(vec![1.0; 2]);
        let ones = call.run();
        call.condition.guidance = None;
        assert!(ones == call.run(), "{architecture:?}");
        call.condition.guidance = Some(vec![1.0]);
        assert_eq!(call.error(), ModelError::WrongBatch { what: "guidance scales", found: 1, batch: 2 });
        let refused = Model::from_network(
            Preconditioned::new(
                call.network.clone(),
                call.weights.clone(),
                Preconditioning::Edm,
                NoiseRange::default(),
            ),
            ModelKind::Consistency,
            &crate::devices::device(),
        );
        let exported = onestep::exchange::onnx::Export::new(&refused, onestep::exchange::onnx::Form::OneStep)
            .write(std::env::temp_dir().join("never-written.onnx"));
        let message = exported.unwrap_err().to_string();
        assert!(message.contains("guidance scale"), "{message}");
    }
}

/// A model file in a folder, with its header changed.
fn in_file(folder: &Path, name: &str, config: SongConfig, change: impl FnOnce(&mut ModelHeader)) -> Model {
    let mut header = small_header(&small_model());
    header.architecture = Architecture::Song(config);
    change(&mut header);
    let network = header.architecture.build().unwrap();
    let file = folder.join(name);
    save_model(&file, &header, &random_weights(&*network, 7)).unwrap();
    OpenOptions::default().open(&file).unwrap()
}

fn diffusion(header: &mut ModelHeader) {
    (header.kind, header.preconditioning) = (ModelKind::Diffusion, Preconditioning::Edm);
    header.method = "edm".into();
}

#[test]
fn models_that_cannot_be_guided_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: &Model, scale: f64| match model.draw().guidance(scale).definite() {
        Err(Error::Sample(error)) => error,
        other => panic!("{other:?}"),
    };
    let classless = SongConfig { n_classes: None, ..small_unet() };
    let model = in_file(folder.path(), "none", classless, diffusion);
    assert_eq!(refused(&model, 2.0), SampleError::GuidanceWithoutClasses);
    let model = in_file(folder.path(), "untrained", small_unet(), diffusion);
    assert_eq!(refused(&model, 2.0), SampleError::NullClassUntrained);
    assert!(refused(&model, 2.0).to_string().contains("train.drop_class"));
    // EDM's own networks are asked for no class by their reference.
    let imported = in_file(folder.path(), "imported", small_unet(), |header| {
        diffusion(header);
        let (family, file, sha256) = ("edm".into(), "edm.pkl".into(), "0".into());
        header.imported = Some(Imported { family, file, sha256 });
    });
    assert_eq!(imported.draw().guidance(2.0).definite().unwrap().nfe(), 2 * 35);
    let model = in_file(folder.path(), "jumps", small_unet(), |header| header.null_class = true);
    assert_eq!(refused(&model, 2.0), SampleError::NotToldGuidance);
    assert!(refused(&model, 2.0).to_string().contains("objective.guidance"));
    let model = in_file(folder.path(), "trained", small_unet(), |header| {
        diffusion(header);
        header.null_class = true;
    });
    for scale in [-0.5, f64::NAN, f64::INFINITY] {
        assert!(matches!(refused(&model, scale), SampleError::GuidanceScale { .. }), "{scale}");
    }
    let told = SongConfig { guidance_embedding: true, ..small_unet() };
    let range = GuidanceRange { low: 2.0, high: 5.0 };
    let model = in_file(folder.path(), "told", told, |header| header.guidance = Some(range));
    assert_eq!(refused(&model, 1.0), SampleError::GuidanceOutside { scale: 1.0, low: 2.0, high: 5.0 });
    let only = GuidanceRange { low: 3.0, high: 3.0 };
    let model = in_file(folder.path(), "only", small_unet(), |header| header.guidance = Some(only));
    assert_eq!(refused(&model, 2.0), SampleError::GuidanceOutside { scale: 2.0, low: 3.0, high: 3.0 });
    assert_eq!((model.guidance(), model.draw().definite().unwrap().guidance()), (Some(3.0), Some(3.0)));
}

#[test]
fn guided_draws_cost_what_they_say_and_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = in_file(folder.path(), "model.safetensors", small_unet(), |header| {
        diffusion(header);
        header.null_class = true;
    });
    let draw = |scale: Option<f64>| {
        let draw = model.draw().seeds(0..3).steps(3);
        scale.map_or(draw.clone(), |scale| draw.guidance(scale)).definite().unwrap()
    };
    let (plain, one, two) = (draw(None), draw(Some(1.0)), draw(Some(2.0)));
    assert_eq!([plain.nfe(), one.nfe(), draw(Some(0.0)).nfe(), two.nfe()], [5, 5, 5, 10]);
    let drawn = |draw: &onestep::DefiniteDraw<'_>| draw.run_with(&mut ()).unwrap().values;
    assert!(drawn(&plain) == drawn(&one) && drawn(&plain) != drawn(&two));
    assert_eq!(model.guided(2.0).unwrap().draw().seeds(0..3).steps(3).run().unwrap().values, drawn(&two));
    let record = two.record().unwrap();
    assert_eq!((record.guidance, record.nfe), (Some(2.0), 10));
    let text = serde_json::to_string(&record).unwrap();
    assert!(text.contains(r#""churn":0.0,"guidance":2.0,"nfe":10"#), "{text}");
    let read: DrawRecord = serde_json::from_str(&text).unwrap();
    let again = read.options().open(&read.model).unwrap();
    assert_eq!(read.draw(&again).unwrap().run().unwrap().values, drawn(&two));
    // Without guidance nothing is said of it, as ever; a scale of 1 draws the same.
    let record = plain.record().unwrap();
    assert!(!serde_json::to_string(&record).unwrap().contains("guidance"));
    assert!(record.draws_the_same(&one.record().unwrap()) && !record.draws_the_same(&two.record().unwrap()));
    // What is seen of guided images is not taken for what is seen of others.
    let judge = || Judge::new().looking_with(Quarters).metrics([Metric::Frechet]).fewer(true);
    let subject = |draw: &onestep::DefiniteDraw<'_>| judge().subject(draw).unwrap();
    assert_eq!(subject(&plain), subject(&one));
    assert_ne!(subject(&plain), subject(&two));
    assert_eq!([&plain, &two].map(|draw| subject(draw).guidance()), [Some(1.0), Some(2.0)]);
    let Comparison { guidance, .. } =
        judge().compare(&two, &plain, &mut ()).unwrap().expect("nobody stops it");
    assert_eq!(guidance, Some(2.0));
}

#[test]
fn a_student_that_is_told_draws_and_edits_at_the_scale() {
    let folder = tempfile::tempdir().unwrap();
    let config = SongConfig { guidance_embedding: true, ..small_unet() };
    let range = GuidanceRange { low: 1.5, high: 4.0 };
    let model = in_file(folder.path(), "student", config, |header| header.guidance = Some(range));
    assert_eq!((model.guidance(), model.guidance_range()), (Some(1.5), Some(range)), "the nearest to 1");
    let draw = |scale: f64| model.draw().seeds(0..2).guidance(scale).definite().unwrap();
    assert_eq!([draw(1.5).nfe(), draw(4.0).nfe()], [1, 1]);
    let drawn = |scale| draw(scale).run_with(&mut ()).unwrap().values;
    assert_ne!(drawn(1.5), drawn(4.0));
    let usual = model.draw().seeds(0..2);
    assert_eq!(usual.clone().run().unwrap().values, drawn(1.5));
    assert_eq!(usual.definite().unwrap().record().unwrap().guidance, Some(1.5));
    // In another precision it is still told.
    let other = model.guided(4.0).unwrap().with_precision(onestep::model::Precision::F32);
    assert_eq!(other.draw().seeds(0..2).run().unwrap().values, drawn(4.0));

    let shape = model.shape();
    let photo =
        onestep::data::Pixels::new(shape, (0..shape.n_values()).map(|i| (i * 7) as u8).collect()).unwrap();
    let edit = |scale: Option<f64>| {
        let edits = model.edit(onestep::edit::Job::colorize(photo.clone())).class(1).guidance(scale);
        let edits = edits.definite().unwrap();
        (edits.run_with(&mut ()).unwrap().results, edits.record())
    };
    let (usual, four) = (edit(None), edit(Some(4.0)));
    assert!(usual.0 == edit(Some(1.5)).0 && usual.0 != four.0);
    assert_eq!([usual.1.guidance, four.1.guidance], [Some(1.5), Some(4.0)]);
    let refused = model.edit(onestep::edit::Job::colorize(photo.clone())).guidance(9.0).definite();
    assert!(matches!(refused, Err(Error::Sample(SampleError::GuidanceOutside { .. }))));
}

#[test]
fn headers_say_nothing_of_guidance_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let header = small_header(&small_model());
    let text = serde_json::to_string(&header).unwrap();
    assert!(!text.contains("null_class") && !text.contains("guidance"), "{text}");
    let range = GuidanceRange { low: 1.0, high: 4.0 };
    let told = SongConfig { guidance_embedding: true, ..small_unet() };
    let model = in_file(folder.path(), "both", told, |header| {
        (header.null_class, header.guidance) = (true, Some(range));
    });
    let read = &model.origin().unwrap().header;
    assert_eq!((read.null_class, read.guidance), (true, Some(range)));
    for (low, high, is_range) in [(1.0, 4.0, true), (2.0, 2.0, true), (4.0, 1.0, false), (-1.0, 1.0, false)] {
        assert_eq!(GuidanceRange { low, high }.check().is_ok(), is_range, "{low} to {high}");
    }
    assert!(GuidanceRange { low: f64::NAN, high: 1.0 }.check().is_err());
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    let scales: Vec<f64> = (0..1000).map(|_| range.draw(&mut stream)).collect();
    assert!(scales.iter().all(|&scale| range.contains(scale)));
    let mean = scales.iter().sum::<f64>() / 1000.0;
    // Five standard errors of a uniform number over 3.
    assert!((mean - 2.5).abs() < 5.0 * 3.0 / 12.0f64.sqrt() / 1000.0f64.sqrt(), "{mean}");
}
