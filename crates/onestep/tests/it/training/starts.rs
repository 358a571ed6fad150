//! Teachers and what a run starts from: another teacher, other noise, classes in another order, other classes, other sizes.

use std::path::PathBuf;

use onestep::checkpoint::{Which, load_model};
use onestep::data::open;
use onestep::model::{Preconditioned, Weights};
use onestep::train::{Draft, Outcome, RunBuilder, builtin_recipe};

use super::device;
use super::short::{on_pictures, picture, refusal, resume, train_to};

/// A trained teacher of pictures in the classes `names`, in this order of numbers.
fn taught(at: &dyn Fn(&str) -> PathBuf, out: &str, data: &str, settings: &[&str]) -> PathBuf {
    let recipe = on_pictures("emoji-edm", &at(data), settings);
    train_to(&mut RunBuilder::new(recipe).create(at(out)).unwrap(), 8);
    at(out)
}

#[test]
fn another_teacher_is_refused_and_the_same_one_may_move() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    (0..4).for_each(|number| drop(picture(&at("data"), number)));
    taught(&at, "edm", "data", &[]);
    taught(&at, "other", "data", &["train.seed=5"]);
    let teacher = |name: &str| format!("train.teacher={:?}", at(name).display().to_string());
    let recipe = on_pictures("emoji-cd", &at("data"), &[&teacher("edm")]);
    train_to(&mut RunBuilder::new(recipe).create(at("cd")).unwrap(), 3);
    let error = refusal(resume(&at("cd"), &[&teacher("other")]));
    let digest = |name: &str| load_model(&at(name), &Which::Best).unwrap().sha256;
    let message = error.to_string();
    assert!(message.contains(&digest("edm")) && message.contains(&digest("other")), "{message}");
    std::fs::rename(at("edm"), at("moved")).unwrap();
    let mut run = resume(&at("cd"), &[&teacher("moved")]).unwrap();
    assert!(run.resumed().unwrap().changes.is_empty());
    assert_eq!(run.train(&mut ()).unwrap(), Outcome::Finished);
}

#[test]
fn a_teacher_of_other_noise_is_refused_and_classes_are_put_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // The same classes; the numbers that they have are those of the names in order.
    for (data, names) in [("abc", ["a", "b", "c"]), ("xbc", ["x", "b", "c"])] {
        for (number, name) in names.iter().enumerate() {
            picture(&at(data).join(name), number as u32);
            picture(&at(data).join(name), number as u32 + 3);
        }
    }
    let teacher = taught(&at, "edm", "abc", &[]);
    let with = |name: &str, data: &str, settings: &[&str]| {
        let teacher = format!("train.teacher={:?}", teacher.display().to_string());
        let settings: Vec<&str> = std::iter::once(teacher.as_str()).chain(settings.iter().copied()).collect();
        RunBuilder::new(on_pictures(name, &at(data), &settings)).create(at("student"))
    };
    for (settings, part) in [
        (&["noise.sigma_data=0.7"][..], "noise.sigma_data = 0.5, the recipe has 0.7"),
        (&["noise.sigma_max=90.0"], "levels 0.002 to 80, the recipe wants 0.002 to 90"),
        (&["noise.sigma_min=0.001"], "levels 0.002 to 80, the recipe wants 0.001 to 80"),
    ] {
        let message = refusal(with("emoji-cd", "abc", settings)).to_string();
        assert!(message.contains(part), "{message}");
    }
    let message = refusal(with("emoji-cd", "xbc", &[])).to_string();
    assert!(message.contains("its classes are a, b, c, those of the data are b, c, x"), "{message}");
    assert!(message.contains("class-embedding"), "{message}");

    // Data whose classes are the same in another order.
    struct Turned(Box<dyn onestep::data::Dataset>, Vec<String>);
    impl onestep::data::Dataset for Turned {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn shape(&self) -> onestep::data::ImageShape {
            self.0.shape()
        }
        fn class_names(&self) -> &[String] {
            &self.1
        }
        fn sample(
            &self,
            index: usize,
        ) -> std::result::Result<onestep::data::Sample, onestep::data::DataError> {
            let sample = self.0.sample(index)?;
            Ok(onestep::data::Sample { label: sample.label.map(|label| (label + 1) % 3), ..sample })
        }
        fn source(&self, index: usize) -> String {
            self.0.source(index)
        }
        fn fingerprint(&self) -> String {
            "turned".into()
        }
    }
    let recipe =
        on_pictures("emoji-cd", &at("abc"), &[&format!("train.teacher={:?}", teacher.display().to_string())]);
    let turned = Turned(open(&recipe.data).unwrap(), ["c", "a", "b"].map(String::from).to_vec());
    let run = RunBuilder::new(recipe).data(Box::new(turned)).create(at("turned")).unwrap();
    let original = load_model(&teacher, &Which::Best).unwrap().into_model(&device()).unwrap();
    let rows = |model: &Preconditioned| {
        let (spec, value) = class_embedding(model.weights());
        let values: Vec<f32> = value.to_data().iter::<f32>().collect();
        let width = spec.shape[1];
        (0..3).map(|class| values[class * width..][..width].to_vec()).collect::<Vec<_>>()
    };
    let (own, its) = (rows(run.trainer().student()), rows(&original));
    assert_eq!(own, [its[2].clone(), its[0].clone(), its[1].clone()]);
}

/// The table of what a network knows of its classes.
fn class_embedding(weights: &Weights) -> (&onestep::model::ParameterSpec, &burn::tensor::Tensor<1>) {
    weights.iter().find(|(spec, _)| spec.name.contains("label") && spec.shape.len() == 2).expect("classes")
}

#[test]
fn a_student_starts_from_a_teacher_of_other_classes_and_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (data, names) in [("old", &["a", "b"][..]), ("new", &["p", "q", "r"])] {
        names
            .iter()
            .enumerate()
            .for_each(|(number, name)| drop(picture(&at(data).join(name), number as u32)));
    }
    let teacher = taught(&at, "edm", "old", &[]);
    let original = load_model(&teacher, &Which::Best).unwrap().into_model(&device()).unwrap();
    let teacher = format!("train.teacher={:?}", teacher.display().to_string());
    let start = ["train.start=teacher", teacher.as_str()];
    let begin = |out: &str, settings: &[&str]| {
        let all: Vec<&str> = start.iter().chain(settings).copied().collect();
        RunBuilder::new(on_pictures("emoji-edm", &at("new"), &all)).create(at(out))
    };
    let message = refusal(begin("a", &[])).to_string();
    assert!(message.contains("train.renew = [\"class-embedding\"]"), "{message}");
    let renew = "train.renew=[\"class-embedding\"]";
    // Of another width, other classes are not what is wrong.
    let old = format!("data.source={:?}", at("old").display().to_string());
    let message = refusal(begin("a", &[old.as_str(), "network.model_channels=16"])).to_string();
    assert!(message.contains("has shape") && message.contains("of the same `network`"), "{message}");
    assert!(!message.contains("class-embedding"), "{message}");
    // A model that is asked has to know what the student knows.
    let distilled = |settings: &[&str]| {
        let settings = [&[teacher.as_str()], settings].concat();
        refusal(RunBuilder::new(on_pictures("emoji-cd", &at("new"), &settings)).create(at("a"))).to_string()
    };
    assert!(distilled(&[]).contains("it knows 2 classes, the student 3 classes"), "{}", distilled(&[]));
    let unlabelled = distilled(&["data.labels=false"]);
    assert!(unlabelled.contains("it knows 2 classes, the student no classes"), "{unlabelled}");
    let large = distilled(&["data.image_size=16"]);
    assert!(large.contains("it makes images of 8x8, the student of 16x16"), "{large}");
    for (out, settings, n_classes) in [
        ("b", &[renew][..], Some(3)),
        ("c", &[renew, "data.labels=false"], None),
        // The layers are the same at every size.
        ("d", &[renew, "data.image_size=16"], Some(3)),
    ] {
        let mut run = begin(out, settings).unwrap();
        let student = run.trainer().student();
        assert_eq!(student.network().n_classes(), n_classes);
        for (spec, value) in student.weights().iter().filter(|(spec, _)| !spec.name.contains("label")) {
            let named = |name: &str| match out {
                "d" => name.replace("8x8", "4x4").replace("16x16", "8x8"),
                _ => name.to_owned(),
            };
            let same = |other: &str| named(&spec.name) == other;
            let (_, other) = original.weights().iter().find(|(other, _)| same(&other.name)).unwrap();
            assert_eq!(value.to_data(), other.to_data(), "{out}: {}", spec.name);
        }
        train_to(&mut run, 2);
    }
    // Renewing is part of the start.
    let error =
        Draft::read(builtin_recipe("emoji-edm").unwrap(), &[renew.into()]).unwrap().complete().unwrap_err();
    assert!(error.to_string().contains("train.start"), "{error}");
}
