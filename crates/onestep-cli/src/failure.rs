//! How the command fails: message, causes, hints, exit code.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

use onestep::Error;
use onestep::checkpoint::{CheckpointError, ErrorClass};
use onestep::data::{DataError, OutputError};
use onestep::distributed::DistributedError;
use onestep::edit::EditError;
use onestep::eval::EvalError;
use onestep::interop::InteropError;
use onestep::model::DeviceFailure;
use onestep::sample::SampleError;
use onestep::train::{RecipeError, TrainError};
use onestep_bench::BenchError;

use crate::print::{say, typed};

/// Exit codes, one meaning each.
pub mod code {
    /// Wrong arguments.
    pub const USAGE: u8 = 2;
    /// A bad data or model file.
    pub const DATA: u8 = 65;
    /// A bug.
    pub const INTERNAL: u8 = 70;
    /// Something cannot be created: disk full, no permission, in use.
    pub const CANNOT_CREATE: u8 = 73;
    /// Reading or writing failed.
    pub const IO: u8 = 74;
    /// Stopped on request with the state saved: safe to run again.
    pub const STOPPED: u8 = 75;
    /// What a shell sees of a program that wrote to a pipe without a reader: 128 and SIGPIPE.
    pub const BROKEN_PIPE: u8 = 141;
}

/// An error with what to do about it.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hints: Vec<String>,
    code: u8,
}

/// What commands return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with its exit code.
    pub fn new(code: u8, message: impl std::fmt::Display) -> Self {
        Self { error: anyhow::anyhow!("{message}"), hints: Vec::new(), code }
    }

    /// Wrong arguments.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(code::USAGE, message)
    }

    /// Adds what to do instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what was being done.
    pub fn context(mut self, context: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(context);
        self
    }

    /// The library's error, where it is one.
    pub fn library(&self) -> Option<&Error> {
        self.error.downcast_ref()
    }

    /// The exit code alone, where another process prints it.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Prints it to stderr and returns the exit code.
    pub fn report(&self) -> ExitCode {
        say!("error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            say!("caused by: {cause}");
        }
        for hint in &self.hints {
            say!("hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Train(TrainError::Teacher { path, reason }) = error {
            return Self::from(*reason).context(format!("the teacher {}", path.display()));
        }
        if let Error::Recipe(RecipeError::Open { keys, reason }) = error {
            return Self::from(*reason).context(format!("the recipe leaves {keys} to its data"));
        }
        let (code, hints): (u8, Vec<String>) = match &error {
            Error::Levels(_) => (code::USAGE, vec![]),
            Error::Model(_) => (code::DATA, vec![]),
            Error::Device(DeviceFailure::OutOfMemory(_)) => (
                code::CANNOT_CREATE,
                vec!["fewer images at a time need less: --batch where there is one; in training `--set train.microbatch=N` and `--set train.activation_checkpointing=true`, which change no result".into()],
            ),
            Error::Device(_) => (code::INTERNAL, vec![]),
            Error::Data(DataError::Write { source, .. }) => (write_code(source), vec![]),
            Error::Output(output @ OutputError::NoShards { .. }) => (code::USAGE, vec![output_hint(output)]),
            Error::Output(output) => (code::CANNOT_CREATE, vec![output_hint(output)]),
            Error::Data(_) | Error::Weights(_) | Error::Vision(_) => (code::DATA, vec![]),
            Error::Interop(interop) => interop_answer(interop),
            Error::Export(_) | Error::Onnx(_) => (code::USAGE, vec![]),
            Error::Edit(edit) => (edit_code(edit), edit_hints(edit)),
            Error::Sample(sample @ SampleError::AnotherModel { .. }) => (code::DATA, sample_hint(sample)),
            Error::Sample(sample) => (code::USAGE, sample_hint(sample)),
            Error::Eval(EvalError::Data(DataError::Write { source, .. })) => (write_code(source), vec![]),
            Error::Eval(eval) => match eval {
                EvalError::Setting { .. }
                | EvalError::NoImage { .. }
                | EvalError::FewerImages { .. }
                | EvalError::Points { .. }
                | EvalError::NoOde => (code::USAGE, eval_hint(eval)),
                EvalError::HoldsAnother { .. } => (code::CANNOT_CREATE, eval_hint(eval)),
                EvalError::TooFew { .. } => (
                    code::USAGE,
                    vec!["draw more with --num-samples, or take what there is with --fewer; the number of images is printed beside the score".into()],
                ),
                _ => (code::DATA, eval_hint(eval)),
            },
            Error::Recipe(recipe) => (
                code::USAGE,
                match recipe {
                    RecipeError::Unknown { .. } => vec!["`onestep recipe list` shows them all".into()],
                    _ => vec![],
                },
            ),
            Error::Checkpoint(CheckpointError::Foreign { path, reason }) => {
                let (code, mut hints) = interop_answer(reason);
                if matches!(**reason, InteropError::Undecided { .. }) {
                    hints = vec![format!("`onestep import {} -o model.safetensors` takes it over", typed(path.display()))];
                }
                (code, hints)
            }
            Error::Checkpoint(checkpoint) => (
                match checkpoint.class() {
                    ErrorClass::BadData | ErrorClass::BadNumbers => code::DATA,
                    ErrorClass::CannotCreate | ErrorClass::Locked => code::CANNOT_CREATE,
                    _ => code::IO,
                },
                match checkpoint {
                    CheckpointError::NotFound { path } if was_pruned(path) => {
                        vec!["the run went on, and this checkpoint went with it: train.keep says how many stay".into()]
                    }
                    CheckpointError::HasRun { .. } => vec![
                        "go on with it: add --resume".into(),
                        "or start another one: choose another --out".into(),
                    ],
                    _ => vec![],
                },
            ),
            Error::Distributed(distributed) => match distributed {
                DistributedError::Lost { .. } => (code::STOPPED, vec![]),
                DistributedError::Differs { what: "the weights", .. } => (code::INTERNAL, vec![]),
                DistributedError::Differs { .. } => (code::DATA, vec![]),
                _ => (code::USAGE, vec![]),
            },
            Error::Train(train) => match train {
                TrainError::TeacherNeeded => {
                    (code::USAGE, vec!["give the run folder of a diffusion model: --teacher runs/emoji-edm".into()])
                }
                TrainError::TeacherDiffers { .. } => {
                    (code::DATA, vec!["--like-teacher takes the teacher's network in place of the recipe's".into()])
                }
                TrainError::RecipeDiffers { .. } => (
                    code::USAGE,
                    vec!["leave the recipe out to go on with the run's own, or choose another --out".into()],
                ),
                TrainError::InTheWay { .. } => {
                    (code::CANNOT_CREATE, vec!["give the run a folder of its own: --out runs/NAME".into()])
                }
                TrainError::AmongData { .. } => {
                    (code::USAGE, vec!["choose another --out, outside of the data".into()])
                }
                TrainError::FewerSteps { .. } => (code::USAGE, vec![]),
                TrainError::ScheduleUnclear { .. } => (
                    code::USAGE,
                    vec![
                        "--extend schedule stretches them over the new length".into(),
                        "--extend end lets them end where they would have, and goes on at their last values".into(),
                    ],
                ),
                TrainError::BadImage { .. } => (
                    code::DATA,
                    vec![
                        "replace or remove the image; a run that had begun is saved, and goes on with --resume".into(),
                        "or pass over such images: --set data.on_error=skip".into(),
                        "onestep data check lists them all".into(),
                    ],
                ),
                TrainError::Memory { .. } => (
                    code::USAGE,
                    vec!["a smaller train.microbatch or train.batch, a smaller network, or \
                          train.activation_checkpointing=true need less"
                        .into()],
                ),
                TrainError::NotFinite { saved, .. } => {
                    let how = "a lower rate, --set train.learning_rate.peak=..., or --set train.clip_gradient=1.0";
                    let hint = match saved {
                        Some(step) => format!("the checkpoint of step {step} is intact: go on with --resume and {how}"),
                        None => format!("nothing is saved yet: begin again with {how}"),
                    };
                    (code::DATA, vec![hint])
                }
                TrainError::NoRun { .. } => (
                    code::DATA,
                    vec!["name a recipe to start one: onestep train RECIPE --out FOLDER".into()],
                ),
                TrainError::UnreadableRecipe { reason, .. } => (io_code(reason), vec![]),
                _ => (code::DATA, vec![]),
            },
            _ => (code::INTERNAL, vec![]),
        };
        Self { error: error.into(), hints, code }
    }
}

/// The exit code of a model that cannot be taken over, and what to do.
fn interop_answer(error: &InteropError) -> (u8, Vec<String>) {
    match error {
        InteropError::Undecided { .. } => (code::USAGE, vec![]),
        _ => (code::DATA, vec![]),
    }
}

/// What to do about images that cannot be judged.
fn eval_hint(error: &EvalError) -> Vec<String> {
    vec![match error {
        EvalError::Points { .. } => {
            "feature networks look at images; `onestep sample` draws a picture of the points".into()
        }
        EvalError::NoOde => {
            "likelihoods are of diffusion models, for example the teacher it was distilled from".into()
        }
        EvalError::HoldsAnother { .. } => "choose another --stats-out, or remove the file".into(),
        EvalError::OtherNetwork { .. } => {
            "distances are between activations of one network; choose it with --features".into()
        }
        EvalError::Sizes { .. } => "--image-size brings both to one size".into(),
        EvalError::TooSmall { least, .. } => {
            format!("it needs {least} pixels a side; --image-size {least} enlarges them")
        }
        _ => return vec![],
    }]
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Library(error) => error.into(),
            BenchError::CreateFolder { path, source } => io_failure("create the folder", &path, &source),
            BenchError::Write { path, source } => io_failure("write", &path, &source),
            other => Self::new(code::INTERNAL, other),
        }
    }
}

/// What to type instead of a way of drawing that the model does not have.
fn sample_hint(error: &SampleError) -> Vec<String> {
    let hint = match error {
        SampleError::CannotJump => {
            "leave --sampler out, or distill the model first: onestep train emoji-cd --teacher MODEL ..."
        }
        SampleError::HasNoOde => "leave --sampler out, and choose how many jumps with --steps",
        SampleError::Churn { .. } => "--churn is EDM's S_churn, for example 40",
        SampleError::NoStage { known, .. } => {
            let known = known.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            return vec![format!("progressive distillation left those of these numbers of steps: {known}")];
        }
        SampleError::NoClasses | SampleError::ClassCount { .. } => "leave --classes out",
        SampleError::AnotherModel { was, is, .. } => {
            let is = is.as_deref().unwrap_or("no file");
            return vec![format!("its SHA-256 was {was}; the one given has {is}")];
        }
        SampleError::GuidanceScale { .. } => {
            "--guidance 1 does nothing, 2 exaggerates the class, 0 takes it away"
        }
        SampleError::GuidanceWithoutClasses
        | SampleError::NullClassUntrained
        | SampleError::NotToldGuidance
        | SampleError::GuidanceOutside { .. } => "leave --guidance out",
        SampleError::FileKind { extension } => {
            return vec![
                "--out takes a .png (a grid), a .npz, a .csv (points), or a folder (one PNG an image)".into(),
                format!("for a folder whose name ends with .{extension}, write a slash behind it"),
            ];
        }
        SampleError::CsvOfImages
        | SampleError::Level { .. }
        | SampleError::NoSuchClass { .. }
        | SampleError::ClassUnclear { .. }
        | SampleError::ClassesUnnamed { .. }
        | SampleError::ClassUnknown { .. } => return vec![],
        _ => "leave --sampler out",
    };
    vec![hint.into()]
}

/// Whether a path names a step of a run that is there, and has other steps by now.
fn was_pruned(path: &Path) -> bool {
    path.ancestors().any(|folder| folder.file_name().is_some_and(|name| name == "ckpt") && folder.is_dir())
}

/// What to do about an output that is not written.
fn output_hint(error: &OutputError) -> String {
    let hint = match error {
        OutputError::Exists { .. } => "to replace it: --overwrite",
        OutputError::AnotherDraw { .. } => {
            "choose another --out; or add --overwrite, which takes the pictures of the other draw away first"
        }
        OutputError::AnotherPrecision { there, .. } => {
            return format!(
                "--precision {there} goes on with it, on machines that compute {there}; or choose another --out, or add --overwrite"
            );
        }
        OutputError::NotEmpty { .. } => "choose a folder of their own for new pictures",
        OutputError::NoShards { .. } => "name an .npz or a folder with --out",
        OutputError::InUse { .. } => "wait until it is done, or choose another name",
        _ => "choose another name",
    };
    hint.into()
}

fn edit_code(error: &EditError) -> u8 {
    match error {
        EditError::Folder { .. } | EditError::FileChanged { .. } | EditError::InMemory { .. } => code::DATA,
        _ => code::USAGE,
    }
}

/// What to type instead of an edit that cannot be made.
fn edit_hints(error: &EditError) -> Vec<String> {
    let hints: &[&str] = match error {
        EditError::Folder { .. } => &["edit takes one picture at a time"],
        EditError::FileChanged { was, is, .. } => {
            return vec![format!("its SHA-256 was {was}; it is {is} now")];
        }
        EditError::Diffusion { .. } => &[
            "editing needs a consistency model; distill this one: onestep train emoji-cd --teacher MODEL ...",
        ],
        EditError::TeacherJumps { .. } => &["--teacher takes the diffusion model that it was distilled from"],
        EditError::MaskOfPicture { .. } => &["they must be of one size: paint the mask over the picture"],
        EditError::Opaque { .. } => &[
            "give --mask PNG, white where something is to be filled in",
            "or make that part of the picture transparent",
        ],
        EditError::NothingMarked { .. } => {
            &["a mask is white, or the picture transparent, where something is to be filled in"]
        }
        EditError::NothingSeen => &["--fit pad shows the model the whole picture"],
        EditError::Factor { height, .. } => {
            return vec![format!("--factor must divide {height}, the size of the model's images")];
        }
        EditError::Strength { .. } => &["--strength 0.59 is the published one for strokes"],
        EditError::Noise { .. } => &["leave --noise out, and it is estimated"],
        EditError::Unlabelled => &["name a reference with labels"],
        EditError::TooManyClasses { .. } => &["name the class of the picture with --class"],
        _ => &[],
    };
    hints.iter().map(|hint| (*hint).to_owned()).collect()
}

/// Library errors that arrive without the crate's wrapper around them.
macro_rules! from_library {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        })*
    };
}

from_library!(
    DataError,
    EvalError,
    EditError,
    OutputError,
    SampleError,
    onestep::model::ModelError,
    onestep::noise::LevelsError,
    onestep::checkpoint::CheckpointError,
    RecipeError,
    TrainError,
    onestep::vision::VisionError
);

/// Names the file in an I/O error.
pub fn io_failure(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(io_code(error), format!("cannot {doing} {}: {error}", path.display()))
}

/// Makes a folder for what will be written, before the work that fills it.
pub fn create_folder(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("cannot create the folder {}: {error}", folder.display());
        Failure::new(code::CANNOT_CREATE, message)
    })
}

fn io_code(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => code::DATA,
        ErrorKind::PermissionDenied | ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem => {
            code::CANNOT_CREATE
        }
        _ => code::IO,
    }
}

/// As [`io_code`], but what is not there, or is a folder, stands in the way of a file rather than being a bad one.
fn write_code(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        // To whoever writes, a limit is a full disk.
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge => code::CANNOT_CREATE,
        _ => io_code(error),
    }
}
