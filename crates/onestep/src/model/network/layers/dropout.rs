//! Dropout.

use onestep_kernels::dropout;

use crate::model::network::dual::Dual;
use crate::model::{Builder, Condition};

/// Dropout whose mask is a function of the condition's key, this layer's number and the sample.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    rate: f64,
    layer: u32,
}

impl Dropout {
    /// The next dropout of a network; `rate` is the probability of a zero.
    pub fn new(builder: &mut Builder, rate: f64) -> Self {
        Self { rate, layer: builder.random_layer() }
    }

    /// Whether there is a mask to apply.
    pub(in crate::model::network) fn applies(&self, condition: &Condition) -> bool {
        self.rate > 0.0 && condition.dropout.is_some()
    }

    /// Applies the mask; without a key, or at rate 0, the input itself.
    pub fn forward(&self, input: Dual<4>, condition: &Condition) -> Dual<4> {
        match &condition.dropout {
            Some(key) if self.rate > 0.0 => {
                let mask = key.mask(self.layer, self.rate);
                input.linear(|tensor| dropout(tensor, mask.clone()))
            }
            _ => input,
        }
    }
}
