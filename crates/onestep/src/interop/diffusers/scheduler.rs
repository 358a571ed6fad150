//! The noise of `scheduler/scheduler_config.json`.

use serde_json::{Value, json};

use super::settings::Settings;
use crate::interop::InteropError;
use crate::interop::noise::Noise;
use crate::model::{Answer, Between, Discrete, ModelKind, NoiseRange, Preconditioning};
use crate::noise::{Betas, DiscreteSchedule};

/// The scheduler of consistency models.
const CONSISTENCY: &str = "CMStochasticIterativeScheduler";

/// Schedulers that sample from networks trained on the betas of DDPM, all alike: they differ in their steps, not in the model.
const DISCRETE: [&str; 14] = [
    "DDPMScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "DDPMParallelScheduler",
    "PNDMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
];

/// Reads the settings of a scheduler. What only its own way of sampling asks for is not looked at.
///
/// # Errors
///
/// [`InteropError::Unsupported`] with the key and the value of what makes another model than is known here.
pub(super) fn noise(mut settings: Settings) -> Result<Noise, InteropError> {
    let class = settings.text("_class_name", "")?;
    match &class[..] {
        CONSISTENCY => consistency(settings),
        class if DISCRETE.contains(&class) => discrete(settings),
        class => {
            let why = "known are the scheduler of consistency models, `CMStochasticIterativeScheduler`, and those of \
                       networks that were trained as DDPM, such as `DDPMScheduler` and `DDIMScheduler`";
            Err(settings.unsupported("_class_name", &json!(class), why))
        }
    }
}

fn consistency(mut settings: Settings) -> Result<Noise, InteropError> {
    let usual = NoiseRange::default();
    let range = NoiseRange {
        sigma_min: settings.number("sigma_min", usual.sigma_min)?,
        sigma_max: settings.number("sigma_max", usual.sigma_max)?,
        sigma_data: settings.number("sigma_data", usual.sigma_data)?,
    };
    let rho = settings.number("rho", 7.0)?;
    let positive = [range.sigma_min, range.sigma_data, rho].iter().all(|&value| value > 0.0);
    if !positive || range.sigma_max <= range.sigma_min {
        let reason = format!("these are no noise levels: {range:?}, rho {rho}");
        return Err(InteropError::Settings { file: settings.file().to_owned(), reason });
    }
    Ok(Noise {
        preconditioning: Preconditioning::Boundary,
        kind: ModelKind::Consistency,
        range,
        rho,
        method: "consistency",
    })
}

fn discrete(mut settings: Settings) -> Result<Noise, InteropError> {
    let steps = settings.whole("num_train_timesteps", 1000)?;
    let start = settings.number("beta_start", 1e-4)?;
    let end = settings.number("beta_end", 0.02)?;
    let schedule = settings.text("beta_schedule", "linear")?;
    let betas = match &schedule[..] {
        "linear" => Betas::Linear { start, end },
        "scaled_linear" => Betas::ScaledLinear { start, end },
        "squaredcos_cap_v2" => Betas::Cosine,
        other => {
            let why = "known are `linear`, `scaled_linear` and `squaredcos_cap_v2`";
            return Err(settings.unsupported("beta_schedule", &json!(other), why));
        }
    };
    let betas = match settings.take("trained_betas").filter(|value| !value.is_null()) {
        None => betas,
        Some(list) => listed(&list, steps).ok_or_else(|| {
            let why =
                "betas of one's own are read where they run evenly, or their roots do, or by the cosine";
            settings.unsupported("trained_betas", &list, why)
        })?,
    };
    settings.only(
        "rescale_betas_zero_snr",
        &[json!(false), Value::Null],
        "the last level of such a schedule is infinite",
    )?;
    settings.only("timestep_type", &[json!("discrete")], "networks are told the number of a step")?;
    let answer = match &settings.text("prediction_type", "epsilon")?[..] {
        "epsilon" => Answer::Noise,
        "v_prediction" => Answer::Velocity,
        "sample" => Answer::Clean,
        other => {
            let why = "it is `epsilon`, `v_prediction` or `sample`";
            return Err(settings.unsupported("prediction_type", &json!(other), why));
        }
    };
    let Some(schedule) = DiscreteSchedule::new(betas, steps) else {
        let reason = format!("there is no schedule of {steps} steps with {betas:?}");
        return Err(InteropError::Settings { file: settings.file().to_owned(), reason });
    };
    Ok(of_schedule(schedule, answer))
}

/// A model of a network that answers so at the steps of a schedule.
pub(super) fn of_schedule(schedule: DiscreteSchedule, answer: Answer) -> Noise {
    let form = Discrete { answer, schedule, between: Between::default() };
    let [sigma_min, sigma_max] = schedule.range();
    Noise {
        preconditioning: Preconditioning::Discrete(form),
        kind: ModelKind::Diffusion,
        range: NoiseRange { sigma_min, sigma_max, ..NoiseRange::default() },
        rho: 7.0,
        method: "ddpm",
    }
}

/// The schedule that a list of as many betas is.
fn listed(list: &Value, steps: usize) -> Option<Betas> {
    let betas: Vec<f64> = list.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let (&start, &end) = (betas.first()?, betas.last().filter(|_| betas.len() == steps)?);
    let is = |kind: &Betas| {
        let Some(schedule) = DiscreteSchedule::new(*kind, betas.len()) else { return false };
        // Betas in files are rounded to f32, and some are differences of numbers that were.
        let close = |(step, beta): (usize, &f64)| (schedule.beta(step) - beta).abs() <= 1e-6 + 1e-5 * beta;
        betas.iter().enumerate().all(close)
    };
    [Betas::Linear { start, end }, Betas::ScaledLinear { start, end }, Betas::Cosine].into_iter().find(is)
}
