//! What can be wrong with the way a model is to be drawn from.

use std::path::PathBuf;

/// A sampler, or a number of steps, that a model does not have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// A student of progressive distillation was asked for another sampler than its own.
    #[error("this model of progressive distillation knows the steps it was made for only")]
    ProgressiveOnly,
    /// The sampler of progressive distillation was asked of another model.
    #[error("this model was not made by progressive distillation")]
    NotProgressive,
    /// A diffusion model was asked to jump.
    #[error("this is a diffusion model: it cannot jump to the image in a few steps")]
    CannotJump,
    /// A consistency model was asked to follow an ODE.
    #[error("this is a consistency model: it does not follow an ODE step by step")]
    HasNoOde,
    /// Churn that is negative or not a number.
    #[error("churn must be zero or more, not {churn}")]
    Churn {
        /// The churn given.
        churn: f64,
    },
    /// A run of progressive distillation without a model of so many steps.
    #[error("{} holds no model made for {wanted} steps", path.display())]
    NoStage {
        /// The run or file.
        path: PathBuf,
        /// The number of steps asked for.
        wanted: usize,
        /// The numbers of steps for which there is a model.
        known: Vec<usize>,
    },
    /// Classes were given to a model that has none.
    #[error("this model is unconditional and takes no class")]
    NoClasses,
    /// A guidance scale that is none.
    #[error("a guidance scale must be a number from 0 on, got {scale}")]
    GuidanceScale {
        /// What was given.
        scale: f64,
    },
    /// A guidance scale was given for a model without classes.
    #[error("this model is unconditional, and there is nothing to guide towards without a class")]
    GuidanceWithoutClasses,
    /// A guidance scale was given for a diffusion model that has never seen an image without its class.
    #[error(
        "this model cannot be guided: it was never trained on images without their class; train one with train.drop_class = 0.1"
    )]
    NullClassUntrained,
    /// A guidance scale was given for a model of few steps that was distilled without guidance.
    #[error(
        "this model cannot be guided: it was not told a guidance scale when it was trained; distill one with objective.guidance"
    )]
    NotToldGuidance,
    /// A guidance scale that the model was not distilled at.
    #[error("guidance {scale} is not among the scales that this model was distilled at, {low} to {high}")]
    GuidanceOutside {
        /// The scale given.
        scale: f64,
        /// The smallest that the model knows.
        low: f64,
        /// The largest that it knows.
        high: f64,
    },
    /// Other than one class for each seed.
    #[error("{classes} classes for {seeds} seeds; give one for each, or one for all")]
    ClassCount {
        /// Number of classes given.
        classes: usize,
        /// Number of seeds given.
        seeds: usize,
    },
    /// The number of a class that the model does not have.
    #[error("class {number} does not exist: the model has {n_classes}, numbered from 0")]
    NoSuchClass {
        /// The number given.
        number: usize,
        /// Number of classes of the model.
        n_classes: usize,
    },
    /// What may be several classes: their names in other capitals, or the beginning of their names.
    #[error("`{called}` may be {}; write the name as it stands here", either(fitting))]
    ClassUnclear {
        /// What was given.
        called: String,
        /// The names that it may be.
        fitting: Vec<String>,
    },
    /// A name given to a model whose classes have none.
    #[error("the model's {n_classes} classes have no names; `{called}` must be a number")]
    ClassesUnnamed {
        /// What was given.
        called: String,
        /// Number of classes of the model.
        n_classes: usize,
    },
    /// The name of a class that the model does not have.
    #[error("there is no class `{called}`; there are {}", quoted(known).join(", "))]
    ClassUnknown {
        /// What was given.
        called: String,
        /// The names of the model's classes.
        known: Vec<String>,
    },
    /// A model other than the one that samples were drawn from.
    #[error("{} is not the model the picture was made with", path.display())]
    AnotherModel {
        /// The file of its weights, or what else it is called.
        path: PathBuf,
        /// SHA-256 of the file at that time, in hexadecimal.
        was: String,
        /// That of this one; none for a model of no file.
        is: Option<String>,
    },
    /// A file that samples cannot be written to.
    #[error("cannot write a .{extension}")]
    FileKind {
        /// What its name ends with.
        extension: String,
    },
    /// Images that were to be written as points.
    #[error("a .csv holds points; the images of this model go into a .png, a .npz or a folder")]
    CsvOfImages,
    /// A noise level that the model was not made for.
    #[error("the level {sigma} is not from {sigma_min} to {sigma_max}, for which the model was made")]
    Level {
        /// The level given.
        sigma: f64,
        /// The lowest level of the model.
        sigma_min: f64,
        /// Its highest level.
        sigma_max: f64,
    },
}

/// Some names as a choice, at most the first five.
fn either(names: &[String]) -> String {
    match &quoted(names)[..] {
        [rest @ .., last] if (1..5).contains(&rest.len()) => format!("{} or {last}", rest.join(", ")),
        names => names.iter().take(5).map(String::as_str).chain(["..."]).collect::<Vec<_>>().join(", "),
    }
}

/// Names in backticks, so that those with commas are seen for one.
fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}
