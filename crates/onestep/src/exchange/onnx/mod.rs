//! ONNX files: a network with its preconditioning, for programs that run such files.
//!
//! 1. The model says itself as a [`Graph`], and what depends on weights alone is computed.
//! 2. Each of its operations becomes nodes of ONNX, on images `[batch, channels, height, width]`.
//! 3. Nodes and weights are written, one parameter at a time, whole or not at all.
//!
//! The messages of protobuf are put together here, by a few dozen lines: what is written are six kinds of them, and a library for
//! all of protobuf would want the weights in memory once more.

mod error;
mod file;
mod initializer;
mod message;
mod node;
mod operations;
mod translation;

use std::path::{Path, PathBuf};

pub use error::OnnxError;

use crate::front::Model;
use crate::model::network::graph::{Extent, Function, Graph, Input, Value};
use crate::model::{Level, ModelError, Preconditioned, Weights};
use crate::{Result, TOOL};
use translation::Translation;

/// The version of the operators; every runtime of the last years knows it.
const OPSET: u64 = 17;

/// Largest file that holds weights itself: a message of protobuf ends at 2 GiB, and whoever changes one wants some room.
const LARGEST_FILE: u64 = 2_000_000_000;

/// What an exported model takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `noise` of unit variance `[batch, channels, height, width]` becomes `image`, of the same shape and in [-1, 1]: one-step
    /// sampling from σ_max, for consistency models. Points that are not images are not clamped.
    OneStep,
    /// `noisy` `[batch, channels, height, width]` and `sigma` `[batch]` become `denoised`, of the shape of `noisy`: one
    /// evaluation of the model, for samplers elsewhere. It is not clamped.
    Denoiser,
}

impl Form {
    /// Its name: `one-step` or `denoiser`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneStep => "one-step",
            Self::Denoiser => "denoiser",
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The ONNX file, then the file of weights beside it, if there is one.
    pub files: Vec<PathBuf>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Number of the graph's nodes.
    pub n_nodes: usize,
}

/// An export to be written.
///
/// All numbers are f32. Class-conditional models take `label` `[batch]` too, int64; every program refuses, or counts from the
/// end, what is none of the classes. The metadata say what the model is. Parameters carry the names that they have here.
///
/// # Precision
///
/// With σ known, in the one-step form, the coefficients and the embedding are computed here, in f64. In the denoiser form they are
/// computed in f32 by whoever runs the file: that moves the fastest sinusoid of OpenAI's networks, 250·ln σ, by up to 1e-4.
///
/// # Examples
///
/// ```no_run
/// use onestep::exchange::onnx::{Export, Form};
///
/// let model = onestep::open("runs/emoji-cd")?;
/// let written = Export::new(&model, Form::OneStep).write("emoji.onnx")?;
/// assert_eq!(written.files.len(), 1);
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Clone)]
pub struct Export<'a> {
    model: &'a Model,
    form: Form,
    largest_file: u64,
}

impl<'a> Export<'a> {
    /// The model in one of its forms.
    pub fn new(model: &'a Model, form: Form) -> Self {
        Self { model, form, largest_file: LARGEST_FILE }
    }

    /// Has the weights lie in a file beside the ONNX file where that would become larger; by default from
    /// 2 GB on, which is also the most that counts here: readers end at 2 GiB. With 0 they always do.
    #[must_use]
    pub fn largest_file(mut self, bytes: u64) -> Self {
        self.largest_file = bytes.min(LARGEST_FILE);
        self
    }

    /// Where the weights of an ONNX file lie that holds none itself: `model.onnx.data` for `model.onnx`.
    pub fn data_path(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".data");
        path.with_file_name(name)
    }

    /// Writes the export whole or not at all; what is there is replaced, so callers ask
    /// [`Outputs`](crate::data::Outputs) first. No more than one parameter is in memory besides the model.
    ///
    /// # Errors
    ///
    /// - [`OnnxError::NoNetwork`], [`OnnxError::ManySteps`]: a model that has no such form.
    /// - [`ModelError::NoGraph`]: a network of a program's own.
    /// - [`ModelError::NotFinite`]: weights that hold NaN or infinity are never written.
    /// - [`DataError::Write`](crate::data::DataError::Write).
    pub fn write(&self, path: impl AsRef<Path>) -> Result<Written> {
        let network = self.model.network().ok_or(OnnxError::NoNetwork)?;
        if self.form == Form::OneStep && self.model.kind().has_ode() {
            return Err(OnnxError::ManySteps { kind: self.model.kind() }.into());
        }
        check_finite(network.weights())?;
        let (graph, output) = self.graph(network)?;
        let translation = Translation::new(&graph, output, self.names());
        Ok(file::write(path.as_ref(), &translation, network.weights(), &self.metadata(), self.largest_file)?)
    }

    /// What is computed, and of what.
    fn graph(&self, network: &Preconditioned) -> Result<(Graph, Value), ModelError> {
        let [height, width, channels] = network.network().image();
        let mut graph = Graph::new(network.network().parameters());
        let image = graph.input(Input::Image, Extent::Image { height, width, channels });
        let output = match self.form {
            Form::OneStep => {
                let sigma = network.range().sigma_max;
                let noisy = graph.scaled(image, sigma);
                let estimate = network.describe(&mut graph, noisy, Level::Known(sigma))?;
                // As the sampler does, for images alone.
                let is_image = height * width > 1;
                if is_image { graph.apply(Function::Clamp(-1.0, 1.0), estimate) } else { estimate }
            }
            Form::Denoiser => {
                let sigma = graph.input(Input::Level, Extent::Row(1));
                network.describe(&mut graph, image, Level::Given(sigma))?
            }
        };
        Ok(graph.folded(network.weights(), output))
    }

    /// What inputs and output are called.
    fn names(&self) -> translation::Names {
        let (image, output) = match self.form {
            Form::OneStep => ("noise", "image"),
            Form::Denoiser => ("noisy", "denoised"),
        };
        translation::Names { image, level: "sigma", label: "label", output }
    }

    /// What the file says about the model.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let (model, range) = (self.model, self.model.range());
        let mut metadata = vec![
            ("tool", TOOL.to_string()),
            ("form", self.form.name().to_string()),
            ("kind", plain(&model.kind())),
            ("preconditioning", plain(&model.profile().preconditioning)),
            ("sigma_min", range.sigma_min.to_string()),
            ("sigma_max", range.sigma_max.to_string()),
            ("sigma_data", range.sigma_data.to_string()),
        ];
        if let Some(origin) = model.origin() {
            metadata.push(("method", origin.header.method.clone()));
            metadata.push(("data", origin.header.data.clone()));
            metadata.push(("sha256", origin.sha256.clone()));
        }
        if let Some(n_classes) = model.n_classes() {
            metadata.push(("classes", n_classes.to_string()));
        }
        if !model.class_names().is_empty() {
            let names = serde_json::to_string(model.class_names()).expect("strings are always JSON");
            metadata.push(("class_names", names));
        }
        metadata
    }
}

/// Refuses weights that hold NaN or infinity, before anything is computed of them.
fn check_finite(weights: &Weights) -> Result<(), ModelError> {
    for (spec, values) in weights.iter() {
        let data = values.clone().inner().into_data().convert::<f32>();
        let values = data.as_slice::<f32>().expect("just converted");
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite { name: spec.name.clone(), index });
        }
    }
    Ok(())
}

/// What a variant is called in model files.
fn plain(variant: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(variant).expect("a variant without fields is always JSON");
    value.as_str().unwrap_or_default().to_string()
}
