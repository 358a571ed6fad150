//! Drawing: a diffusion model beside one step, and what further steps add.

use onestep::Result;
use onestep::data::picture::Grid;

use crate::section::{Art, Figure, Section, evaluations, seconds};
use crate::tour::{Drawn, Tour, Visitor, draw};

/// Images of a picture.
const N_SHOWN: u64 = 32;

/// Images in a row.
const COLUMNS: usize = 8;

/// Levels of the diffusion model's sampler: 35 evaluations, as published for images of this size.
const TEACHER_LEVELS: usize = 18;

/// Two pictures of the same seeds.
pub(crate) fn one_step(tour: &Tour, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    // What is done once, for the first images alone, is not counted to either side.
    for model in [&tour.teacher, &tour.student] {
        model.draw().steps(2).run()?;
    }
    let teacher = tour.teacher.draw().seeds(0..N_SHOWN).steps(TEACHER_LEVELS).definite()?;
    let student = tour.student.draw().seeds(0..N_SHOWN).steps(1).definite()?;
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
pub(crate) fn more_steps(tour: &Tour, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    let mut figures = Vec::new();
    for (steps, title) in [(1, "One step"), (2, "Two steps"), (4, "Four steps")] {
        let drawing = tour.student.draw().seeds(0..N_SHOWN / 2).steps(steps).definite()?;
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
