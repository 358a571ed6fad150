//! Runs in their folders: never laid over another one, and made of networks and distances of a program's own.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use onestep::checkpoint::{CheckpointError, Which, load_model};
use onestep::data::open;
use onestep::model::network::layers::{Linear, Start};
use onestep::model::network::{CustomConfig, Dual, NoiseCode, Setting};
use onestep::model::{
    Architecture, Builder, Condition, ModelError, ModelKind, Network, ParameterSpec, Preconditioned, Weights,
};
use onestep::objective::{Distance, LoadedDistance};
use onestep::train::{
    Event, Extend, Flow, Outcome, Recipe, Run, RunBuilder, TrainError, Trainer, builtin_recipe,
};

use super::short::{on_pictures, picture};
use super::{builder, device, files, flat, tiny};
use crate::checkpoint::files_under;

fn go_on(_: &Event) -> Flow {
    Flow::Continue
}

/// A run on points of the plane: six steps, saved every second, previewed at the last.
fn points(method: &str, settings: &[&str]) -> Recipe {
    let own = ["train.steps=6", "train.batch=16", "train.checkpoint_every=2", "train.preview_every=6"];
    let settings: Vec<String> = own.iter().chain(settings).map(ToString::to_string).collect();
    Recipe::parse(builtin_recipe(&format!("toy2d-{method}")).unwrap(), &settings).unwrap()
}

/// The error of a run that cannot be.
fn refusal(run: onestep::Result<Run>) -> onestep::Error {
    match run {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    }
}

#[test]
fn a_new_run_leaves_another_one_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = points("ct", &["train.keep=1"]);
    let create = || Run::create(folder.path(), recipe.clone(), open(&recipe.data).unwrap());
    assert_eq!(create().unwrap().train(&mut go_on).unwrap(), Outcome::Finished);
    let before = files_under(folder.path());
    let error = refusal(create());
    assert!(matches!(error, onestep::Error::Checkpoint(CheckpointError::HasRun { .. })), "{error}");
    assert!(error.to_string().contains("already holds a run"), "{error}");
    assert!(files_under(folder.path()) == before, "not a byte is touched");

    // Going on is another matter: a finished run has nothing left to do, and a longer one goes on.
    assert_eq!(Run::resume(folder.path()).unwrap().train(&mut go_on).unwrap(), Outcome::Finished);
    let longer = Run::recipe_in(folder.path(), &["train.steps=8".into()]).unwrap();
    let mut run = RunBuilder::new(longer).extend(Extend::Schedule).resume(folder.path()).unwrap();
    assert_eq!((run.trainer().state().step, run.folder()), (6, folder.path()));
    assert_eq!(run.train(&mut go_on).unwrap(), Outcome::Finished);
    assert_eq!(run.trainer().state().step, 8);
    // One at a time.
    let error = refusal(Run::resume(folder.path()));
    assert!(matches!(error, onestep::Error::Checkpoint(CheckpointError::Locked { .. })), "{error}");

    let empty = tempfile::tempdir().unwrap();
    let error = refusal(Run::resume(empty.path()));
    assert!(matches!(error, onestep::Error::Train(TrainError::NoRun { .. })), "{error}");
}

#[test]
fn a_run_begins_over_nothing_that_no_run_has_made() {
    let recipe = points("ct", &[]);
    for (name, text) in
        [("recipe.toml", "# mine\nname = \"x\"\n"), ("events.jsonl", "{}\n"), ("previews", "no folder")]
    {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let before = files_under(folder.path());
        for error in [
            refusal(RunBuilder::new(recipe.clone()).create(folder.path())),
            refusal(RunBuilder::new(recipe.clone()).resume(folder.path())),
        ] {
            let onestep::Error::Train(TrainError::InTheWay { path }) = &error else { panic!("{error}") };
            assert_eq!(*path, folder.path().join(name));
        }
        assert!(files_under(folder.path()) == before, "{name}");
    }
    // What a run has left that ended before its first checkpoint is no obstacle, unless somebody wrote in it.
    let folder = tempfile::tempdir().unwrap();
    let create = |recipe: &Recipe| RunBuilder::new(recipe.clone()).create(folder.path());
    drop(create(&recipe).unwrap());
    drop(create(&points("ct", &["train.seed=7"])).unwrap());
    let path = folder.path().join("recipe.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("# what I tried\n{text}")).unwrap();
    assert!(matches!(refusal(create(&recipe)), onestep::Error::Train(TrainError::InTheWay { .. })));
}

#[test]
fn a_run_does_not_begin_among_its_own_data() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["a", "b"].iter().for_each(|class| drop(picture(&at("data").join(class), 1)));
    let before = files_under(folder.path());
    let recipe = on_pictures("emoji-edm", &at("data"), &[]);
    for inside in ["data", "data/run", "data/a/new/run", "data/a/../run"] {
        let error = refusal(RunBuilder::new(recipe.clone()).create(at(inside)));
        assert!(matches!(error, onestep::Error::Train(TrainError::AmongData { .. })), "{inside}: {error}");
    }
    assert!(files_under(folder.path()) == before, "nothing is made");
    for outside in ["run", "data-run", "data/.runs/one"] {
        RunBuilder::new(recipe.clone()).create(at(outside)).unwrap();
    }
}

#[test]
fn damaged_checkpoints_are_told_and_the_run_goes_on_from_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = points("edm", &[]);
    Run::create(folder.path(), recipe.clone(), open(&recipe.data).unwrap())
        .unwrap()
        .train(&mut go_on)
        .unwrap();
    let whole = files(folder.path(), 6);
    let last = folder.path().join("ckpt/step-00000006");
    std::fs::write(last.join("model.safetensors"), "no model").unwrap();
    let mut run = Run::resume(folder.path()).unwrap();
    assert_eq!(run.trainer().state().step, 4);
    assert_eq!(run.damaged().iter().map(|damaged| &damaged.folder).collect::<Vec<_>>(), [&last]);
    run.train(&mut go_on).unwrap();
    assert!(files(folder.path(), 6) == whole);
}

/// What a loss asks is inside of a method, or there is no run.
#[test]
fn distillation_without_a_teacher_is_refused_before_anything_is_made() {
    let random = "train.start=\"random\"";
    for (method, settings) in [("cd", &[random][..]), ("scd", &[random]), ("pd", &[])] {
        let folder = tempfile::tempdir().unwrap();
        let recipe = points(method, settings);
        assert!(recipe.distills());
        let inside = folder.path().join("run");
        let error = refusal(Run::create(&inside, recipe.clone(), open(&recipe.data).unwrap()));
        assert!(matches!(error, onestep::Error::Train(TrainError::TeacherNeeded)), "{method}: {error}");
        assert!(!inside.exists(), "{method}");
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = points("cd", &["train.teacher=\"no/such/run\""]);
    let error = refusal(Run::create(folder.path(), recipe.clone(), open(&recipe.data).unwrap()));
    assert!(matches!(error, onestep::Error::Train(TrainError::Teacher { .. })), "{error}");
    assert!(error.to_string().contains("no/such/run"), "{error}");
}

/// A recipe is the run, whichever its method: its text gives the same run back.
#[test]
fn settings_of_every_method_come_back_from_toml() {
    for (method, kind, settings) in [
        (
            "edm",
            ModelKind::Diffusion,
            &["objective.preconditioning=\"trig\"", "objective.weighting=\"snr\""][..],
        ),
        ("cd", ModelKind::Consistency, &["objective.path={ kind = \"teacher\", solver = \"euler\" }"]),
        (
            "ct",
            ModelKind::Consistency,
            &["objective.proposal={ kind = \"log-normal\", p_mean = 0.5, p_std = 1.5 }"],
        ),
        ("ect", ModelKind::Consistency, &["objective.gap={ kind = \"constant\", shrink = 3.0 }"]),
        ("pd", ModelKind::Progressive, &["objective.weighting=\"uniform\""]),
        (
            "scd",
            ModelKind::Consistency,
            &["objective.normalization={ kind = \"clip\" }", "objective.adaptive=false"],
        ),
    ] {
        let plain = tiny(method, &[]);
        let changed = tiny(method, settings);
        assert_ne!(plain, changed, "{method}");
        let again = Recipe::parse(&changed.to_toml(), &[]).unwrap();
        assert_eq!(again, changed, "{method}");
        assert_eq!(changed.kind(), kind, "{method}");
    }
}

/// A network as a program may have it: one linear layer on the point and its noise code.
#[derive(Debug)]
struct Linearly {
    specs: Arc<[ParameterSpec]>,
    mix: Linear,
}

impl Linearly {
    fn shared() -> Arc<dyn Network> {
        let mut builder = Builder::default();
        let mix = Linear::new(&mut builder, "mix", [3, 2], Start::FanIn);
        Arc::new(Self { specs: builder.finish(), mix })
    }
}

impl Network for Linearly {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.specs
    }
    fn image(&self) -> [usize; 3] {
        [1, 1, 2]
    }
    fn n_classes(&self) -> Option<usize> {
        None
    }
    fn evaluate(
        &self,
        weights: &Weights,
        input: Dual<4>,
        code: &NoiseCode,
        _: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        let n = code.values.len();
        let column = |values: &[f64]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [n, 1]), (&input.device(), input.dtype()))
        };
        let codes = Dual::with(column(&code.values), code.tangents.as_deref().map(column));
        let points = input.linear(|points| points.reshape([n, 2]));
        let mixed = self.mix.forward(weights, Dual::cat(vec![points, codes], 1));
        Ok(mixed.linear(|points| points.reshape([n, 1, 1, 2])))
    }
}

/// A recipe on points for the network above.
fn linearly(method: &str, settings: &[&str]) -> Recipe {
    let mut recipe = points(method, settings);
    let settings = [("layers".to_string(), Setting::List(vec![Setting::Integer(3), Setting::Number(2.0)]))];
    recipe.network =
        Architecture::Custom(CustomConfig { name: "linearly".into(), settings: settings.into() });
    recipe
}

fn same_weights(a: &Preconditioned, b: &Preconditioned) -> bool {
    flat(a.weights()) == flat(b.weights())
}

#[test]
fn a_network_of_ones_own_trains_is_saved_resumed_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let recipe = linearly("edm", &[]);
    let build = |recipe: &Recipe| RunBuilder::new(recipe.clone()).network(Linearly::shared());
    let mut whole = build(&recipe).create(at("whole")).unwrap();
    let start = whole.trainer().best();
    whole.train(&mut go_on).unwrap();
    assert!(!same_weights(&start, &whole.trainer().best()), "it learns");

    let mut stop = |event: &Event| match event {
        Event::Step { step: 3, .. } => Flow::Stop,
        _ => Flow::Continue,
    };
    assert_eq!(build(&recipe).create(at("parts")).unwrap().train(&mut stop).unwrap(), Outcome::Stopped);
    // The recipe in the folder names the network, and says who knows it.
    let named = Run::recipe_in(at("parts"), &[]).unwrap();
    assert_eq!(named.network, recipe.network);
    let message = refusal(Run::resume(at("parts"))).to_string();
    assert!(message.contains("`linearly`") && message.contains("RunBuilder::network"), "{message}");
    build(&named).resume(at("parts")).unwrap().train(&mut go_on).unwrap();
    assert!(files(&at("whole"), 6) == files(&at("parts"), 6), "resumed to the bit");

    let loaded = || load_model(&at("whole"), &Which::Best).unwrap();
    assert_eq!(loaded().header.architecture, recipe.network);
    let message = loaded().into_model(&device()).unwrap_err().to_string();
    assert!(message.contains("into_model_with"), "{message}");
    let opened = loaded().into_model_with(Linearly::shared(), &device()).unwrap();
    assert!(same_weights(&opened, &whole.trainer().best()));

    // It teaches as well.
    let student = linearly("cd", &[&format!("train.teacher=\"{}\"", at("whole").display())]);
    let mut student = build(&student).create(at("student")).unwrap();
    assert!(same_weights(student.trainer().student(), &opened), "distillation starts from the teacher");
    assert_eq!(student.train(&mut go_on).unwrap(), Outcome::Finished);

    // A recipe that names another network is not that of this one.
    let error = refusal(build(&points("edm", &[])).create(at("other")));
    assert!(matches!(error, onestep::Error::Train(TrainError::NetworkDiffers)), "{error}");
}

/// The mean squared difference, as a program may write it.
fn own_distance(name: &str) -> LoadedDistance {
    LoadedDistance::custom(name, |a, b| {
        let n = a.dims()[0];
        let difference = (a - b).reshape([n, 2]);
        (difference.clone() * difference).mean_dim(1).reshape([n])
    })
}

#[test]
fn a_distance_of_ones_own_trains_and_a_run_knows_it_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| {
        points("ct", &[&format!("objective.distance={{ kind = \"custom\", name = \"{name}\" }}")])
    };
    let trained = |builder: RunBuilder, path: &Path| {
        let mut run = builder.create(path).unwrap();
        run.train(&mut go_on).unwrap();
        run.trainer().best()
    };
    let own =
        trained(RunBuilder::new(named("mine")).distance(own_distance("mine")), &folder.path().join("own"));
    let square = points("ct", &["objective.distance={ kind = \"l2\" }"]);
    assert_eq!(square.distance(), Some(&Distance::L2));
    let square = trained(RunBuilder::new(square), &folder.path().join("l2"));
    assert!(same_weights(&own, &square), "the same expression is the same run");

    let message = refusal(Run::resume(folder.path().join("own"))).to_string();
    assert!(message.contains("`mine`"), "{message}");
    let error = refusal(
        RunBuilder::new(named("mine")).distance(own_distance("other")).resume(folder.path().join("own")),
    );
    assert!(matches!(error, onestep::Error::Train(TrainError::DistanceDiffers)), "{error}");
    let other = RunBuilder::new(named("other")).distance(own_distance("other"));
    let error = refusal(other.resume(folder.path().join("own")));
    assert!(matches!(error, onestep::Error::Train(TrainError::RecipeDiffers { .. })), "{error}");
}

/// The builder of a recipe with everything given and the trainer stepped by hand are one run.
#[test]
fn a_trainer_stepped_by_hand_makes_the_same_run() {
    let recipe = tiny("cd", &["train.steps=2"]);
    let folder = tempfile::tempdir().unwrap();
    let mut run = builder(&recipe).create(folder.path()).unwrap();
    run.train(&mut go_on).unwrap();
    let data = open(&recipe.data).unwrap();
    let mut trainer = Trainer::new(recipe.clone(), data, super::teacher(&recipe), &Device::flex()).unwrap();
    (0..2).for_each(|_| drop(trainer.step().unwrap()));
    assert!(same_weights(&trainer.best(), &run.trainer().best()));
}
