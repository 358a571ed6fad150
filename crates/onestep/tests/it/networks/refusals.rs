//! What does not fit together is refused with a reason; what fits survives a file.

use onestep::model::network::{AdmConfig, AdmHeads, AdmResample, DhariwalConfig, MlpConfig, SongConfig};
use onestep::model::{Architecture, ModelError};

use super::small::{Call, noise, small_adm, small_architectures, small_dhariwal, small_song};

#[test]
fn calls_that_do_not_fit_are_refused() {
    let call = || Call::new(&Architecture::Song(small_song()), 2);
    let refused = |change: &dyn Fn(&mut Call)| {
        let mut call = call();
        change(&mut call);
        call.error()
    };
    let guidance = refused(&|call| call.condition.guidance = Some(vec![2.0; 2]));
    assert_eq!(guidance, ModelError::GuidanceNotTaken);
    assert_eq!(
        refused(&|call| call.condition.labels = Some(vec![Some(0), Some(3)])),
        ModelError::UnknownClass { label: 3, n_classes: 3 }
    );
    assert_eq!(
        refused(&|call| call.condition.labels = Some(vec![None])),
        ModelError::WrongBatch { what: "class labels", found: 1, batch: 2 }
    );
    assert_eq!(
        refused(&|call| call.codes = vec![0.0; 3]),
        ModelError::WrongBatch { what: "noise codes", found: 3, batch: 2 }
    );
    assert_eq!(
        refused(&|call| call.condition.augment = Some(vec![vec![0.0; 2], vec![0.0; 9]])),
        ModelError::WrongAugment { found: 9, expected: 2 }
    );
    assert_eq!(
        refused(&|call| call.input = noise(1, 0, [2, 28, 28, 3])),
        ModelError::WrongImage { found: [28, 28, 3], expected: [28, 28, 1] }
    );
    let unconditional = Architecture::Song(SongConfig { n_classes: None, ..small_song() });
    let mut call = Call::new(&unconditional, 2);
    call.condition.labels = Some(vec![Some(0), Some(1)]);
    assert_eq!(call.error(), ModelError::ClassNotTaken);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let reason = |architecture: Architecture| match architecture.build() {
        Err(ModelError::BadArchitecture { reason }) => reason,
        other => panic!("{architecture:?}: {other:?}"),
    };
    let adm = |change: &dyn Fn(&mut AdmConfig)| {
        let mut config = small_adm();
        change(&mut config);
        reason(Architecture::Adm(config))
    };
    let four_levels = adm(&|config| config.channel_mult = vec![1, 2, 2, 2]);
    assert_eq!(four_levels, "image_size 28 cannot be halved 3 times, between the 4 levels of channel_mult");
    let attention = adm(&|config| config.attention_resolutions = vec![16]);
    assert_eq!(attention, "attention_resolutions names 16, the feature maps have sizes [28, 14]");
    assert!(adm(&|config| config.channel_mult = vec![]).contains("channel_mult"));
    assert!(adm(&|config| config.channel_mult = vec![1; 70]).contains("69 times"));
    assert!(adm(&|config| config.model_channels = 48).contains("multiple of 32"));
    assert!(adm(&|config| config.heads = AdmHeads::Width(48)).contains("heads"));
    assert!(adm(&|config| config.heads = AdmHeads::Width(0)).contains("width"));
    assert!(adm(&|config| config.dropout = 1.0).contains("dropout"));
    assert!(adm(&|config| config.dropout = f64::NAN).contains("dropout"));
    assert!(adm(&|config| config.n_classes = Some(0)).contains("n_classes"));

    let song = |change: &dyn Fn(&mut SongConfig)| {
        let mut config = small_song();
        change(&mut config);
        reason(Architecture::Song(config))
    };
    assert!(song(&|config| config.resample_filter = vec![1.0, 2.0, 1.0]).contains("even number of taps"));
    assert!(song(&|config| config.fourier_scale = -1.0).contains("fourier_scale"));
    assert!(song(&|config| config.model_channels = 0).contains("model_channels"));
    assert!(
        reason(Architecture::Dhariwal(DhariwalConfig { num_blocks: 0, ..small_dhariwal() }))
            .contains("num_blocks")
    );
    assert!(
        reason(Architecture::Mlp(MlpConfig { embedding_width: 3, ..MlpConfig::new(2) })).contains("even")
    );
}

#[test]
fn widths_that_edm_refuses_get_fewer_groups() {
    // 48 · (1 + 2) = 144 channels are joined on the way up; 32 groups do not divide them, 24 do.
    let config = SongConfig {
        image_size: 8.into(),
        model_channels: 48,
        channel_mult: vec![1, 2],
        attention_resolutions: vec![],
        ..small_song()
    };
    let call = Call::new(&Architecture::Song(config), 1);
    assert!(call.run().iter().all(|value| value.is_finite()));
}

#[test]
fn settings_survive_a_file_and_misspelt_ones_are_refused() {
    for architecture in small_architectures() {
        let text = toml::to_string(&architecture).expect("settings are plain");
        assert_eq!(toml::from_str::<Architecture>(&text).expect(&text), architecture);
        let json = serde_json::to_string(&architecture).expect("settings are plain");
        assert_eq!(serde_json::from_str::<Architecture>(&json).expect(&json), architecture);
    }
    let minimal = "network = 'song'\nimage_size = 32";
    let Architecture::Song(config) = toml::from_str(minimal).expect("EDM's defaults") else {
        panic!("{minimal}")
    };
    assert_eq!((config.model_channels, config.channel_mult, config.dropout), (128, vec![1, 2, 2, 2], 0.1));
    let heads = "network = 'adm'\nimage_size = 28\nmodel_channels = 32\nnum_res_blocks = 1\nattention_resolutions = [14]\n\
                 channel_mult = [1, 2]\nheads = { width = 16 }\nresample = 'pooling'";
    let Architecture::Adm(config) = toml::from_str(heads).expect(heads) else { panic!("{heads}") };
    assert_eq!(
        (config.heads, config.resample, config.in_channels),
        (AdmHeads::Width(16), AdmResample::Pooling, 3)
    );
    let misspelt = "network = 'song'\nimage_size = 32\nn_class = 10";
    let error = toml::from_str::<Architecture>(misspelt).expect_err(misspelt).to_string();
    assert!(error.contains("n_class"), "{error}");
}
