//! What a method's settings say about a run before it begins.

use burn::tensor::Device;

use super::{AskedTeacher, Method};
use crate::Result;
use crate::model::{GuidanceRange, ModelKind, Network, Preconditioned, Preconditioning};
use crate::noise::{LevelsError, SamplingLevels};
use crate::objective::{Distance, LoadedDistance};
use crate::train::training::{Noise, Train};
use crate::train::{RecipeError, TrainError};

/// The rest of the recipe, as far as a method may look at it.
pub struct Surroundings<'a> {
    /// How the run trains.
    pub train: &'a Train,
    /// The network; none where it cannot be built.
    pub network: Option<&'a dyn Network>,
}

impl Surroundings<'_> {
    /// Height, width and channels of what the network makes; none where it cannot be built.
    pub fn image(&self) -> Option<[usize; 3]> {
        self.network.map(|network| network.image())
    }
}

/// Sets of weights that a method holds beside the student, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    /// Those that its checkpoints hold.
    pub saved: u64,
    /// Those that can be opened again from elsewhere.
    pub unsaved: u64,
}

/// What a running method is built from, beside its settings.
pub struct Given<'a> {
    /// The range of noise.
    pub noise: &'a Noise,
    /// How the run trains.
    pub train: &'a Train,
    /// The student at the start.
    pub student: &'a Preconditioned,
    /// The teacher, in the precision of the run.
    pub teacher: Option<Preconditioned>,
    /// A distance that was made ready elsewhere.
    pub distance: Option<LoadedDistance>,
    /// Where to compute.
    pub device: &'a Device,
}

impl Given<'_> {
    /// The teacher of a method that cannot do without.
    pub fn teacher(&self) -> Result<Preconditioned, TrainError> {
        self.teacher.clone().ok_or(TrainError::TeacherNeeded)
    }

    /// The same, guided at these scales, if any; a student whose network takes a scale is told it with every sample.
    pub fn guided_teacher(&self, guidance: Option<GuidanceRange>) -> Result<AskedTeacher, TrainError> {
        let told = self.student.network().takes_guidance();
        Ok(AskedTeacher::new(self.teacher()?, guidance, told))
    }

    /// The distance that the settings name: the one given, or else loaded.
    pub fn distance(&self, named: &Distance) -> Result<LoadedDistance> {
        match &self.distance {
            Some(given) => Ok(given.clone()),
            None => Ok(named.load(&self.train.distance_files, self.device)?),
        }
    }
}

/// Why weights of a model whose network is told neither ln(σ)/4 nor the angle start no student.
pub const OTHER_CODE: &str = "its network is told the steps of its own schedule, and a student ln(σ)/4 or the angle, so that its weights \
     start none; a student that is distilled learns from it with train.start = \"random\"";

/// The settings of a method: what a recipe, a forecast or a preview may ask, and the way to the running method.
pub trait MethodSettings {
    /// The field's name for the method: `cd`, `ect`, ...; the model's file carries it.
    fn name(&self) -> &'static str;

    /// What the trained model is.
    fn kind(&self) -> ModelKind;

    /// How the trained model's output is put together.
    fn preconditioning(&self) -> Preconditioning;

    /// How the student's output is put together while it is trained.
    fn training_preconditioning(&self) -> Preconditioning {
        self.preconditioning()
    }

    /// Whether the loss asks a teacher.
    fn distills(&self) -> bool {
        false
    }

    /// The scales at which the teacher is guided; none where it is not.
    fn guidance(&self) -> Option<GuidanceRange> {
        None
    }

    /// The distance between two estimates; none where there is none to choose.
    fn distance(&self) -> Option<&Distance> {
        None
    }

    /// Refuses values that make no sense, alone or beside the rest of the recipe.
    fn check(&self, around: &Surroundings<'_>) -> Result<(), RecipeError>;

    /// Why weights trained in the form `teacher` cannot start the student as the same function; none if they can.
    fn start_refused(&self, teacher: Preconditioning) -> Option<&'static str> {
        (!teacher.continues_as(self.preconditioning())).then_some(match teacher {
            Preconditioning::Trig => {
                "it is a TrigFlow model, from whose weights this recipe cannot start; give an EDM model"
            }
            _ => OTHER_CODE,
        })
    }

    /// Where the learning rate's schedule is after `step` of `steps` updates: updates done of those that it spans.
    fn schedule(&self, step: u64, steps: u64) -> (u64, u64) {
        (step, steps)
    }

    /// The number of levels of the update that follows `step` of `steps` updates, where there is a grid of them.
    fn n_levels(&self, _step: u64, _steps: u64) -> Option<usize> {
        None
    }

    /// Whether that number at a step depends on how long the run is.
    fn levels_follow_length(&self) -> bool {
        false
    }

    /// Steps whose checkpoints are worth keeping for good.
    fn milestones(&self, _steps: u64) -> Vec<u64> {
        Vec::new()
    }

    /// The levels that a model trained for `step` updates was made for, where the method decides that.
    fn sampling_levels(&self, _noise: &Noise, _step: u64) -> Result<Option<SamplingLevels>, LevelsError> {
        Ok(None)
    }

    /// In how many steps previews sample, one picture each; none for as many as suit the model.
    fn preview_steps(&self) -> Vec<Option<usize>> {
        vec![Some(1), Some(2), Some(4)]
    }

    /// How many sets of weights the method holds beside the student.
    fn networks(&self) -> Networks {
        Networks { saved: 0, unsaved: u64::from(self.distills()) }
    }

    /// Points that the student is asked at for each image of a batch.
    fn points_per_image(&self) -> u64 {
        1
    }

    /// The running method.
    ///
    /// # Errors
    ///
    /// [`TrainError::TeacherNeeded`] without a teacher that the loss asks; a distance that cannot be loaded.
    fn build(&self, given: Given<'_>) -> Result<Box<dyn Method>>;
}
