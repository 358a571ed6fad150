//! What a run starts from and learns from: teachers, random weights, dropout masks, augmentation labels.

use burn::tensor::Tensor;
use onestep::data::{ImageShape, open};
use onestep::model::{Condition, Denoiser, DropoutKey, Preconditioned, Preconditioning, Weights};
use onestep::objective::{
    Consistency, Distance, LevelPairs, Path as OdePath, ProgressiveDistillation, Weighting,
};
use onestep::solver::Solver;
use onestep::train::{Augmentation, Recipe, Trainer, builtin_recipe};

use super::{batch_of, device, random_model, teacher, tiny, trainer};
use crate::golden::Array;
use crate::objectives::loaded;

/// A denoiser that remembers whether it was told to drop out.
struct Listening<'a>(&'a Preconditioned, std::cell::RefCell<Vec<bool>>);

impl Denoiser for Listening<'_> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, onestep::model::ModelError> {
        self.1.borrow_mut().push(condition.dropout.is_some());
        self.0.denoise(noisy, sigma, condition)
    }
    fn sigma_min(&self) -> f64 {
        self.0.sigma_min()
    }
}

#[test]
fn teachers_never_drop_out() {
    let recipe = tiny("cd", &[]);
    let (model, mut batch) = (random_model(&recipe), batch_of(&recipe, 2));
    batch.condition.dropout = Some(DropoutKey { seed: 1, step: 0, samples: vec![0, 1] });
    let listen = || Listening(&model, Vec::new().into());
    let pairs = LevelPairs { low: vec![1.0; 2], high: vec![2.0; 2] };
    let (distance, weighting, sigma_data) = (loaded(Distance::L2), Weighting::Uniform, 0.5);

    let (student, target, teacher) = (listen(), listen(), listen());
    let path = OdePath::Teacher { teacher: &teacher, solver: Solver::Heun };
    let consistency = Consistency { distance: distance.clone(), weighting, sigma_data };
    consistency.loss(&student, &target, path, &batch, &pairs).unwrap();
    assert_eq!((student.1.into_inner(), target.1.into_inner()), (vec![true], vec![true]));
    assert_eq!(teacher.1.into_inner(), [false; 2]);

    let (student, teacher) = (listen(), listen());
    let objective = ProgressiveDistillation { distance, weighting, sigma_data, rho: 7.0 };
    objective.loss(&student, &teacher, &batch, &pairs).unwrap();
    assert_eq!((student.1.into_inner(), teacher.1.into_inner()), (vec![true], vec![false; 2]));
}

#[test]
fn augmentation_tells_the_network_what_it_did() {
    let shape = ImageShape { height: 8, width: 8, channels: 3 };
    let image: Vec<f32> = (0..shape.n_values()).map(|i| (i % 13) as f32 / 13.0).collect();
    let apply = |probability: f64, sample: u64| {
        let mut values = image.clone();
        let labels = Augmentation { probability }.apply(&mut values, shape, 4, sample);
        (values, labels)
    };
    let (mut unchanged, mut mirrored, n) = (0, 0, 2000);
    for sample in 0..n {
        let (values, labels) = apply(0.12, sample);
        assert_eq!((values.clone(), labels.clone()), apply(0.12, sample), "a place of the run is a change");
        if labels.iter().all(|&label| label == 0.0) {
            assert_eq!(values, image, "labels of 0 say that nothing was done");
            unchanged += 1;
        }
        mirrored += usize::from(labels[0] == 1.0);
    }
    // No horizontal flip, no vertical one, and none of four changes. Five standard deviations of a binomial share.
    for (count, p) in [(unchanged, 0.5 * 0.94 * 0.88f64.powi(4)), (mirrored, 0.5)] {
        let share = count as f64 / n as f64;
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / n as f64).sqrt(), "{share} instead of {p}");
    }
    let only_flips = (0..100).map(|sample| apply(0.0, sample).1);
    assert!(only_flips.clone().all(|labels| labels[1..].iter().all(|&label| label == 0.0)));

    // A run with it moves the weights of the labels, and one whose network is not told is refused.
    let recipe =
        tiny("edm", &["train.augment={ probability = 1.0 }", "network.augment_dim=9", "train.batch=16"]);
    let mut run = trainer(&recipe);
    let labels = |run: &Trainer| {
        let (_, value) =
            run.student().weights().iter().find(|(spec, _)| spec.name.contains("map_augment")).unwrap();
        Array::from_tensor(value.clone()).values
    };
    let before = labels(&run);
    // The first update of networks whose last layer starts at zero reaches that layer alone.
    (0..3).for_each(|_| drop(run.step().unwrap()));
    assert_ne!(before, labels(&run));
    let text = builtin_recipe("emoji-edm").unwrap();
    let message =
        Recipe::parse(text, &["train.augment={ probability = 0.12 }".into()]).unwrap_err().to_string();
    assert!(message.contains("augment_dim = 9"), "{message}");
}

/// Bug A6 of the reference: student and target drop out differently.
#[test]
fn student_and_target_share_their_dropout_masks() {
    let recipe = tiny("ct", &[]);
    let (model, mut batch) = (random_model(&recipe), batch_of(&recipe, 3));
    let n = 3;
    let noisy = batch.clean.clone() + batch.noise.clone();
    let key = |step| DropoutKey { seed: 1, step, samples: vec![0, 1, 2] };
    let estimate = |step| {
        let condition = Condition { dropout: Some(key(step)), ..batch.condition.clone() };
        Array::from_tensor(model.denoise(noisy.clone(), &vec![1.0; n], &condition).unwrap()).values
    };
    assert_eq!(estimate(1), estimate(1));
    assert_ne!(estimate(1), estimate(2), "dropout is on");
    // With both levels equal the two evaluations are one: only different masks could make a loss.
    batch.condition.dropout = Some(key(1));
    let distance = loaded(Distance::L2);
    let objective = Consistency { distance, weighting: Weighting::Uniform, sigma_data: 0.5 };
    let pairs = LevelPairs { low: vec![1.0; n], high: vec![1.0; n] };
    let loss = objective.loss(&model, &model, OdePath::Data, &batch, &pairs).unwrap();
    assert_eq!(Array::from_tensor(loss).values, [0.0; 3]);
}

/// Bug A7 of the reference: consistency training loads and holds a teacher it never asks.
#[test]
fn initialization_is_explicit_and_training_in_isolation_needs_no_teacher() {
    let recipe = tiny("ct", &[]);
    assert!(!recipe.needs_teacher());
    trainer(&recipe).step().unwrap();
    let distilled = tiny("cd", &[]);
    let data = || open(&distilled.data).unwrap();
    let Err(error) = Trainer::new(distilled.clone(), data(), None, &device()) else {
        panic!("no teacher, no error")
    };
    assert!(error.to_string().contains("needs a teacher"));
    let teacher = teacher(&distilled).unwrap();
    let student = Trainer::new(distilled.clone(), data(), Some(teacher.clone()), &device()).unwrap();
    for (a, b) in student.student().weights().values().iter().zip(teacher.weights().values()) {
        assert_eq!(a.to_data(), b.to_data(), "distillation starts from the teacher");
    }
}

/// A teacher must have an ODE to follow, and whose weights are copied must be told the noise level in the same way.
#[test]
fn teachers_of_another_form_are_refused() {
    let refusal = |settings: &[&str], form| {
        let recipe = tiny("scd", settings);
        let network = recipe.network.build().unwrap();
        let weights = Weights::initialize(network.parameters(), 99, &device());
        let teacher = Preconditioned::new(network, weights, form, recipe.noise.range());
        let data = open(&recipe.data).unwrap();
        Trainer::new(recipe, data, Some(teacher), &device()).err().map(|error| error.to_string())
    };
    let trig = "objective.preconditioning=\"trig\"";
    assert!(refusal(&[], Preconditioning::Boundary).unwrap().contains("give a diffusion model"));
    assert!(refusal(&[trig], Preconditioning::Edm).unwrap().contains("\"trig-edm\""));
    assert!(refusal(&[], Preconditioning::Trig).unwrap().contains("to \"trig\""));
    // Another form teaches all the same, where the student starts for itself.
    assert_eq!(refusal(&[trig, "train.start=\"random\""], Preconditioning::Edm), None);
    assert_eq!(refusal(&[trig], Preconditioning::Trig), None);
    let discrete = onestep::interop::Form::DdpmLinear.preconditioning();
    assert!(refusal(&[], discrete).unwrap().contains("train.start = \"random\""));
    assert_eq!(refusal(&["train.start=\"random\""], discrete), None);
}

/// A network that is told the steps of DDPM teaches by its estimates.
#[test]
fn models_of_discrete_steps_teach_students_that_start_for_themselves() {
    for method in ["cd", "scd"] {
        let recipe = tiny(method, &["train.start=\"random\""]);
        let network = recipe.network.build().unwrap();
        let weights = Weights::initialize(network.parameters(), 99, &device());
        let form = onestep::interop::Form::DdpmLinear.preconditioning();
        let teacher = Preconditioned::new(network, weights, form, recipe.noise.range());
        let data = open(&recipe.data).unwrap();
        let mut trainer = Trainer::new(recipe, data, Some(teacher), &device()).unwrap();
        let before = super::flat(trainer.student().weights());
        trainer.step().unwrap();
        assert_ne!(before, super::flat(trainer.student().weights()), "{method}");
    }
}

#[test]
fn a_consistency_model_is_no_teacher() {
    let recipe = tiny("pd", &[]);
    let data = || open(&recipe.data).unwrap();
    let Err(error) = Trainer::new(recipe.clone(), data(), Some(random_model(&recipe)), &device()) else {
        panic!("a consistency model has no steps to distill")
    };
    assert!(error.to_string().contains("only a diffusion model"), "{error}");
}
