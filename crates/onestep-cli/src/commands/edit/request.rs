//! From what was typed to a job.

use std::path::Path;

use onestep::edit::{Job, Picture};

use crate::args::{CommonArgs, EditCommand, Subjects};
use crate::failure::{Failure, Outcome};

/// What every task is told, the model, and the teacher where there is one.
pub fn parts(command: &EditCommand) -> (&CommonArgs, &Path, Option<&Path>) {
    match command {
        EditCommand::Inpaint(args) => (&args.common, &args.subjects.model, None),
        EditCommand::Colorize(args) => (&args.common, &args.subjects.model, None),
        EditCommand::SuperResolve(args) => (&args.common, &args.subjects.model, None),
        EditCommand::Stroke(args) => (&args.common, &args.subjects.model, None),
        EditCommand::Denoise(args) => (&args.common, &args.subjects.model, None),
        EditCommand::Interpolate(args) => (&args.common, &args.model, args.teacher.as_deref()),
        EditCommand::Vary(args) => (&args.common, &args.model, None),
    }
}

/// The job, with its pictures open.
pub fn job(command: &EditCommand) -> Outcome<Job> {
    let open = |subjects: &Subjects| Picture::open(&subjects.image);
    Ok(match command {
        EditCommand::Inpaint(args) => Job::Inpaint {
            image: open(&args.subjects)?,
            mask: args.mask.as_ref().map(Picture::open).transpose()?,
            marks: args.mask_marks.marks(),
            fit: args.subjects.fit.fit(),
            full: args.full,
        },
        EditCommand::Colorize(args) => Job::colorize(open(&args.subjects)?).with_fit(args.subjects.fit.fit()),
        EditCommand::SuperResolve(args) => {
            let image = open(&args.subjects)?;
            Job::super_resolve(image, args.factor as usize).with_fit(args.subjects.fit.fit())
        }
        EditCommand::Stroke(args) => Job::Stroke {
            image: open(&args.subjects)?,
            strength: args.strength,
            fit: args.subjects.fit.fit(),
        },
        EditCommand::Denoise(args) => {
            Job::Denoise { image: open(&args.subjects)?, noise: args.noise, fit: args.subjects.fit.fit() }
        }
        EditCommand::Interpolate(args) => match &args.images[..] {
            [first, second] => {
                let images = [Picture::open(first)?, Picture::open(second)?];
                Job::interpolate_pictures(images, args.frames as usize).with_fit(args.fit.fit())
            }
            _ => Job::interpolate_seeds(args.between.0, args.frames as usize),
        },
        EditCommand::Vary(args) => {
            let job = match (&args.image, args.like) {
                (Some(image), _) => Job::vary(Picture::open(image)?).with_fit(args.fit.fit()),
                (None, Some(seed)) => Job::vary_seed(seed),
                (None, None) => return Err(Failure::usage("name a picture, or a seed with --like")),
            };
            args.strength.map_or(job.clone(), |strength| job.with_strength(strength))
        }
    })
}
