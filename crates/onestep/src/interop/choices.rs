//! What a file of another program does not say, and somebody has to.

use std::path::Path;
use std::str::FromStr;

use super::noise::{Noise, RHO};
use super::{InteropError, QkvOrder};
use crate::model::network::AdmHeads;
use crate::model::{Answer, Between, Discrete, ModelKind, Preconditioning};
use crate::noise::{Betas, DiscreteSchedule};
use crate::size::ImageSize;

/// What is said about a model of another program beside what its file says. What is not needed is not looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choices {
    /// Height and width of its images.
    pub image_size: Option<ImageSize>,
    /// How its channels are divided among attention heads.
    pub heads: Option<AdmHeads>,
    /// In which order its fused attention channels lie.
    pub qkv_order: Option<QkvOrder>,
    /// How its network was trained to answer.
    pub form: Option<Form>,
}

/// What the network of a model was trained to answer, and so what a denoiser is made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A diffusion model in the form of EDM.
    Edm,
    /// A consistency model that is the identity at its smallest level, as Song et al. 2023 published them.
    Consistency,
    /// A consistency model that is the identity at 0.003, as ECT evaluates them.
    Ect,
    /// A diffusion model that answers with the noise of DDPM's 1000 steps, whose betas run evenly from 1e-4 to 0.02.
    DdpmLinear,
    /// The same with the cosine of improved DDPM.
    DdpmCosine,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Edm, Self::Consistency, Self::Ect, Self::DdpmLinear, Self::DdpmCosine];

    /// What it is called where it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Edm => "edm",
            Self::Consistency => "consistency",
            Self::Ect => "ect",
            Self::DdpmLinear => "ddpm-linear",
            Self::DdpmCosine => "ddpm-cosine",
        }
    }

    /// What makes a denoiser of the network.
    pub fn preconditioning(self) -> Preconditioning {
        match self {
            Self::Edm => Preconditioning::Edm,
            Self::Consistency | Self::Ect => Preconditioning::Boundary,
            Self::DdpmLinear => ddpm(Betas::Linear { start: 1e-4, end: 0.02 }),
            Self::DdpmCosine => ddpm(Betas::Cosine),
        }
    }

    /// What the denoiser's estimate is.
    pub fn kind(self) -> ModelKind {
        match self {
            Self::Edm | Self::DdpmLinear | Self::DdpmCosine => ModelKind::Diffusion,
            Self::Consistency | Self::Ect => ModelKind::Consistency,
        }
    }

    /// What published files of this form are called, with the method that made them: `cd_imagenet64_l2.pt`, or
    /// `cd-lpips/checkpoints/checkpoint_80`.
    fn of_path(path: &Path) -> Option<(Self, &'static str)> {
        let name = |part: &std::ffi::OsStr| {
            let name = part.to_str()?.to_ascii_lowercase();
            // The continuous-time ones of CIFAR-10.
            let name = name.trim_start_matches("cifar10-").trim_start_matches("continuous-");
            let begins = |start: &str| {
                name.strip_prefix(start)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', '.']))
            };
            match () {
                () if begins("edm") => Some((Self::Edm, "edm")),
                () if begins("cd") => Some((Self::Consistency, "cd")),
                () if begins("ct") => Some((Self::Consistency, "ct")),
                () => None,
            }
        };
        path.iter().rev().take(3).find_map(name)
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|form| form.name() == text)
            .ok_or_else(|| format!("`{text}` is none of {}", known()))
    }
}

impl FromStr for QkvOrder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "three-first" => Ok(Self::ThreeFirst),
            "heads-first" => Ok(Self::HeadsFirst),
            _ => Err(format!("`{text}` is neither three-first nor heads-first")),
        }
    }
}

impl Choices {
    /// The form that was said, else the one that published files of this name have; with the name of the method.
    fn form_of(&self, path: &Path) -> Result<(Form, &'static str), InteropError> {
        match (self.form, Form::of_path(path)) {
            (Some(form), Some((of_name, method))) if form == of_name => Ok((form, method)),
            (Some(form), _) => Ok((form, form.method())),
            (None, Some(found)) => Ok(found),
            (None, None) => Err(Self::form_needed()),
        }
    }

    /// Form and noise as they were said, or as the name of a published file says them.
    pub(super) fn noise_of(&self, path: &Path) -> Result<Noise, InteropError> {
        let (form, method) = self.form_of(path)?;
        let (preconditioning, kind) = (form.preconditioning(), form.kind());
        Ok(Noise { preconditioning, kind, range: form.range(), rho: RHO, method })
    }

    /// The error where it has to be said what kind of model it is.
    pub(super) fn form_needed() -> InteropError {
        InteropError::Undecided {
            why:
                "whether it is a diffusion model or a consistency model cannot be seen from names and shapes"
                    .into(),
            option: "--form edm (a diffusion model), --form consistency (a consistency model with f(x, 0.002) = x), --form ect, \
                     or --form ddpm-linear or ddpm-cosine (guided-diffusion)",
        }
    }

    /// The error where the size of the images has to be said.
    pub(super) fn size_needed() -> InteropError {
        InteropError::Undecided {
            why: "the size of its images cannot be seen from names and shapes".into(),
            option: "--size 64",
        }
    }
}

impl Form {
    /// The method of models of this form where nothing says more.
    fn method(self) -> &'static str {
        match self {
            Self::Edm => "edm",
            Self::Consistency => "consistency",
            Self::Ect => "ect",
            Self::DdpmLinear | Self::DdpmCosine => "ddpm",
        }
    }
}

/// A network that answers with the noise at 1000 steps.
fn ddpm(betas: Betas) -> Preconditioning {
    let schedule = DiscreteSchedule::new(betas, 1000).expect("a sound schedule");
    Preconditioning::Discrete(Discrete { answer: Answer::Noise, schedule, between: Between::default() })
}
