//! What the original implementations were asked and answered on the way, where a case holds it.

use crate::devices::device;
use std::cell::{Cell, RefCell};

use burn::tensor::Tensor;
use onestep::model::{Condition, Denoiser, ModelError, NoiseRange, Preconditioned};

use super::{Array, Case, check, check_values};

/// The recorded evaluations of one model of a loss, in the place of its weights; asked for more, it starts again.
///
/// Every question must be the one that was answered.
pub struct Answers<'a> {
    case: &'a Case,
    who: &'a str,
    /// What was asked, at which levels, and the answer.
    evaluations: Vec<[Array; 3]>,
    next: Cell<usize>,
}

impl<'a> Answers<'a> {
    /// `calls.N.WHO.x`, `.sigma` and `.denoised`, in the order of the numbers.
    pub fn of(case: &'a Case, who: &'a str) -> Self {
        let part = |name: &str| case.numbered("calls.", &format!(".{who}.{name}")).into_values();
        let evaluations: Vec<_> = part("x")
            .zip(part("sigma"))
            .zip(part("denoised"))
            .map(|((noisy, sigma), answer)| [noisy.channels_last(), sigma.clone(), answer.channels_last()])
            .collect();
        assert!(!evaluations.is_empty(), "{}: neither weights nor evaluations of the {who}", case.name);
        println!("golden | {} | no weights of the {who}: its recorded evaluations stand in |", case.name);
        Self { case, who, evaluations, next: Cell::new(0) }
    }
}

impl Denoiser for Answers<'_> {
    fn denoise(&self, noisy: Tensor<4>, sigma: &[f64], _: &Condition) -> Result<Tensor<4>, ModelError> {
        let call = self.next.replace(self.next.get() + 1) % self.evaluations.len();
        let [expected, levels, answer] = &self.evaluations[call];
        let what = format!("question {call} to the {}", self.who);
        // The reference steps in f32, and what it comes from may be as large as the largest level.
        let atol = 1e-6 * self.case.noise_setting("sigma_max").unwrap_or(NoiseRange::default().sigma_max);
        check(&self.case.name, &what, &Array::from_tensor(noisy), expected, atol, 1e-5);
        check_values(&self.case.name, &format!("level of {what}"), sigma, &levels.values, level_bound);
        Ok(answer.tensor(&device()))
    }

    fn sigma_min(&self) -> f64 {
        self.case.noise_setting("sigma_min").unwrap_or(NoiseRange::default().sigma_min)
    }
}

/// The references compute levels in f32.
fn level_bound(sigma: f64) -> f64 {
    1e-5 * sigma
}

/// A sampler's model, which is watched: levels of all evaluations must be the recorded ones.
///
/// Without weights, recorded evaluations stand in: each as long as every one before it is recorded, and compared in what was
/// asked; from then on the answer is nothing, and only the levels are looked at.
pub struct Watched<'a> {
    case: &'a Case,
    model: Option<Preconditioned>,
    levels: RefCell<Vec<f64>>,
    follows: Cell<bool>,
}

impl<'a> Watched<'a> {
    /// `model`, or the evaluations `call.NNN` of the case.
    pub fn new(case: &'a Case, model: Option<Preconditioned>) -> Self {
        if model.is_none() {
            println!("golden | {} | no weights: recorded evaluations stand in |", case.name);
        }
        Self { case, model, levels: RefCell::default(), follows: Cell::new(true) }
    }

    /// Compares the levels, and says whether the samples are those of the whole path.
    pub fn finish(self) -> bool {
        let levels = self.levels.into_inner();
        assert_eq!(levels.len() as f64, self.case.number("number_of_network_calls"), "{}", self.case.name);
        if let Some(expected) = self.case.find("sigmas_of_calls") {
            check_values(
                &self.case.name,
                "levels of all evaluations",
                &levels,
                &expected.values,
                level_bound,
            );
        }
        self.follows.get()
    }

    /// What was asked in an evaluation, and the answer.
    fn recorded(&self, call: usize) -> Option<[Array; 2]> {
        let part = |name: &str| self.case.numbered("call.", name).get(&call).map(|a| a.channels_last());
        Some([part(".x")?, part(".denoised")?])
    }
}

impl Denoiser for Watched<'_> {
    fn denoise(
        &self,
        noisy: Tensor<4>,
        sigma: &[f64],
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        let call = self.levels.borrow().len();
        self.levels.borrow_mut().push(sigma[0]);
        if let Some(model) = &self.model {
            return model.denoise(noisy, sigma, condition);
        }
        match self.recorded(call).filter(|_| self.follows.get()) {
            Some([expected, answer]) => {
                self.case.check(
                    &format!("state at evaluation {call}"),
                    &Array::from_tensor(noisy),
                    &expected,
                );
                Ok(answer.tensor(&device()))
            }
            None => {
                self.follows.set(false);
                Ok(noisy.zeros_like())
            }
        }
    }

    fn sigma_min(&self) -> f64 {
        self.case.noise_setting("sigma_min").unwrap_or(NoiseRange::default().sigma_min)
    }
}
