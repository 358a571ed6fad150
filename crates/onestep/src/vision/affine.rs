//! What is multiplied into the weights of a layer: a batch norm after its training.

use super::Arrays;
use crate::model::ModelError;

/// One factor and one summand a channel.
pub(crate) struct Affine {
    pub scale: Vec<f64>,
    pub offset: Vec<f64>,
}

impl Affine {
    /// A bias alone.
    pub(crate) fn bias(bias: &[f32]) -> Self {
        Self { scale: vec![1.0; bias.len()], offset: bias.iter().copied().map(f64::from).collect() }
    }

    /// What the trained batch norm `{name}.weight`, `.bias`, `.running_mean` and `.running_var` comes to.
    ///
    /// γ (x − mean) / √(variance + epsilon) + β = scale · x + offset, in f64.
    pub(crate) fn batch_norm(
        arrays: &mut Arrays,
        name: &str,
        channels: usize,
        epsilon: f64,
    ) -> Result<Self, ModelError> {
        let mut take = |part: &str| arrays.take(&format!("{name}.{part}"), &[channels]);
        let (gains, offsets) = (take("weight")?, take("bias")?);
        let (means, variances) = (take("running_mean")?, take("running_var")?);
        if variances.iter().any(|&variance| f64::from(variance) + epsilon <= 0.0) {
            let name = format!("{name}.running_var");
            return Err(ModelError::WrongConstant { name, reason: "a variance is negative".into() });
        }
        let scale: Vec<f64> = gains
            .iter()
            .zip(&variances)
            .map(|(&gain, &variance)| f64::from(gain) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let offset = (offsets.iter().zip(&means).zip(&scale))
            .map(|((&offset, &mean), scale)| f64::from(offset) - f64::from(mean) * scale)
            .collect();
        Ok(Self { scale, offset })
    }
}
