//! Training in isolation, small enough to be watched: two moons, from nothing to one step.

use std::time::Instant;

use onestep::data::{ImageShape, Pixels, Sheet, open};
use onestep::observer::{Event, Flow, LevelLoss};
use onestep::train::{Recipe, Trainer};
use onestep::{Model, Result};

use crate::section::{Art, Figure, Section, seconds};
use crate::visitor::Visitor;

/// Training steps, and after which of them samples are shown.
const STEPS: u64 = 7800;
const SHOWN_AFTER: [u64; 4] = [0, 400, 2600, STEPS];

/// What differs from the recipe, which is made for four times as many points: a training for people who wait.
const HASTE: [&str; 2] = ["train.batch=128", "train.learning_rate.peak=3e-3"];

/// Points of a picture.
const N_POINTS: u64 = 2000;

/// Two moons by consistency training, with no teacher.
pub(crate) fn in_isolation(visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    let recipe = Recipe::builtin("toy2d-ct", &[&format!("train.steps={STEPS}"), HASTE[0], HASTE[1]])?;
    let (batch, kind) = (recipe.train.batch, recipe.profile(STEPS)?.kind);
    let data = open(&recipe.data)?;
    let real: Vec<f32> = (0..N_POINTS as usize)
        .map(|index| Ok(data.sample(index)?.values))
        .collect::<Result<Vec<_>>>()?
        .concat();
    let device = onestep::burn::tensor::Device::flex();
    let mut trainer = Trainer::new(recipe, data, None, &device)?;
    let mut figures = Vec::new();
    let (mut loss, started) = (Vec::new(), Instant::now());
    for step in 0..=STEPS {
        if step > 0 {
            let event = trainer.step()?;
            if let Event::Step { loss_by_level, .. } = &event {
                loss.clone_from(loss_by_level);
            }
            if visitor.observe(&event) == Flow::Stop {
                return Ok(None);
            }
        }
        if SHOWN_AFTER.contains(&step) {
            let model = Model::from_network(trainer.best(), kind, &device);
            let samples = model.draw().seeds(0..N_POINTS).batch(N_POINTS as usize).steps(1).run()?;
            figures.push(Figure {
                art: Art::Smooth(plot(&samples.values)?),
                title: if step == 0 { "Before training".into() } else { format!("After {step} steps") },
                caption: match step {
                    0 => "one step of an untrained network".into(),
                    _ => format!(
                        "{} points seen, {}",
                        step * batch as u64,
                        seconds(started.elapsed().as_secs_f64())
                    ),
                },
            });
        }
    }
    figures.push(Figure {
        art: Art::Smooth(plot(&real)?),
        title: "The data".into(),
        caption: "two moons".into(),
    });
    let by_level = loss.iter().map(|&LevelLoss { sigma_low, sigma_high, loss }| {
        format!("{loss:.4} at levels {sigma_low:.2} to {sigma_high:.2}")
    });
    let by_level: Vec<String> = by_level.collect();
    Ok(Some(Section {
        title: "Training without a teacher".into(),
        paragraphs: vec![
            "A consistency model can also be trained from data alone, with no diffusion model and no second network to argue with: any two \
             points of one way from noise to data must lead to the same end. Here it learns two moons while you wait, and draws in \
             one step."
                .into(),
            format!("Loss of the last step: {}.", by_level.join(", ")),
        ],
        figures,
    }))
}

fn plot(points: &[f32]) -> Result<Pixels> {
    let plot = Sheet::AUTO.draw(points, ImageShape { height: 1, width: 1, channels: 2 })?;
    // The moons lie in the middle of the plane.
    Ok(plot.cropped(128, 64, 256, 384))
}
