//! Recipes: the published numbers, what they may not say, and what may be changed.

use super::described::Described;
use super::{device, teacher, tiny};
use onestep::checkpoint::AverageConfig;
use onestep::data::open;
use onestep::model::Architecture;
use onestep::model::network::SongConfig;
use onestep::noise::{AdaptiveExponent, Curriculum, Gap, Proposal, TargetRate};
use onestep::objective::{Distance, Weighting};
use onestep::perceptual::{Pooling, Trunk};
use onestep::solver::Order;
use onestep::train::method::{consistency, tuning};
use onestep::train::{
    Draft, MemoryForecast, Objective, PathConfig, Recipe, RecipeError, Trainer, builtin_recipe,
    builtin_recipes,
};

#[test]
fn recipes_parse_describe_themselves_and_come_back_from_toml() {
    for (name, text) in builtin_recipes() {
        let recipe = Recipe::parse(text, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(recipe.name, *name);
        assert!(recipe.about.len() > 20, "{name}");
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe, "{name}");
        // What a run is for, its method and what else there is to say; or the methods of two runs, the second last.
        let (_, rest) = name.split_once('-').unwrap_or_default();
        let (method, rest) = (format!("-{}-", recipe.method()), format!("-{rest}-"));
        assert!(rest.starts_with(&method) || rest.ends_with(&method), "{name}");
        recipe.network.build().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The numbers of the published runs (bugs A7, A13, B2: launch scripts, configurations and paper disagree).
#[test]
fn published_recipes_have_the_published_numbers() {
    let rows: [(&str, u64, usize, f64, &str); 38] = [
        ("cifar10-edm", 400_000, 512, 1e-3, "random"),
        ("cifar10-cd", 800_000, 512, 4e-4, "teacher"),
        ("cifar10-ct", 800_000, 512, 4e-4, "random"),
        ("cifar10-cd-lpips", 800_000, 512, 4e-4, "teacher"),
        ("cifar10-ct-lpips", 800_000, 512, 4e-4, "random"),
        ("imagenet64-cd-lpips", 600_000, 2048, 8e-6, "teacher"),
        ("imagenet64-ct-lpips", 800_000, 2048, 1e-4, "random"),
        ("lsun256-cd-lpips", 600_000, 2048, 1e-5, "teacher"),
        ("lsun256-ct-lpips", 1_000_000, 2048, 5e-5, "random"),
        ("cifar10-scd", 400_000, 512, 1e-4, "teacher"),
        ("cifar10-sct", 400_000, 512, 1e-4, "teacher"),
        ("cifar10-cd-continuous", 800_000, 512, 5e-6, "teacher"),
        ("cifar10-ct-continuous", 800_000, 512, 5e-6, "teacher"),
        ("cifar10-trigflow", 400_000, 512, 1e-3, "random"),
        ("imagenet64-trigflow", 400_000, 2048, 1e-4, "random"),
        ("imagenet64-scd", 400_000, 2048, 1e-4, "teacher"),
        ("imagenet64-sct", 400_000, 2048, 1e-4, "teacher"),
        ("imagenet64-edm", 600_000, 4096, 1e-4, "random"),
        ("imagenet64-cd", 600_000, 2048, 8e-6, "teacher"),
        ("imagenet64-ct", 800_000, 2048, 1e-4, "random"),
        ("lsun256-edm", 600_000, 256, 1e-4, "random"),
        ("lsun256-cd", 600_000, 2048, 1e-5, "teacher"),
        ("lsun256-ct", 1_000_000, 2048, 5e-5, "random"),
        ("cifar10-cd-l1", 800_000, 512, 2e-4, "teacher"),
        ("cifar10-pd", 750_000, 512, 5e-5, "teacher"),
        ("cifar10-edm-ddpmpp", 390_625, 512, 1e-3, "random"),
        ("cifar10-ict", 400_000, 1024, 1e-4, "random"),
        ("cifar10-ict-deep", 400_000, 1024, 1e-4, "random"),
        ("imagenet64-ict", 800_000, 4096, 1e-4, "random"),
        ("imagenet64-ict-deep", 800_000, 4096, 1e-4, "random"),
        ("cifar10-ect", 200_000, 128, 1e-4, "teacher"),
        ("cifar10-ect-1h", 8_000, 128, 1e-4, "teacher"),
        ("cifar10-cmt", 300_000, 8, 2e-4, "teacher"),
        ("cifar10-cmt-ect", 100_000, 128, 1e-4, "teacher"),
        ("imagenet64-ect", 100_000, 128, 1e-4, "teacher"),
        ("emoji-ect", 5_000, 32, 5e-4, "teacher"),
        ("cifar10-edm-small", 3_500, 32, 1e-3, "random"),
        ("cifar10-ect-small", 2_000, 32, 5e-4, "teacher"),
    ];
    // No large recipe without its row.
    let is_large = |name: &str| !["toy", "emoji", "portraits"].iter().any(|small| name.starts_with(small));
    for (name, _) in builtin_recipes().iter().filter(|(name, _)| is_large(name)) {
        assert!(rows.iter().any(|row| row.0 == *name), "{name} has no row");
    }
    for (name, steps, batch, rate, start) in rows {
        let train = Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap().train;
        assert_eq!((train.steps, train.batch, train.learning_rate.peak), (steps, batch, rate), "{name}");
        assert_eq!(format!("{:?}", train.start).to_lowercase(), start, "{name}");
    }
}

/// What makes a published run what it is, beyond length and rate.
#[test]
fn published_recipes_have_the_published_objectives() {
    let recipe = |name: &str| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
    let song = |name: &str| match recipe(name).network {
        Architecture::Song(config) => config,
        other => panic!("{name}: {other:?}"),
    };
    for (name, rate) in [
        ("cifar10-ict", 0.99993),
        ("cifar10-ict-deep", 0.99993),
        ("imagenet64-ict", 0.99997),
        ("imagenet64-ict-deep", 0.99997),
    ] {
        let ict = recipe(name);
        let Objective::Consistency(settings) = ict.objective else { panic!("{name}") };
        let consistency::Settings { path, curriculum, proposal, distance, weighting, target, guidance } =
            settings;
        assert_eq!(guidance, None);
        assert_eq!(path, PathConfig::Data);
        assert_eq!(curriculum, Curriculum::Doubling { start_intervals: 10, end_intervals: 1280 });
        assert_eq!(proposal, Proposal::LogNormal { p_mean: -1.1, p_std: 2.0 });
        assert_eq!(distance, Distance::PseudoHuber { huber_c: None });
        assert_eq!(weighting, Weighting::InverseGap);
        assert!(target.is_student());
        assert_eq!(ict.train.averages, [AverageConfig::Rate { rate }]);
    }
    let [small, deep] = ["cifar10-ict", "cifar10-ict-deep"].map(song);
    assert_eq!((small.fourier_scale, small.dropout), (0.02, 0.3));
    assert_eq!(deep.num_blocks, 2 * small.num_blocks);

    let cmt = recipe("cifar10-cmt");
    let Objective::MidTraining(settings) = cmt.objective else { panic!("cifar10-cmt") };
    assert_eq!((settings.path_steps, settings.order), (16, Order::PublishedThird));
    assert_eq!(settings.distance, Distance::Lpips { trunk: Trunk::Vgg16, pooling: Pooling::Max, size: 32 });
    assert_eq!(settings.path_steps * cmt.train.batch, 128);
    assert_eq!(
        (cmt.train.averages, song("cifar10-cmt").dropout),
        (vec![AverageConfig::Rate { rate: 0.999 }], 0.2)
    );

    for (name, shrink, stages, huber_c, weighting, middle, dropout) in [
        ("cifar10-ect", 2.0, 8, 0.0, Weighting::InverseGap, 0.821, Some(0.2)),
        ("cifar10-ect-1h", 256.0, 1, 0.0, Weighting::InverseGap, 0.821, Some(0.2)),
        ("cifar10-cmt-ect", 4096.0, 1, 0.0, Weighting::InverseGap, 0.776, Some(0.2)),
        ("imagenet64-ect", 4.0, 4, 0.06, Weighting::Karras, 1.526, None),
    ] {
        let ect = recipe(name);
        let Objective::Tuning(settings) = ect.objective else { panic!("{name}") };
        let tuning::Settings { p_mean, p_std, gap, images_per_stage, distance, weighting: own } = settings;
        assert_eq!((p_mean, p_std, own), (-1.1, 2.0, weighting));
        assert_eq!(gap, Gap::Sigmoid { shrink, k: 8.0, b: 1.0 });
        assert_eq!((ect.train.steps * ect.train.batch as u64).div_ceil(images_per_stage), stages, "{name}");
        assert_eq!(distance, Distance::PseudoHuber { huber_c: Some(huber_c) });
        assert_eq!(ect.noise.sigma_min, 0.003);
        assert_eq!(ect.sampling.unwrap().levels, [80.0, middle]);
        assert!(dropout.is_none_or(|dropout| song(name).dropout == dropout), "{name}");
    }
    // The teacher of easy tuning is the network that is tuned.
    let (teacher, student) = (song("cifar10-edm-ddpmpp"), song("cifar10-ect"));
    assert_eq!(SongConfig { dropout: 0.2, ..teacher }, student);
    assert_eq!(SongConfig { dropout: 0.2, ..SongConfig::cifar10_ddpmpp() }, student);

    let pd = recipe("cifar10-pd");
    let Objective::ProgressiveDistillation(settings) = &pd.objective else { panic!("cifar10-pd") };
    let stage = |step| settings.stage(step).n_intervals;
    assert_eq!(
        [0, 49_999, 50_000, 549_999, 550_000, 649_999, 650_000, 749_999].map(stage),
        [4096, 4096, 2048, 4, 2, 2, 1, 1]
    );
    assert_eq!((pd.train.clip_gradient, pd.train.averages.len()), (Some(1.0), 0));
    assert_eq!((pd.learning_rate_at(50_000), pd.learning_rate_at(75_000)), (5e-5, 2.5e-5));
    for (name, _) in builtin_recipes() {
        let clips = recipe(name).train.clip_gradient.is_some();
        assert_eq!(clips, recipe(name).method() == "pd", "{name}: clipping is off elsewhere");
    }
}

/// The published runs with LPIPS: those of CIFAR-10 are from another code, which takes maxima and never an average.
#[test]
fn published_recipes_with_lpips_have_the_published_parts() {
    let adaptive =
        |initial_rate| TargetRate::Adaptive { initial_rate, exponent: AdaptiveExponent::ReleasedCode };
    let growing = |end_intervals| Curriculum::Progressive { start_intervals: 2, end_intervals };
    let fixed = |n_levels| Curriculum::Fixed { n_levels };
    let kept = |rate| TargetRate::Fixed { rate };
    for (name, curriculum, target, pooling, seen_at) in [
        ("cifar10-cd", fixed(18), kept(0.0), Pooling::Max, 224),
        ("cifar10-ct", growing(150), adaptive(0.9), Pooling::Max, 224),
        ("imagenet64-cd", fixed(40), kept(0.95), Pooling::Average, 224),
        ("imagenet64-ct", growing(200), adaptive(0.95), Pooling::Average, 224),
        ("lsun256-cd", fixed(40), kept(0.95), Pooling::Average, 256),
        ("lsun256-ct", growing(150), adaptive(0.95), Pooling::Average, 256),
    ] {
        let recipe = |name: &str| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
        let published = recipe(&format!("{name}-lpips"));
        let Objective::Consistency(settings) = &published.objective else { panic!("{name}") };
        let consistency::Settings { curriculum: own, target: rate, distance, weighting, proposal, .. } =
            settings;
        assert_eq!((*own, *rate), (curriculum, target), "{name}");
        assert_eq!((*weighting, *proposal), (Weighting::Uniform, Proposal::Uniform), "{name}");
        assert_eq!(*distance, Distance::Lpips { trunk: Trunk::Vgg16, pooling, size: 224 }, "{name}");
        let [height, width, _] = published.network.build().unwrap().image();
        assert_eq!(distance.compared_at([height, width]), [seen_at; 2], "{name}");
        // Nothing else tells it from the recipe with L2.
        let mut plain = recipe(name);
        let Objective::Consistency(settings) = &mut plain.objective else { panic!("{name}") };
        assert_eq!(settings.distance, Distance::L2, "{name}");
        settings.distance = distance.clone();
        (plain.name, plain.about) = (published.name.clone(), published.about.clone());
        assert_eq!(plain, published);
    }
    let emoji = Recipe::parse(builtin_recipe("emoji-cd-lpips").unwrap(), &[]).unwrap();
    assert_eq!(emoji.distance(), Some(&Distance::StLpips { size: None }));
    let teachers = ["emoji-cd", "emoji-edm"]
        .map(|name| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap().network);
    assert!(teachers.iter().all(|network| *network == emoji.network), "the teacher is emoji-edm");
}

/// Weights of the distance that are missing are found out when the run is set up, not at its thousandth step.
#[test]
fn weights_of_the_distance_must_be_there() {
    let set_up = |settings: &[&str]| {
        let recipe = tiny("cd", settings);
        match Trainer::new(recipe.clone(), open(&recipe.data).unwrap(), teacher(&recipe), &device()) {
            Ok(_) => panic!("{settings:?}"),
            Err(error) => error.to_string(),
        }
    };
    let lpips = "objective.distance={ kind = \"lpips\" }";
    let message = set_up(&[lpips]);
    assert!(message.contains("there is no vgg16-397923af.pth"), "{message}");
    let message = set_up(&[lpips, "train.distance_files.trunk=no/such.pth"]);
    assert!(message.contains("there is no no/such.pth"), "{message}");
}

/// What is kept for the gradient of the distance, and its weights, are part of the forecast.
#[test]
fn forecasts_count_the_network_of_the_distance() {
    let forecast = |name: &str| {
        let recipe = Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
        (MemoryForecast::of(&recipe, recipe.network.build().unwrap().as_ref()), recipe)
    };
    let ((plain, _), (looking, recipe)) = (forecast("cifar10-cd"), forecast("cifar10-cd-lpips"));
    let Some(distance) = recipe.distance() else { panic!("a distance") };
    let kind = distance.perceptual().unwrap();
    assert_eq!(looking.weights - plain.weights, 4 * kind.n_weights() as u64);
    let kept = kind.activations([224, 224]).unwrap() as u64;
    assert_eq!(looking.activations - plain.activations, 4 * recipe.train.batch as u64 * kept);
    assert_eq!(looking.checkpoint, plain.checkpoint);
}

#[test]
fn objectives_that_cannot_be_are_refused() {
    for (name, bad, part) in [
        ("toy2d-pd", "train.start=\"random\"", "begins with a copy"),
        ("toy2d-pd", "objective.start_intervals=12", "power of 2"),
        ("toy2d-pd", "objective.start_intervals=1", "power of 2"),
        ("toy2d-pd", "objective.steps_per_stage=10", "last stage, which ends after 80 steps"),
        ("toy2d-pd", "objective.weighting=\"inverse-gap\"", "pairs of levels"),
        ("toy2d-edm", "objective.weighting=\"inverse-gap\"", "pairs of levels"),
        ("toy2d-ect", "objective.gap.shrink=1.0", "above 1"),
        ("toy2d-ect", "objective.images_per_stage=0", "at least 1"),
        ("toy2d-ect", "objective.images_per_stage=1000", "more images"),
        ("toy2d-ect", "objective.distance.huber_c=-1.0", "positive number or 0"),
        ("toy2d-cd", "objective.distance={ kind = \"st-lpips\" }", "points of 2 coordinates"),
        ("toy2d-ect", "objective.distance={ kind = \"lpips\" }", "points of 2 coordinates"),
        ("toy2d-pd", "objective.distance={ kind = \"lpips\" }", "points of 2 coordinates"),
        ("emoji-cd", "objective.distance={ kind = \"st-lpips\", size = 20 }", "at least 21"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", size = 15 }", "at least 16"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", size = 100000 }", "at most 4096"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", trunk = \"vgg19\" }", "unknown variant"),
        ("emoji-cd", "objective.distance={ kind = \"lpips\", huber_c = 0.1 }", "unknown field"),
        ("emoji-cd-lpips", "train.distance_files.trunk=\"a.pth\"", "no other reads any"),
        ("emoji-edm", "train.distance_files.heads=\"a.pth\"", "no other reads any"),
        ("emoji-scd", "objective.distance={ kind = \"st-lpips\" }", "unknown field"),
        ("toy2d-ect", "sampling.levels=[0.821, 80.0]", "must descend"),
        ("toy2d-ict", "objective.curriculum.end_intervals=5", "must grow"),
        ("toy2d-ict", "train.averages=[{ relative_std = 0.5 }]", "relative_std"),
    ] {
        let message = Recipe::parse(builtin_recipe(name).unwrap(), &[bad.into()]).expect_err(bad).to_string();
        assert!(message.contains(part), "{name} {bad}: {message}");
    }
}

#[test]
fn settings_change_a_recipe_and_misspelt_ones_are_refused() {
    let text = builtin_recipe("emoji-ct").unwrap();
    let parse = |setting: &str| Recipe::parse(text, &[setting.to_string()]);
    assert_eq!(parse("train.batch=3").unwrap().train.batch, 3);
    let elsewhere = Draft::read(text, &["data.source=some/folder".into()]).unwrap();
    assert_eq!(elsewhere.data.source, "some/folder");
    for (bad, part) in [
        ("train.bacth=3", "bacth"),
        ("train.batch", "key.path=value"),
        ("train.batch.size=3", "single value"),
        ("train.batch=0", "at least 1"),
        ("train.batch=-1", "invalid value"),
        ("noise.sigma_min=nan", "sigma_min"),
        ("noise.sigma_min=90", "sigma_min"),
        ("train.learning_rate.peak=nan", "positive"),
        ("objective.kind=\"magic\"", "magic"),
        ("objective.curriculum={ kind = \"fixed\", n_levels = 1 }", "at least 2"),
        ("objective.target={ kind = \"fixed\", rate = 1.5 }", "rate"),
        ("train.microbatch=1000000", "between 1 and"),
    ] {
        let message = parse(bad).expect_err(bad).to_string();
        assert!(message.contains(part), "{bad}: {message}");
    }
}

#[test]
fn what_a_recipe_does_not_say_of_the_network_is_taken_from_the_data() {
    let settled = |name: &str, settings: &[&str], data: &Described| {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let recipe = Draft::read(builtin_recipe(name).unwrap(), &settings).unwrap().settled(data).unwrap();
        let network = recipe.network.build().unwrap();
        (network.image(), network.n_classes(), recipe)
    };
    for (image, n_classes) in [([32, 32, 3], 9), ([48, 48, 1], 0), ([64, 64, 3], 2), ([128, 128, 3], 1000)] {
        let (made, knows, recipe) = settled("emoji-ct", &[], &Described::new(image, n_classes));
        assert_eq!((made, knows), (image, (n_classes > 0).then_some(n_classes)));
        let Architecture::Song(config) = &recipe.network else { panic!("{:?}", recipe.network) };
        assert_eq!(config.out_channels, image[2]);
        // Attention is where the feature maps are smallest: after two halvings.
        assert_eq!(config.attention_resolutions, [image[0] / 4]);
        // What is settled is all there: it needs no data any more.
        assert_eq!(
            Recipe::parse(&recipe.to_toml(), &["data.source=gone".into(), "data.labels=false".into()])
                .unwrap()
                .network,
            recipe.network
        );
    }
    let (made, knows, _) = settled("toy2d-edm", &[], &Described::new([1, 1, 5], 0));
    assert_eq!((made, knows), ([1, 1, 5], None));
    // What is said stands, and a word takes it back.
    let nine = Described::new([32, 32, 3], 9);
    let (_, knows, _) = settled("emoji-ct", &["network.n_classes=4"], &nine);
    assert_eq!(knows, Some(4));
    let (_, knows, _) = settled("emoji-ct", &["network.n_classes=4", "network.n_classes=null"], &nine);
    assert_eq!(knows, Some(9));
    let (made, ..) = settled(
        "cifar10-edm-small",
        &["network.image_size=null", "network.attention_resolutions=null"],
        &Described::new([64, 64, 1], 0),
    );
    assert_eq!(made, [64, 64, 1], "channels were never said");
    // Without data, a recipe that leaves them something says what, and why they cannot be asked.
    let error = Recipe::builtin("emoji-ct", &["data.source=no/such/folder"]).unwrap_err();
    assert!(error.to_string().contains("network.image_size and network.n_classes"), "{error}");
    // A misspelt key cannot be taken away.
    for misspelt in ["network.n_clases", "train.bacth", "samplng.levels", "objective.gap"] {
        let error = Recipe::builtin("emoji-ct", &[format!("{misspelt}=null")]).unwrap_err();
        assert!(matches!(error, RecipeError::Setting { .. }), "{misspelt}: {error}");
    }
    // A key that is taken away without being there is no mistake, and neither is its table.
    assert!(Recipe::builtin("toy2d-edm", &["sampling.levels=null", "train.clip_gradient=null"]).is_ok());
}

/// A recipe of one's own says what has no usual value: method, data, network, length and batch.
#[test]
fn what_has_a_usual_value_may_be_left_out() {
    let least = |objective: &str, more: &str| {
        let text = format!(
            "[objective]\nkind = \"{objective}\"\n[data]\nsource = \"builtin:two-moons\"\nlabels = false\n\
             [network]\nnetwork = \"mlp\"\n[train]\nsteps = 10\nbatch = 4\n{more}"
        );
        Recipe::parse(&text, &[]).unwrap_or_else(|error| panic!("{objective}: {error}"))
    };
    let start = "start = \"teacher\"";
    for (objective, more, method) in [
        ("denoising", "", "edm"),
        ("consistency", "", "ict"),
        ("tuning", "", "ect"),
        ("progressive-distillation", start, "pd"),
        ("continuous", "", "sct"),
    ] {
        let recipe = least(objective, more);
        assert_eq!(recipe.method(), method);
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe, "{objective}");
    }
    // The numbers are those of the published runs, which say all of theirs.
    let published = |name: &str| Recipe::parse(builtin_recipe(name).unwrap(), &[]).unwrap();
    assert_eq!(least("denoising", "").objective, published("cifar10-edm").objective);
    assert_eq!(least("tuning", "").objective, published("cifar10-ect").objective);
    assert_eq!(least("progressive-distillation", start).objective, published("cifar10-pd").objective);
    let Objective::Consistency(own) = least("consistency", "").objective else { panic!() };
    let Objective::Consistency(ict) = published("cifar10-ict").objective else { panic!() };
    assert_eq!((own.curriculum, own.distance, own.target), (ict.curriculum, ict.distance, ict.target));
    let Objective::Continuous(own) = least("continuous", "").objective else { panic!() };
    let Objective::Continuous(sct) = published("cifar10-sct").objective else { panic!() };
    assert_eq!(
        (own.proposal, own.normalization, own.weighting),
        (sct.proposal, sct.normalization, sct.weighting)
    );
    let train = least("consistency", "").train;
    assert_eq!((train.learning_rate.peak, train.averages.len()), (4e-4, 1));
}
