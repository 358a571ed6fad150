//! What is not exported, and that nothing of it stays.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use onestep::data::ImageShape;
use onestep::exchange::onnx::{Export, Form, OnnxError};
use onestep::model::network::{Dual, MlpConfig, NoiseCode};
use onestep::model::{
    Architecture, Condition, GaussianMixture, ModelError, ModelKind, Network, NoiseRange, ParameterSpec,
    Preconditioned, Preconditioning, Weights,
};
use onestep::sample::SamplingProfile;
use onestep::{Error, Model};

/// A network that does not say itself.
#[derive(Debug)]
struct Silent(Arc<[ParameterSpec]>);

impl Network for Silent {
    fn parameters(&self) -> &Arc<[ParameterSpec]> {
        &self.0
    }

    fn image(&self) -> [usize; 3] {
        [1, 1, 2]
    }

    fn n_classes(&self) -> Option<usize> {
        None
    }

    fn evaluate(&self, _: &Weights, x: Dual<4>, _: &NoiseCode, _: &Condition) -> Result<Dual<4>, ModelError> {
        Ok(x)
    }
}

fn model(network: Arc<dyn Network>, weights: Weights, kind: ModelKind) -> Model {
    let network = Preconditioned::new(network, weights, Preconditioning::Edm, NoiseRange::default());
    Model::from_network(network, kind, &Device::flex())
}

#[test]
fn models_without_such_a_form_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    let error = |model: &Model, form| Export::new(model, form).write(&path).unwrap_err();

    let mixture = GaussianMixture::single(vec![0.3, -0.2], 0.5, 0.002).unwrap();
    let shape = ImageShape { height: 1, width: 1, channels: 2 };
    let closed = Model::from_denoiser(mixture, shape, SamplingProfile::diffusion(NoiseRange::default()));
    assert!(matches!(error(&closed, Form::Denoiser), Error::Onnx(OnnxError::NoNetwork)));

    let device = Device::flex();
    let silent = Arc::new(Silent(Vec::new().into()));
    let weights = Weights::initialize(silent.parameters(), 1, &device);
    let silent = model(silent, weights, ModelKind::Consistency);
    let refused = error(&silent, Form::OneStep);
    assert!(matches!(refused, Error::Model(ModelError::NoGraph)));
    assert!(refused.to_string().contains("Network::describe"), "{refused}");

    let network = Architecture::Mlp(MlpConfig::new(2)).build().unwrap();
    let weights = Weights::initialize(network.parameters(), 1, &device);
    for kind in [ModelKind::Diffusion, ModelKind::Progressive] {
        let refused = error(&model(network.clone(), weights.clone(), kind), Form::OneStep);
        assert!(matches!(refused, Error::Onnx(OnnxError::ManySteps { kind: found }) if found == kind));
        assert!(refused.to_string().contains("`denoiser`"), "{refused}");
        Export::new(&model(network.clone(), weights.clone(), kind), Form::Denoiser).write(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn weights_that_are_no_numbers_are_never_written() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("model.onnx");
    std::fs::write(&path, "what was there").unwrap();
    let network = Architecture::Mlp(MlpConfig::new(2)).build().unwrap();
    let start = Weights::initialize(network.parameters(), 1, &Device::flex());
    let broken = |(spec, value): (&ParameterSpec, &Tensor<1>)| {
        if spec.name == "layers.2.second.weight" { value.clone() * f64::NAN } else { value.clone() }
    };
    let weights = Weights::from_values(network.parameters(), start.iter().map(broken).collect());
    let broken = model(network.clone(), weights, ModelKind::Consistency);
    for largest in [0, u64::MAX] {
        let refused = Export::new(&broken, Form::OneStep).largest_file(largest).write(&path).unwrap_err();
        let expected = ModelError::NotFinite { name: "layers.2.second.weight".into(), index: 0 };
        assert!(matches!(&refused, Error::Model(error) if *error == expected), "{refused}");
    }
    // Whole or not at all.
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    let sound = model(network, start, ModelKind::Consistency);
    let nowhere = home.path().join("no such folder/model.onnx");
    assert!(matches!(Export::new(&sound, Form::OneStep).write(nowhere).unwrap_err(), Error::Data(_)));
}
