//! Models of other programs, written as model files.

use std::cell::{Cell, RefCell};
use std::path::Path;

use crate::Result;
use crate::arrays::{Array, TensorFileError, Values};
use crate::checkpoint::{CheckpointError, ModelHeader, file_digest, save_arrays};
use crate::data::Outputs;
use crate::interop::{Caches, Choices, ForeignModel, InteropError, Matching};
use crate::model::Network;
use crate::observer::{Observer, Work, tell};

/// A model of another program, looked at and ready to be written.
///
/// # Examples
///
/// ```no_run
/// use onestep::data::Outputs;
/// use onestep::exchange::Import;
/// use onestep::interop::Choices;
///
/// let import = Import::open("cd_imagenet64_lpips.pt", &Choices::default())?;
/// assert!(import.matching().is_complete());
/// import.save("cd-imagenet64.safetensors", &Outputs::default())?;
/// let model = onestep::open("cd-imagenet64.safetensors")?;
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug)]
pub struct Import {
    model: ForeignModel,
    data: Option<String>,
}

impl Import {
    /// Looks at a file or folder of another program, or at one in the user's caches by its name ([`Caches`]); no weights are read.
    ///
    /// # Errors
    ///
    /// [`InteropError`]: no model that is known, something to be said first ([`InteropError::Undecided`]), or a file that cannot be
    /// read. Tensors that do not fit are told by [`Import::matching`] and refused by [`Import::save`].
    pub fn open(path: impl AsRef<Path>, choices: &Choices) -> Result<Self> {
        let path = Caches::of_user().locate(path.as_ref()).map_err(CheckpointError::from)?;
        Ok(Self { model: ForeignModel::open(&path, choices)?, data: None })
    }

    /// Gives the classes their names, in order.
    ///
    /// # Errors
    ///
    /// [`InteropError::Unsupported`] for another number of names than the network has classes.
    pub fn class_names(mut self, names: Vec<String>) -> Result<Self> {
        let n_classes = self.network()?.n_classes().unwrap_or(0);
        if names.len() != n_classes {
            let what = format!("{} names of classes", names.len());
            return Err(
                InteropError::Unsupported { what, why: format!("the network has {n_classes}") }.into()
            );
        }
        self.model.class_names = names;
        Ok(self)
    }

    /// Says what it was trained on.
    #[must_use]
    pub fn trained_on(mut self, data: impl Into<String>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// What is known of the model.
    pub fn model(&self) -> &ForeignModel {
        &self.model
    }

    /// How the tensors of the file fit the network, one by one.
    pub fn matching(&self) -> Matching {
        self.model.matching()
    }

    /// The network.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadArchitecture`](crate::model::ModelError::BadArchitecture) for one that cannot be.
    pub fn network(&self) -> Result<std::sync::Arc<dyn Network>> {
        Ok(self.model.architecture.build()?)
    }

    /// Writes the model file, whole or not at all, and returns its header.
    ///
    /// Tensors are read, translated and written one at a time: the memory needed is that of the largest, a few times.
    ///
    /// # Errors
    ///
    /// - [`InteropError::Model`] if the tensors are not exactly those of the network; [`InteropError::File`] for damage.
    /// - [`OutputError`](crate::data::OutputError) for a file that is not written over.
    /// - [`CheckpointError`] for a full disk and the like.
    pub fn save(self, path: impl AsRef<Path>, outputs: &Outputs) -> Result<ModelHeader> {
        let saved = self.save_watched(path, outputs, &mut ())?;
        Ok(saved.expect("nobody stops it"))
    }

    /// As [`Import::save`], watched; none, and nothing written, if the observer wants to stop. It is told after every tensor.
    ///
    /// # Errors
    ///
    /// As [`Import::save`].
    pub fn save_watched(
        mut self,
        path: impl AsRef<Path>,
        outputs: &Outputs,
        observer: &mut dyn Observer,
    ) -> Result<Option<ModelHeader>> {
        let path = path.as_ref();
        outputs.clone().spare(self.model.weights.clone()).check(path)?;
        self.model.check()?;
        let mut header = ModelHeader::imported(&self.model, &file_digest(&self.model.weights)?);
        if let Some(data) = self.data {
            header.data = data;
        }
        let network = header.architecture.build()?;
        let model = RefCell::new(self.model);
        let failure: RefCell<Option<InteropError>> = RefCell::default();
        // Tensors are read twice: for the digest that stands before them, and to be written.
        let (n_reads, n_all) = (Cell::new(0), 2 * network.parameters().len());
        let (observer, stopped) = (RefCell::new(observer), Cell::new(false));
        let read = |name: &str| {
            n_reads.set(n_reads.get() + 1);
            if !tell(&mut **observer.borrow_mut(), Work::Importing, n_reads.get().min(n_all), n_all) {
                stopped.set(true);
                return Err(TensorFileError::Io(std::io::ErrorKind::Interrupted.into()));
            }
            model.borrow_mut().read(name).map_err(|error| {
                let told = std::io::Error::other(error.to_string());
                *failure.borrow_mut() = Some(error);
                TensorFileError::Io(told)
            })
        };
        let arrays = network.parameters().iter().map(|spec| Array {
            name: spec.name.clone(),
            shape: spec.shape.clone(),
            values: Values::later(|| read(&spec.name)),
        });
        let saved = save_arrays(path, &header, arrays.collect());
        // What the file says is the cause; that the output could not be written is its consequence.
        match failure.take() {
            _ if stopped.get() => Ok(None),
            Some(cause) => Err(cause.into()),
            None => Ok(saved.map(|()| Some(header))?),
        }
    }
}
