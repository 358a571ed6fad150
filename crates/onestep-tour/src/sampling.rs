//! Drawing: a diffusion model beside one step, and what further steps add.

use std::time::Instant;

use onestep::data::picture::Grid;
use onestep::data::{Pixels, Rounding};
use onestep::{DefiniteDraw, Model, Result};

use crate::section::{Art, Figure, Section, evaluations, seconds};
use crate::visitor::{Along, Visitor};

/// Images of a picture.
const N_SHOWN: u64 = 32;

/// Images in a row.
const COLUMNS: usize = 8;

/// Levels of the diffusion model's sampler: 35 evaluations, as published for images of this size.
const TEACHER_LEVELS: usize = 18;

/// Two pictures of the same seeds.
pub(crate) fn one_step(
    teacher: &Model,
    student: &Model,
    visitor: &mut dyn Visitor,
) -> Result<Option<Section>> {
    // What is done once, for the first images alone, is not counted to either side.
    for model in [teacher, student] {
        model.draw().steps(2).run()?;
    }
    let teacher = teacher.draw().seeds(0..N_SHOWN).steps(TEACHER_LEVELS).definite()?;
    let student = student.draw().seeds(0..N_SHOWN).steps(1).definite()?;
    let Some(many) = draw(&teacher, visitor)? else { return Ok(None) };
    let Some(one) = draw(&student, visitor)? else { return Ok(None) };
    let times = many.seconds / one.seconds;
    Ok(Some(Section {
        title: "An image in one step".into(),
        paragraphs: vec![
            "A diffusion model starts from noise and walks to an image in many small steps, each an evaluation of its network. A \
             consistency model was trained to jump from any point of that way to its end: one evaluation is an image."
                .into(),
            format!(
                "Both pictures begin with the same noise, face by face, so what differs is what the jump loses. On this machine, now, \
                 one step was {times:.0} times as fast."
            ),
        ],
        figures: vec![
            figure(&many, "Diffusion model", "Heun's method")?,
            figure(&one, "Consistency model", "one step")?,
        ],
    }))
}

/// The same seeds in one, two and four steps.
pub(crate) fn more_steps(student: &Model, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    let mut figures = Vec::new();
    for (steps, title) in [(1, "One step"), (2, "Two steps"), (4, "Four steps")] {
        let drawing = student.draw().seeds(0..N_SHOWN / 2).steps(steps).definite()?;
        let Some(drawn) = draw(&drawing, visitor)? else { return Ok(None) };
        figures.push(figure(&drawn, title, "the same model")?);
    }
    Ok(Some(Section {
        title: "More steps, where quality matters".into(),
        paragraphs: vec![
            "The same model can take further steps: it puts some noise back and jumps again, and repairs what the first jump got wrong. \
             Nobody has to decide that in training."
                .into(),
        ],
        figures,
    }))
}

/// What was drawn, and how long it took.
struct Drawn {
    pictures: Vec<Pixels>,
    seconds: f64,
    nfe: usize,
}

/// Draws and takes the time; none if the visitor wants to stop before the end.
fn draw(draw: &DefiniteDraw<'_>, visitor: &mut dyn Visitor) -> Result<Option<Drawn>> {
    let started = Instant::now();
    let samples = draw.run_with(&mut Along(visitor))?;
    let seconds = started.elapsed().as_secs_f64();
    if samples.seeds.len() < draw.seeds().len() {
        return Ok(None);
    }
    let pictures = samples.pixels(Rounding::Edm)?;
    Ok(Some(Drawn { pictures, seconds, nfe: draw.nfe() }))
}

fn figure(drawn: &Drawn, title: &str, how: &str) -> Result<Figure> {
    let grid = Grid { columns: COLUMNS, scale: 1 }.arrange(&drawn.pictures)?;
    let n = drawn.pictures.len();
    Ok(Figure {
        art: Art::Pixels(grid),
        title: title.into(),
        caption: format!(
            "{}, {how}: {n} images in {}, {} an image",
            evaluations(drawn.nfe),
            seconds(drawn.seconds),
            seconds(drawn.seconds / n as f64)
        ),
    })
}
