//! TrigFlow: models on the clock of an angle instead of a standard deviation.
//!
//! x = cos t·clean + sin t·noise with noise of deviation σ_data, t = arctan(σ/σ_data), and x = x_EDM·cos t. The ODE is
//! dx/dt = v(x, t), a diffusion model is its velocity v = σ_data·F, and a consistency model in the same form is
//! f(x, t) = cos t·x - sin t·v. Every preconditioned network but one in the boundary form can be read this way; networks that
//! answer with something else than a velocity are read by their estimates, and have no derivative here.

use std::f64::consts::FRAC_PI_4;

use burn::tensor::Tensor;

use super::denoiser::per_sample;
use super::network::{Dual, NoiseCode};
use super::{Condition, Denoiser, ModelError, Preconditioned, Preconditioning, check_batch};
use crate::noise::sigma_from_trig;

/// A velocity with its exact derivative along a path.
#[derive(Debug, Clone)]
pub struct Velocity {
    /// v(x, t), `[batch, height, width, channels]`, with its gradient.
    pub value: Tensor<4>,
    /// cos t·sin t·dv/dt along the path, of the same shape, without a gradient. The factor keeps it finite at both ends
    /// of the clock.
    pub tangent: Tensor<4>,
}

/// A model by its velocity.
pub trait TrigFlow {
    /// The velocity v(x, t).
    ///
    /// # Shapes
    ///
    /// `noisy` and the result: `[batch, height, width, channels]`.
    ///
    /// # Units
    ///
    /// `angle`: arctan(σ/σ_data) of each sample, above 0 and below π/2. `noisy` is on TrigFlow's scale, with deviation
    /// σ_data at every angle.
    ///
    /// # Errors
    ///
    /// [`ModelError`] where batch or condition do not fit, or the model has no velocity.
    fn velocity(
        &self,
        noisy: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError>;

    /// The velocity and its derivative along the path that moves by `direction` in a unit of the angle.
    ///
    /// # Shapes
    ///
    /// # Units
    ///
    /// # Errors
    ///
    /// As [`TrigFlow::velocity`].
    fn velocity_along(
        &self,
        noisy: Tensor<4>,
        direction: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Velocity, ModelError>;
}

impl Preconditioned {
    fn flow(
        &self,
        noisy: Tensor<4>,
        direction: Option<Tensor<4>>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Dual<4>, ModelError> {
        check_batch("angles", angle.len(), noisy.dims()[0])?;
        let sigma_data = self.range().sigma_data;
        let at = |&angle| self.preconditioning().velocity_coefficients(angle, sigma_data);
        let at = angle.iter().map(at).collect::<Option<Vec<_>>>().ok_or(ModelError::NoVelocity)?;
        let scale = per_sample(at.iter().map(|at| at.input), &noisy);
        let output_scale = per_sample(at.iter().map(|at| at.output), &noisy);
        // The direction of the pass is cos t·sin t times that of the path.
        let tangent = direction.as_ref().map(|direction| {
            let slowed = at.iter().zip(angle).map(|(at, angle)| at.input * angle.cos() * angle.sin());
            direction.clone() * per_sample(slowed, &noisy)
        });
        let code = NoiseCode {
            values: at.iter().map(|at| at.code).collect(),
            tangents: direction.is_some().then(|| at.iter().map(|at| at.code_slope).collect()),
        };
        let input = Dual::with(noisy * scale, tangent);
        let output = self.network().evaluate(self.weights(), input, &code, condition)?;
        Ok(output.linear(|tensor| tensor * output_scale.clone()))
    }
}

impl<M: TrigFlow + ?Sized> TrigFlow for &M {
    fn velocity(
        &self,
        noisy: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        (**self).velocity(noisy, angle, condition)
    }

    fn velocity_along(
        &self,
        noisy: Tensor<4>,
        direction: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Velocity, ModelError> {
        (**self).velocity_along(noisy, direction, angle, condition)
    }
}

impl TrigFlow for Preconditioned {
    fn velocity(
        &self,
        noisy: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let form = self.preconditioning();
        if form.velocity_coefficients(FRAC_PI_4, self.range().sigma_data).is_some()
            || form == Preconditioning::Boundary
        {
            return Ok(self.flow(noisy, None, angle, condition)?.value);
        }
        // By the estimate of the clean images: v = (cos t·x - clean)/sin t, where x_EDM = x/cos t.
        check_batch("angles", angle.len(), noisy.dims()[0])?;
        let at = |scale: &dyn Fn(f64) -> f64| per_sample(angle.iter().map(|&angle| scale(angle)), &noisy);
        let levels: Vec<f64> =
            angle.iter().map(|&angle| sigma_from_trig(angle, self.range().sigma_data)).collect();
        let clean = self.denoise(noisy.clone() / at(&f64::cos), &levels, condition)?;
        Ok((noisy.clone() * at(&f64::cos) - clean) / at(&f64::sin))
    }

    /// Source: Lu and Song 2024 (arXiv:2410.11081), section 4.2: the tangent of (x/σ_data, t) is taken times
    /// cos t·sin t before the pass, so that nothing is divided by a vanishing number afterwards.
    fn velocity_along(
        &self,
        noisy: Tensor<4>,
        direction: Tensor<4>,
        angle: &[f64],
        condition: &Condition,
    ) -> Result<Velocity, ModelError> {
        let Dual { value, tangent, .. } = self.flow(noisy, Some(direction.inner()), angle, condition)?;
        let tangent = tangent.unwrap_or_else(|| value.clone().inner().zeros_like());
        Ok(Velocity { value, tangent })
    }
}
