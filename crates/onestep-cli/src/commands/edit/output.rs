//! Pictures, strips and animations, with their parameters.

use std::io::Write;
use std::path::{Path, PathBuf};

use onestep::Edited;
use onestep::data::picture::{Grid, write_png};
use onestep::data::{OutputLock, Outputs, Pixels, ending, named_beside, write_gif, write_whole};
use onestep::edit::Task;

use super::parameters::Parameters;
use crate::failure::{Failure, Outcome, create_folder};

/// How long a picture of an animation is shown.
const FRAME_MILLIS: u32 = 120;

/// The parameters of all pictures of a folder.
const RECORD: &str = "edit.json";

/// How many times the last picture of a way is shown.
const HOLD: usize = 8;

/// Small pictures are enlarged to about this many pixels a side where they are to be compared.
const VISIBLE: usize = 96;

/// How pictures are shown.
#[derive(Debug, Clone, Copy)]
pub struct Presentation {
    /// What went in stands beside what came out.
    pub strip: bool,
    /// Every pixel is enlarged this many times.
    pub scale: Option<usize>,
}

/// What pictures are written to, by the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Animation,
    Folder,
}

/// Where pictures go, and by which rules.
pub struct EditOutput {
    path: PathBuf,
    kind: Kind,
    outputs: Outputs,
}

impl EditOutput {
    /// What the name stands for.
    pub fn of(path: &Path, outputs: Outputs) -> Outcome<Self> {
        let kind = match ending(path).as_deref() {
            Some("png") => Kind::Picture,
            Some("gif") => Kind::Animation,
            None => Kind::Folder,
            Some(_) if path.is_dir() => Kind::Folder,
            Some(other) => {
                return Err(Failure::usage(format!("cannot write a .{other}"))
                    .hint("--out takes a .png, a .gif (the way there), or a folder (one PNG a candidate)")
                    .hint(format!("for a folder whose name ends with .{other}, write a slash behind it")));
            }
        };
        Ok(Self { path: path.to_path_buf(), kind, outputs })
    }

    /// The same output, which spares files that are read.
    pub fn sparing(self, inputs: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { outputs: self.outputs.spare_all(inputs), ..self }
    }

    /// Whether the output shows the way to the result.
    pub fn is_animation(&self) -> bool {
        self.kind == Kind::Animation
    }

    /// Refuses an output that cannot work before anything is computed, and keeps other processes from it.
    pub fn lock(&self) -> Outcome<OutputLock> {
        self.check()?;
        let folder = if self.kind == Kind::Folder { Some(&*self.path) } else { self.path.parent() };
        folder.filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), create_folder)?;
        Ok(OutputLock::acquire(&self.beside())?)
    }

    fn check(&self) -> Outcome {
        self.outputs.check(&self.beside())?;
        match self.kind {
            Kind::Folder => self.outputs.check_folder(&self.path, RECORD)?,
            Kind::Picture | Kind::Animation => self.outputs.check(&self.path)?,
        }
        Ok(())
    }

    /// Writes what was made, and its parameters.
    pub fn write(&self, made: &Edited, mut parameters: Parameters) -> Outcome {
        let one_line = serde_json::to_string(&parameters).unwrap_or_default();
        self.check()?;
        match self.kind {
            Kind::Animation => {
                write_gif(&self.path, &frames(made, &parameters)?, FRAME_MILLIS)?;
                parameters.files = named_beside(&self.path)?;
            }
            Kind::Picture => write_png(&self.path, &sheet(made, &parameters)?, Some(&one_line))?,
            Kind::Folder => {
                let file = |index: usize| self.path.join(format!("{index:04}.png"));
                if let Ok(earlier) = Parameters::read(&self.beside()) {
                    // Those of before, and whatever has the name of a new one.
                    self.outputs.remove(&file, earlier.edit.seeds.len().max(made.results.len()))?;
                }
                for (index, result) in made.results.iter().enumerate() {
                    let alone = Parameters { edit: parameters.edit.of_result(index), ..parameters.clone() };
                    let text = serde_json::to_string(&alone).unwrap_or_default();
                    let picture = result.enlarged(parameters.scale.unwrap_or(1))?;
                    write_png(&file(index), &picture, Some(&text))?;
                }
            }
        }
        let json = serde_json::to_string_pretty(&parameters).unwrap_or_default();
        write_whole(&self.beside(), |file| writeln!(file, "{json}"))?;
        Ok(())
    }

    /// Where the parameters of everything go.
    fn beside(&self) -> PathBuf {
        match self.kind {
            Kind::Folder => self.path.join(RECORD),
            _ => self.path.with_extension("json"),
        }
    }
}

/// One picture: the result itself where there is one, otherwise what is to be compared side by side.
fn sheet(made: &Edited, parameters: &Parameters) -> Outcome<Pixels> {
    let before: &[Pixels] = if parameters.strip { &made.before } else { &[] };
    if let (true, [result]) = (before.is_empty(), &made.results[..]) {
        return Ok(result.enlarged(parameters.scale.unwrap_or(1))?);
    }
    // A picture in its full size stands beside others of the model's size brought to it.
    let shape = made.results[0].shape();
    let fitted = before.iter().map(|picture| picture.clone().resized(shape.height, shape.width));
    let pictures: Vec<Pixels> = fitted.chain(made.results.iter().cloned()).collect();
    let row = parameters.strip || parameters.edit.job.task() == Task::Interpolate;
    let n = pictures.len();
    let columns = if row { n.min(16) } else { Grid::square_columns(n) };
    Ok(Grid { columns, scale: scale(parameters, &made.results[0]) }.arrange(&pictures)?)
}

fn scale(parameters: &Parameters, result: &Pixels) -> usize {
    parameters.scale.unwrap_or_else(|| (VISIBLE / result.shape().width.max(1)).clamp(1, 8))
}

/// The pictures of an animation: there and back between two pictures, or the candidates after every step.
fn frames(made: &Edited, parameters: &Parameters) -> Outcome<Vec<Pixels>> {
    if parameters.edit.job.task() == Task::Interpolate {
        let there = made.results.iter().map(|result| result.enlarged(scale(parameters, result)));
        let there = there.collect::<Result<Vec<_>, _>>()?;
        let back = there.iter().rev().skip(1).take(there.len().saturating_sub(2)).cloned();
        return Ok(there.clone().into_iter().chain(back).collect());
    }
    let arrange = |pictures: &[Pixels]| -> Outcome<Pixels> {
        let columns = Grid::square_columns(pictures.len());
        Ok(Grid { columns, scale: scale(parameters, &pictures[0]) }.arrange(pictures)?)
    };
    let start = made.before.last().map(|before| vec![before.clone(); made.results.len()]);
    let steps = start.iter().chain(&made.path).filter(|step| !step.is_empty());
    let mut frames = steps.map(|step| arrange(step)).collect::<Outcome<Vec<_>>>()?;
    if let Some(last) = frames.last().cloned() {
        frames.extend(std::iter::repeat_n(last, HOLD));
    }
    Ok(frames)
}
