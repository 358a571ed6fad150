//! A model in a pickle of EDM, ready to be taken over: everything about it is in the file.

use std::path::Path;

use super::edm_settings::{EdmForm, EdmSettings};
use super::noise::{Noise, RHO};
use super::{Choices, EdmFile, Family, ForeignModel, InteropError, NameMap, QkvOrder};
use crate::model::{
    Answer, Architecture, Between, Discrete, ModelKind, NoiseRange, Preconditioning, VariancePreserving,
};
use crate::noise::{Betas, DiscreteSchedule};

impl ForeignModel {
    /// The model of a file with networks of EDM: their moving average, else the only one.
    pub(super) fn of_edm(path: &Path, file: EdmFile, choices: &Choices) -> Result<Self, InteropError> {
        let network = file.network().ok_or_else(|| InteropError::Unsupported {
            what: format!("a file with {} networks", file.networks().len()),
            why: "one of them has to be called `ema`".into(),
        })?;
        let EdmSettings { mut architecture, form, sigma_data, .. } = network.settings()?;
        let noise = match (choices.form, noise_of(&form, sigma_data)?) {
            (Some(form), _) => Noise {
                preconditioning: form.preconditioning(),
                kind: form.kind(),
                range: NoiseRange { sigma_data, ..form.range() },
                rho: RHO,
                method: form.name(),
            },
            (None, Some(noise)) => noise,
            (None, None) => return Err(Choices::form_needed()),
        };
        let more = own_outputs(&mut architecture, noise.preconditioning);
        let mut map = NameMap::torch(&architecture, QkvOrder::default())?;
        if let Some(outputs) = more {
            map = map.with_first_outputs("out_conv", outputs);
        }
        let key = network.key.clone();
        let arrays = file.into_arrays(Some(&key))?;
        Ok(Self::new(Family::Edm, architecture, noise, map, path.to_path_buf(), arrays))
    }
}

/// What a class of preconditioning says of a model; none for a class that is not known.
fn noise_of(form: &EdmForm, sigma_data: f64) -> Result<Option<Noise>, InteropError> {
    let usual = NoiseRange { sigma_data, ..NoiseRange::default() };
    let diffusion = |preconditioning, range, method| {
        Ok(Some(Noise { preconditioning, kind: ModelKind::Diffusion, range, rho: RHO, method }))
    };
    match *form {
        EdmForm::Edm => diffusion(Preconditioning::Edm, usual, "edm"),
        EdmForm::Consistency { sigma_min } => Ok(Some(Noise {
            preconditioning: Preconditioning::Boundary,
            kind: ModelKind::Consistency,
            range: NoiseRange { sigma_min, ..usual },
            rho: RHO,
            method: "ect",
        })),
        EdmForm::Vp { beta_d, beta_min, n_steps, epsilon_t } => {
            let schedule = VariancePreserving { beta_d, beta_min, steps: n_steps as u32 };
            let range = NoiseRange {
                sigma_min: schedule.sigma(epsilon_t),
                sigma_max: schedule.sigma(1.0),
                sigma_data,
            };
            diffusion(Preconditioning::VariancePreserving(schedule), range, "vp")
        }
        EdmForm::Ve { sigma_min, sigma_max } => {
            let range = NoiseRange { sigma_min, sigma_max, sigma_data };
            diffusion(Preconditioning::VarianceExploding, range, "ve")
        }
        EdmForm::Iddpm { c_1, c_2, n_steps } => {
            // These constants are those of the cosine of improved DDPM, and of its largest beta.
            let schedule = DiscreteSchedule::new(Betas::Cosine, n_steps);
            let Some(schedule) = schedule.filter(|_| (c_1, c_2) == (0.001, 0.008)) else {
                let what = format!("iDDPMPrecond with C_1 = {c_1}, C_2 = {c_2} and M = {n_steps}");
                let why = "the cosine of improved DDPM has C_1 = 0.001 and C_2 = 0.008".into();
                return Err(InteropError::Unsupported { what, why });
            };
            let [sigma_min, sigma_max] = schedule.range();
            let discrete = Discrete { answer: Answer::Noise, schedule, between: Between::Nearest };
            let range = NoiseRange { sigma_min, sigma_max, sigma_data };
            diffusion(Preconditioning::Discrete(discrete), range, "iddpm")
        }
        EdmForm::Other { .. } => Ok(None),
    }
}

/// Leaves a network of improved DDPM the outputs that are asked for, and returns how many the file has.
fn own_outputs(architecture: &mut Architecture, preconditioning: Preconditioning) -> Option<usize> {
    match (architecture, preconditioning) {
        (Architecture::Dhariwal(config), Preconditioning::Discrete(_))
            if config.out_channels == 2 * config.in_channels =>
        {
            config.out_channels = config.in_channels;
            Some(2 * config.in_channels)
        }
        _ => None,
    }
}
