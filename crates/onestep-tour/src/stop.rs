//! The stops of the tour, in their order.

/// A part of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A diffusion model beside one step.
    OneStep,
    /// One, two and four steps.
    MoreSteps,
    /// Editing without training for it.
    Editing,
    /// From one image to another.
    Interpolation,
    /// Quality against cost.
    Curve,
    /// Training without a teacher.
    Training,
}

impl Stop {
    /// All of them, in the order of the tour.
    pub const ALL: [Self; 6] =
        [Self::OneStep, Self::MoreSteps, Self::Editing, Self::Interpolation, Self::Curve, Self::Training];

    /// What happens there, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneStep => "one step beside thirty-five evaluations",
            Self::MoreSteps => "more steps",
            Self::Editing => "editing",
            Self::Interpolation => "from one image to another",
            Self::Curve => "quality against cost",
            Self::Training => "training without a teacher",
        }
    }

    /// Commands that do the same, or more of it.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Self::OneStep => &[
                "onestep sample builtin:portraits-edm --seeds 0-31 --out teacher.png",
                "onestep sample builtin:portraits --seeds 0-31 --out one-step.png",
            ],
            Self::MoreSteps => {
                &["onestep sample builtin:portraits --seeds 0-15 --steps 4 --out four-steps.png"]
            }
            Self::Editing => &[
                "onestep edit inpaint builtin:portraits face.png --mask hole.png --out filled.png",
                "onestep edit colorize builtin:portraits grey.png --out colored.png",
            ],
            Self::Interpolation => {
                &["onestep edit interpolate builtin:portraits --between 0,1 --frames 12 --out way.png"]
            }
            Self::Curve => &["onestep eval builtin:portraits-cd -m legal -n 1000"],
            Self::Training => &[
                "onestep train toy2d-ct --out runs/moons",
                "onestep sample runs/moons --seeds 0-1999 --out moons.png",
            ],
        }
    }
}
