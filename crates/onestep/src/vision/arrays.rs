//! Arrays of a file of weights, taken one by one while a network is put together.

use burn::tensor::Device;
use onestep_kernels::{Conv2dOptions, Rectifier};

use super::{Affine, Conv};
use crate::arrays::NamedArrays;
use crate::model::ModelError;

/// Arrays that are still to be taken.
pub(crate) struct Arrays {
    named: NamedArrays,
    /// If there is no file: what was asked for.
    asked: Option<Vec<(String, Vec<usize>)>>,
}

impl Arrays {
    /// All arrays of a file.
    pub(crate) fn new(named: NamedArrays) -> Self {
        Self { named, asked: None }
    }

    /// Names and shapes of all that `body` takes, which is given ones.
    pub(crate) fn asked_for(
        body: impl FnOnce(&mut Self) -> Result<(), ModelError>,
    ) -> Vec<(String, Vec<usize>)> {
        let mut arrays = Self { named: NamedArrays::new(), asked: Some(Vec::new()) };
        body(&mut arrays).expect("whatever is asked for is there");
        arrays.asked.unwrap_or_default()
    }

    /// An array that must be there and have this shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        if let Some(asked) = &mut self.asked {
            asked.push((name.into(), shape.into()));
            return Ok(vec![1.0; shape.iter().product()]);
        }
        let Some((found, values)) = self.named.remove(name) else {
            return Err(ModelError::MissingTensor { name: name.into(), shape: shape.into() });
        };
        if found != shape || values.len() != shape.iter().product::<usize>() {
            return Err(ModelError::WrongShape { name: name.into(), found, expected: shape.into() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ModelError::NotFinite { name: name.into(), index }),
            None => Ok(values),
        }
    }

    /// `{name}.weight` of this shape, with `{name}.bias`.
    pub(crate) fn with_bias(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<(Vec<f32>, Affine), ModelError> {
        let weight = self.take(&format!("{name}.weight"), shape)?;
        let bias = self.take(&format!("{name}.bias"), &shape[..1])?;
        Ok((weight, Affine::bias(&bias)))
    }

    /// A convolution of `{name}.weight` and `{name}.bias`.
    pub(crate) fn conv(
        &mut self,
        name: &str,
        shape: [usize; 4],
        how: (Conv2dOptions, Rectifier),
        device: &Device,
    ) -> Result<Conv, ModelError> {
        let (weight, bias) = self.with_bias(name, &shape)?;
        Ok(Conv::new(&weight, shape, &bias, how, device))
    }

    /// A convolution of `{name}.weight`, and the batch norm `norm` after it.
    pub(crate) fn normed_conv(
        &mut self,
        [name, norm]: [&str; 2],
        shape: [usize; 4],
        epsilon: f64,
        how: (Conv2dOptions, Rectifier),
        device: &Device,
    ) -> Result<Conv, ModelError> {
        let weight = self.take(&format!("{name}.weight"), &shape)?;
        let affine = Affine::batch_norm(self, norm, shape[0], epsilon)?;
        Ok(Conv::new(&weight, shape, &affine, how, device))
    }

    /// Refuses arrays that nobody has taken.
    pub(crate) fn finish(self) -> Result<(), ModelError> {
        match self.named.into_keys().next() {
            Some(name) => Err(ModelError::ExtraTensor { name }),
            None => Ok(()),
        }
    }
}
