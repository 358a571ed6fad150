//! Training for guidance: classes that are dropped, guided teachers, and students that are told the scale.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::tensor::Tensor;
use onestep::checkpoint::{Which, load_model, read_header};
use onestep::model::network::{CustomConfig, Dual, NoiseCode};
use onestep::model::{
    Architecture, Condition, Denoiser, GuidanceRange, ModelError, Network, ParameterSpec, Preconditioned,
    Weights,
};
use onestep::sample::SampleError;
use onestep::train::{Event, Flow, Outcome, Recipe, RunBuilder, builtin_recipe};
use onestep::{Error, OpenOptions};

use super::short::{on_pictures, picture, refusal, train_to};
use super::{builder, device, files, flat, teacher, tiny};
use crate::golden::Array;

/// A short run on eight Gaussians, one class each.
fn gaussians(name: &str, settings: &[&str]) -> Recipe {
    let own = [
        "data.source=builtin:eight-gaussians",
        "data.labels=true",
        "train.batch=64",
        "train.preview_every=0",
    ];
    let all: Vec<String> = own.iter().chain(settings).map(ToString::to_string).collect();
    Recipe::parse(builtin_recipe(name).unwrap(), &all).unwrap()
}

/// Class and guidance scale that a network was told, by the number of the sample.
type Heard = BTreeMap<u64, (Option<usize>, Option<f64>)>;

/// What the student of a run is told.
fn told(recipe: &Recipe) -> Heard {
    let (own, network) = listening(recipe);
    let mut parts = RunBuilder::new(own).device(device()).network(network.clone());
    if let Some(teacher) = teacher(&without_layer(recipe)) {
        parts = parts.teacher(teacher);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut run = parts.create(folder.path().join("run")).unwrap();
    assert_eq!(run.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);
    let heard = network.heard.lock().unwrap();
    heard.clone()
}

/// The recipe with a network that is told no scale.
fn without_layer(recipe: &Recipe) -> Recipe {
    let mut plain = recipe.clone();
    match &mut plain.network {
        Architecture::Song(config) => config.guidance_embedding = false,
        Architecture::Mlp(config) => config.guidance_embedding = false,
        other => unreachable!("{other:?}"),
    }
    plain
}

/// A network that remembers what it is told of each sample.
#[derive(Debug)]
struct Listening {
    inner: Arc<dyn Network>,
    heard: Mutex<Heard>,
}

impl Network for Listening {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        self.inner.parameters()
    }
    fn image(&self) -> [usize; 3] {
        self.inner.image()
    }
    fn n_classes(&self) -> Option<usize> {
        self.inner.n_classes()
    }
    fn takes_guidance(&self) -> bool {
        self.inner.takes_guidance()
    }
    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        // A teacher has no dropout key.
        if let (Some(key), Some(labels)) = (&condition.dropout, &condition.labels) {
            let mut heard = self.heard.lock().unwrap();
            for (row, &sample) in key.samples.iter().enumerate() {
                let scale = condition.guidance.as_ref().map(|scales| scales[row]);
                heard.insert(sample, (labels[row], scale));
            }
        }
        self.inner.evaluate(weights, input, code, condition)
    }
}

/// The same recipe with a network that is the program's own, and listens.
fn listening(recipe: &Recipe) -> (Recipe, Arc<Listening>) {
    let inner = recipe.network.build().unwrap();
    let config = CustomConfig { name: "listening".into(), settings: BTreeMap::new() };
    let network = Architecture::Custom(config);
    (Recipe { network, ..recipe.clone() }, Arc::new(Listening { inner, heard: Mutex::default() }))
}

#[test]
fn classes_are_dropped_by_sample_number_and_seed_alone() {
    let heard = |settings: &[&str]| {
        let own = ["train.steps=20", "train.batch=100", "train.averages=[]"];
        told(&gaussians("toy2d-edm", &[&own[..], settings].concat()))
    };
    let plain = heard(&[]);
    assert_eq!(plain.len(), 2000);
    assert!(plain.values().all(|(label, scale)| label.is_some() && scale.is_none()));
    let dropped = heard(&["train.drop_class=0.2"]);
    let lost = dropped.values().filter(|(label, _)| label.is_none()).count() as f64;
    // Five standard deviations of a binomial of 2000 with p = 0.2.
    assert!((lost - 400.0).abs() < 5.0 * (2000.0f64 * 0.2 * 0.8).sqrt(), "{lost} of 2000");
    // Those that keep their class have the one they had.
    assert!(dropped.iter().all(|(sample, (label, _))| label.is_none() || *label == plain[sample].0));
    // However the run is cut into steps and microbatches.
    let cut = heard(&["train.drop_class=0.2", "train.steps=40", "train.batch=50", "train.microbatch=7"]);
    assert_eq!(cut, dropped);
    assert_ne!(heard(&["train.drop_class=0.2", "train.seed=1"]), dropped);
    // A larger share takes more away, and gives nothing back.
    let more = heard(&["train.drop_class=0.5"]);
    assert!(dropped.iter().all(|(sample, (label, _))| label.is_some() || more[sample].0.is_none()));
}

#[test]
fn scales_are_drawn_by_sample_number_and_seed_alone() {
    let heard = |settings: &[&str]| {
        let own = [
            "train.steps=10",
            "train.batch=100",
            "train.averages=[]",
            "train.start=random",
            "network.guidance_embedding=true",
            "objective.guidance={ low = 1.0, high = 4.0 }",
        ];
        told(&gaussians("toy2d-cd", &[&own[..], settings].concat()))
    };
    let scales = heard(&[]);
    assert_eq!(scales.len(), 1000);
    let drawn: Vec<f64> = scales.values().map(|(_, scale)| scale.expect("every student is told")).collect();
    assert!(drawn.iter().all(|scale| (1.0..=4.0).contains(scale)));
    let mean = drawn.iter().sum::<f64>() / 1000.0;
    // Five standard errors of a uniform number over 3.
    assert!((mean - 2.5).abs() < 5.0 * 3.0 / 12.0f64.sqrt() / 1000.0f64.sqrt(), "{mean}");
    assert_eq!(heard(&["train.steps=20", "train.batch=50", "train.microbatch=9"]), scales);
    assert_ne!(heard(&["train.seed=1"]), scales);
    let both = heard(&["train.drop_class=0.3"]);
    assert!(both.iter().all(|(sample, (_, scale))| *scale == scales[sample].1), "streams of their own");
}

/// 2 + 4 steps are 6 steps, to the bit, with dropped classes and with guided teachers.
#[test]
fn runs_for_guidance_go_on_exactly() {
    let guided = ["network.guidance_embedding=true", "objective.guidance={ low = 1.0, high = 4.0 }"];
    let dropped = ["train.drop_class=0.3"];
    for (method, settings, stop) in [
        ("edm", &dropped[..], 2),
        ("cd", &guided[..], 2),
        ("cd", &["objective.guidance={ low = 3.0, high = 3.0 }"], 2),
        ("pd", &guided[..], 1),
        ("pd", &guided[..], 3),
        ("scd", &guided[..], 2),
        ("cmt", &guided[..], 2),
    ] {
        let recipe = tiny(method, settings);
        let whole = tempfile::tempdir().unwrap();
        let mut run = guided_builder(&recipe).create(whole.path()).unwrap();
        assert_eq!(run.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);
        let parts = tempfile::tempdir().unwrap();
        let mut run = guided_builder(&recipe).create(parts.path()).unwrap();
        train_to(&mut run, stop);
        drop(run);
        let mut run = guided_builder(&recipe).resume(parts.path()).unwrap();
        assert_eq!(run.trainer().state().step, stop);
        assert_eq!(run.train(&mut |_: &Event| Flow::Continue).unwrap(), Outcome::Finished);
        for ((name, a), (other, b)) in files(whole.path(), 6).iter().zip(&files(parts.path(), 6)) {
            assert!(name == other && a == b, "{method} {settings:?}: {name} differs after resuming");
        }
        let header = read_header(whole.path(), &Which::Best).unwrap().header;
        assert_eq!(header.null_class, method == "edm");
        let range = match (method, settings.len()) {
            ("edm", _) => None,
            (_, 1) => Some(GuidanceRange { low: 3.0, high: 3.0 }),
            _ => Some(GuidanceRange { low: 1.0, high: 4.0 }),
        };
        assert_eq!(header.guidance, range, "{method}");
        let plain = tiny(method, &[]).header();
        assert!(!plain.null_class && plain.guidance.is_none());
    }
}

/// A run with a teacher whose network is told nothing.
fn guided_builder(recipe: &Recipe) -> RunBuilder {
    match teacher(&without_layer(recipe)) {
        Some(teacher) => RunBuilder::new(recipe.clone()).device(device()).teacher(teacher),
        None => builder(recipe),
    }
}

#[test]
fn a_student_that_is_told_starts_as_its_teacher() {
    for method in ["cd", "cmt", "pd", "scd"] {
        let recipe = tiny(
            method,
            &[
                "network.guidance_embedding=true",
                "objective.guidance={ low = 1.0, high = 4.0 }",
                "train.start=teacher",
            ],
        );
        let run = guided_builder(&recipe).create(tempfile::tempdir().unwrap().path().join("run")).unwrap();
        let student = run.trainer().student();
        let its = teacher(&without_layer(&recipe)).unwrap();
        let same = Preconditioned::new(
            its.network().clone(),
            its.weights().clone(),
            student.preconditioning(),
            student.range(),
        );
        let [height, width, channels] = its.network().image();
        let noisy: Tensor<4> = crate::networks::small::noise(3, 0, [2, height, width, channels]);
        let condition = Condition::classes(vec![0, 1]);
        let scaled = condition.with_guidance(Some(vec![1.0, 3.5]));
        let got = student.denoise(noisy.clone(), &[0.5, 7.0], &scaled).unwrap();
        let expected = same.denoise(noisy, &[0.5, 7.0], &condition).unwrap();
        assert_eq!(Array::from_tensor(got).values, Array::from_tensor(expected).values, "{method}");
        let added = student.weights().n_parameters() - its.weights().n_parameters();
        assert!(added > 0 && added.is_multiple_of(256), "{method}: {added}");
    }
}

/// A progressive student learns from the guided teacher, and the next one from that student at the same scale.
#[test]
fn later_stages_of_progressive_distillation_are_told_and_not_guided_again() {
    let recipe = tiny(
        "pd",
        &[
            "network.guidance_embedding=true",
            "network.dropout=0.0",
            "objective.guidance={ low = 2.0, high = 4.0 }",
            "train.steps=4",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let mut run = guided_builder(&recipe).create(folder.path()).unwrap();
    // The stage of 4 steps ends after 2 updates: the two after it ask the student that was made there.
    let events = train_to(&mut run, 4);
    let finite = |event: &Event| !matches!(event, Event::Skipped { .. });
    assert!(events.iter().all(finite));
    assert!(flat(run.trainer().student().weights()).iter().all(|value| value.is_finite()));
    let model = OpenOptions::default().open(folder.path()).unwrap();
    assert_eq!((model.guidance(), model.evaluations()), (Some(2.0), 1));
    let seen = |scale: f64| model.draw().seeds(0..2).guidance(scale).run().unwrap().values;
    assert_ne!(seen(2.0), seen(4.0));
}

#[test]
fn recipes_that_make_no_sense_for_guidance_are_refused() {
    let refused = |name: &str, settings: &[&str]| {
        let all: Vec<String> = settings.iter().map(ToString::to_string).collect();
        match Recipe::parse(builtin_recipe(name).unwrap(), &all) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{name} {settings:?} was not refused"),
        }
    };
    let range = "objective.guidance={ low = 1.0, high = 4.0 }";
    let layer = "network.guidance_embedding=true";
    for (name, settings, part) in [
        ("emoji-edm", &["train.drop_class=1.0"][..], "above 0 and below 1"),
        ("emoji-edm", &["train.drop_class=0.0"], "above 0 and below 1"),
        ("toy2d-edm", &["train.drop_class=0.1"], "the network knows none"),
        ("toy2d-cd", &[range, layer], "the network knows none"),
        ("emoji-cd", &[range], "network.guidance_embedding = true"),
        ("emoji-cd", &[layer], "nothing tells it one"),
        ("emoji-edm", &[layer], "nothing tells it one"),
        ("emoji-ct", &[range, layer], "asks none"),
        ("emoji-cd", &["objective.guidance={ low = 4.0, high = 1.0 }", layer], "got 4 and 1"),
        ("emoji-cd", &["objective.guidance={ low = -1.0, high = 1.0 }", layer], "got -1 and 1"),
        ("emoji-cd", &["objective.guidance={ low = 1.0 }", layer], "high"),
        ("emoji-edm", &[range], "unknown field"),
        ("emoji-ect", &[range], "unknown field"),
    ] {
        let message = refused(name, settings);
        assert!(message.contains(part), "{name} {settings:?}: {message}");
    }
    // One scale may go without being told.
    let all = ["objective.guidance={ low = 2.0, high = 2.0 }".to_owned()];
    let recipe = Recipe::parse(builtin_recipe("emoji-cd").unwrap(), &all).unwrap();
    assert_eq!(recipe.header().guidance, Some(GuidanceRange { low: 2.0, high: 2.0 }));
    assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe);
}

#[test]
fn a_teacher_that_has_never_gone_without_classes_is_not_guided() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (number, name) in ["a", "b"].iter().enumerate() {
        picture(&at("data").join(name), number as u32);
    }
    let taught = |out: &str, settings: &[&str]| {
        let recipe = on_pictures("emoji-edm", &at("data"), settings);
        train_to(&mut RunBuilder::new(recipe).create(at(out)).unwrap(), 8);
    };
    taught("plain", &[]);
    taught("dropped", &["train.drop_class=0.5"]);
    let distilled = |teacher: &str, out: &str| {
        let teacher = format!("train.teacher={:?}", at(teacher).display().to_string());
        let settings = [
            teacher.as_str(),
            "train.start=teacher",
            "network.guidance_embedding=true",
            "objective.guidance={ low = 1.0, high = 3.0 }",
        ];
        RunBuilder::new(on_pictures("emoji-cd", &at("data"), &settings)).create(at(out))
    };
    let message = refusal(distilled("plain", "no")).to_string();
    assert!(message.contains("train.drop_class"), "{message}");
    train_to(&mut distilled("dropped", "yes").unwrap(), 2);
    let load = |name: &str| load_model(&at(name), &Which::Best).unwrap().header;
    assert!(load("dropped").null_class && !load("plain").null_class && !load("yes").null_class);
}

/// A teacher of eight Gaussians and its student in one step: the student draws at every scale what its guided teacher does.
#[test]
fn a_student_learns_what_its_guided_teacher_draws() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (rate, width) = ("train.averages=[{ rate = 0.99 }]", "network.width=64");
    let recipe =
        gaussians("toy2d-edm", &["train.steps=800", "train.batch=128", "train.drop_class=0.2", width, rate]);
    let mut run = RunBuilder::new(recipe).create(at("edm")).unwrap();
    assert_eq!(run.train(&mut ()).unwrap(), Outcome::Finished);
    let teacher = format!("train.teacher={:?}", at("edm").display().to_string());
    let recipe = gaussians(
        "toy2d-cd",
        &[
            &teacher,
            "train.steps=800",
            "train.batch=128",
            "network.guidance_embedding=true",
            "objective.guidance={ low = 1.0, high = 4.0 }",
            width,
            rate,
        ],
    );
    let mut run = RunBuilder::new(recipe).create(at("cd")).unwrap();
    assert_eq!(run.train(&mut ()).unwrap(), Outcome::Finished);
    let [teacher, student] = ["edm", "cd"].map(|name| OpenOptions::default().open(at(name)).unwrap());
    // Of class 0, whose Gaussian lies on the first axis: the mean of the first coordinate, and the spread of the second.
    let drawn = |model: &onestep::Model, scale: f64| {
        let draw = model.draw().seeds(0..512).classes([0]).guidance(scale);
        let samples = draw.run().unwrap().values;
        let of =
            |axis: usize| samples.iter().skip(axis).step_by(2).map(|&v| f64::from(v)).collect::<Vec<_>>();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let second = of(1);
        let spread = mean(&second.iter().map(|y| y * y).collect::<Vec<_>>()).sqrt();
        [mean(&of(0)), spread]
    };
    for scale in [1.0, 2.5, 4.0] {
        let (its, own) = (drawn(&teacher, scale), drawn(&student, scale));
        println!("guidance {scale}: teacher {its:?}, student {own:?}");
        assert!((its[0] - own[0]).abs() < 0.1 && (its[1] - own[1]).abs() < 0.04, "{scale}: {its:?} {own:?}");
    }
    for model in [&teacher, &student] {
        let ([plain, wide], [_, narrow]) = (drawn(model, 1.0), drawn(model, 2.5));
        // √(2·(0.25 - 0.08²)) from the middle, with a deviation of 0.08, which guidance narrows.
        assert!((plain - 0.698).abs() < 0.1 && (wide - 0.08).abs() < 0.02, "{plain} {wide}");
        assert!(narrow < 0.7 * wide, "{narrow} {wide}");
    }
    // All classes together have their mean in the middle.
    assert!(drawn(&teacher, 0.0)[0].abs() < 0.15);
    let outside = student.draw().guidance(4.5).run();
    assert!(matches!(outside, Err(Error::Sample(SampleError::GuidanceOutside { .. }))));
}
