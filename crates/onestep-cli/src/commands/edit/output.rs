//! Pictures, strips and animations, with their parameters.

use std::io::Write;
use std::path::Path;

use onestep::Edited;
use onestep::data::picture::{Grid, write_png};
use onestep::data::{Pixels, write_gif, write_whole};
use onestep::edit::Task;

use super::parameters::Parameters;
use crate::failure::{Failure, Outcome, create_folder};

/// How long a picture of an animation is shown.
const FRAME_MILLIS: u32 = 120;

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

/// Whether the output shows the way to the result.
pub fn is_animation(out: &Path) -> bool {
    out.extension().is_some_and(|extension| extension == "gif")
}

/// Refuses an output that cannot work before anything is computed.
pub fn check(out: &Path) -> Outcome {
    match out.extension().and_then(|e| e.to_str()) {
        Some("png" | "gif") | None => {}
        Some(other) => {
            return Err(Failure::usage(format!("cannot write a .{other}"))
                .hint("--out takes a .png, a .gif (the way there), or a folder (one PNG a candidate)"));
        }
    }
    let folder = match out.extension() {
        None => Some(out),
        Some(_) => out.parent().filter(|parent| !parent.as_os_str().is_empty()),
    };
    folder.map_or(Ok(()), create_folder)
}

/// Writes what was made, and its parameters.
pub fn write(out: &Path, made: &Edited, parameters: &Parameters) -> Outcome {
    let one_line = serde_json::to_string(parameters).unwrap_or_default();
    match out.extension().and_then(|e| e.to_str()) {
        Some(_) if is_animation(out) => write_gif(out, &frames(made, parameters)?, FRAME_MILLIS)?,
        Some(_) => write_png(out, &sheet(made, parameters)?, Some(&one_line))?,
        None => {
            for (index, result) in made.results.iter().enumerate() {
                let alone = Parameters { edit: parameters.edit.of_result(index), ..parameters.clone() };
                let text = serde_json::to_string(&alone).unwrap_or_default();
                let file = out.join(format!("{index:04}.png"));
                write_png(&file, &result.enlarged(parameters.scale.unwrap_or(1))?, Some(&text))?;
            }
        }
    }
    let beside = match out.extension() {
        None => out.join("edit.json"),
        Some(_) => out.with_extension("json"),
    };
    let json = serde_json::to_string_pretty(parameters).unwrap_or_default();
    write_whole(&beside, |file| writeln!(file, "{json}"))?;
    Ok(())
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
