//! Editing: what a model that was trained to draw does with pictures it has never seen, and the way between two of its images.

use onestep::data::picture::Grid;
use onestep::data::{DataSpec, ImageShape, Pixels, Rounding, open};
use onestep::edit::{Job, Picture};
use onestep::noise::{Purpose, Stream};
use onestep::{Model, Result};

use crate::section::{Art, Figure, Section};
use crate::visitor::{Along, Visitor};

/// Pictures that are edited.
const N_PICTURES: usize = 4;

/// Results of each, side by side.
const N_RESULTS: usize = 2;

/// Steps of an edit.
const STEPS: usize = 4;

/// How much of a drawing is drawn anew: enough for eyes and a mouth, and not so much that its colors are lost.
const STRENGTH: f64 = 0.4;

/// Images on the way from one to another, both included.
const N_FRAMES: usize = 12;

/// Where the eyes of a portrait are, rows and columns of its 16: what is hidden.
const EYES: [std::ops::Range<usize>; 2] = [5..9, 3..13];

/// Deviation of the noise that is laid over pictures, in levels of 255.
const NOISE: f64 = 30.0;

/// An edit of one picture: what the model is given, as people see it, and as a job.
struct Given {
    shown: Pixels,
    job: Job,
}

/// Every task with pictures that the model was not trained on.
pub(crate) fn gallery(model: &Model, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    let originals = originals(model)?;
    let mut figures = Vec::new();
    for (title, caption, give) in TASKS {
        let mut pictures = Vec::new();
        for (number, original) in originals.iter().enumerate() {
            let Given { shown, job } = give(original, number)?;
            let edits = model.edit(job).seed((number * N_RESULTS) as u64).candidates(N_RESULTS).steps(STEPS);
            let edited = edits.run_with(&mut Along(visitor))?;
            if edited.results.len() < N_RESULTS {
                return Ok(None);
            }
            pictures.push(shown);
            pictures.extend(edited.results);
            if title != STROKES {
                pictures.push(original.clone());
            }
        }
        let columns = pictures.len() / originals.len();
        let grid = Grid { columns, scale: 1 }.arrange(&pictures)?;
        figures.push(Figure { art: Art::Pixels(grid), title: title.into(), caption: caption.into() });
    }
    Ok(Some(Section {
        title: "Editing that nobody trained".into(),
        paragraphs: vec![
            "The model was trained to draw and nothing else. As it knows what faces look like, it can put back what is missing in one: \
             what is known is put back after each of four steps, and the model adds what fits. The faces are of combinations that \
             were held out of its training."
                .into(),
        ],
        figures,
    }))
}

/// The way from the image of one seed to that of another.
pub(crate) fn interpolation(model: &Model, visitor: &mut dyn Visitor) -> Result<Option<Section>> {
    let mut strips = Vec::new();
    for seeds in [[0, 1], [2, 3], [4, 5]] {
        let edited = model.edit(Job::interpolate_seeds(seeds, N_FRAMES)).run_with(&mut Along(visitor))?;
        if edited.results.len() < N_FRAMES {
            return Ok(None);
        }
        strips.extend(edited.results);
    }
    Ok(Some(Section {
        title: "From one image to another".into(),
        paragraphs: vec![
            "Each image has its noise, and noises lie on a sphere: on the way from one to another along it every point is an image."
                .into(),
        ],
        figures: vec![Figure {
            art: Art::Pixels(Grid { columns: N_FRAMES, scale: 1 }.arrange(&strips)?),
            title: "Three ways".into(),
            caption: format!("{N_FRAMES} images each, one step an image"),
        }],
    }))
}

/// Portraits that no model has been trained on.
fn originals(model: &Model) -> Result<Vec<Pixels>> {
    let spec =
        DataSpec { image_size: Some(model.shape().size()), ..DataSpec::named("builtin:portraits:test") };
    let set = open(&spec)?;
    // Two of them have glasses.
    let picture = |index| Ok(Pixels::from_values(&set.sample(index)?.values, set.shape(), Rounding::Edm)?);
    (0..N_PICTURES).map(|number| picture(3 * number + 1)).collect()
}

type Give = fn(&Pixels, usize) -> Result<Given>;

const STROKES: &str = "A drawing becomes a face";

/// Tasks by what they are called, with what their picture shows and what the model is given.
const TASKS: [(&str, &str, Give); 5] = [
    ("The eyes are hidden", "what the model is given, two results, the original", hidden),
    ("The colors are gone", "what the model is given, two results, the original", grey),
    ("Half as large", "8x8 pixels, two results at 16x16, the original", small),
    (STROKES, "blocks of color, two results", strokes),
    ("Noise all over", "what the model is given, two results, the original", noisy),
];

fn hidden(original: &Pixels, _: usize) -> Result<Given> {
    let ImageShape { height, width, channels } = original.shape();
    let [rows, columns] = EYES.map(|range| range.start * height / 16..range.end * height / 16);
    let is_hidden = |pixel: usize| rows.contains(&(pixel / width)) && columns.contains(&(pixel % width));
    let mut shown = original.bytes().to_vec();
    for (pixel, values) in shown.chunks_exact_mut(channels).enumerate() {
        if is_hidden(pixel) {
            values.fill(128);
        }
    }
    let mask = (0..height * width).map(|pixel| if is_hidden(pixel) { 255 } else { 0 }).collect();
    let mask = Pixels::new(ImageShape { height, width, channels: 1 }, mask)?;
    let shown = Pixels::new(original.shape(), shown)?;
    Ok(Given { job: Job::inpaint(original.clone(), mask), shown })
}

fn grey(original: &Pixels, _: usize) -> Result<Given> {
    let shown = original.clone().into_grey();
    Ok(Given { job: Job::colorize(shown.clone()), shown })
}

fn small(original: &Pixels, _: usize) -> Result<Given> {
    let ImageShape { height, width, .. } = original.shape();
    let half = original.clone().resized(height / 2, width / 2);
    Ok(Given { shown: half.enlarged(2)?, job: Job::super_resolve(half, 2) })
}

/// Hair, face and clothes as blocks, as somebody would paint them in a minute.
fn strokes(original: &Pixels, number: usize) -> Result<Given> {
    const HAIRS: [[u8; 3]; N_PICTURES] =
        [[0x60, 0x30, 0x15], [0xbd, 0x17, 0x00], [0xca, 0xb1, 0x88], [0x28, 0x15, 0x0a]];
    const SKINS: [[u8; 3]; N_PICTURES] =
        [[0xea, 0xc3, 0x93], [0xff, 0xdb, 0xac], [0xe0, 0xb6, 0x87], [0x8d, 0x55, 0x24]];
    const CLOTHES: [[u8; 3]; N_PICTURES] =
        [[0x00, 0xb1, 0x59], [0x03, 0x39, 0x6c], [0xd1, 0x11, 0x41], [0xff, 0xc4, 0x25]];
    let ImageShape { height, width, .. } = original.shape();
    let scale = (height / 16).max(1);
    let (hair, skin, clothes) =
        (HAIRS[number % N_PICTURES], SKINS[number % N_PICTURES], CLOTHES[number % N_PICTURES]);
    let color = |row: usize, column: usize| match (row, column) {
        (1..=3, 3..=12) => hair,
        (4..=6, 3 | 12) => hair,
        (4..=10, 4..=11) => skin,
        (11..=12, 6..=9) => skin,
        (13..=15, 2..=13) => clothes,
        _ => [u8::MAX; 3],
    };
    let bytes = (0..height * width).flat_map(|pixel| color(pixel / width / scale, pixel % width / scale));
    let shown = Pixels::new(ImageShape { height, width, channels: 3 }, bytes.collect())?;
    Ok(Given { job: Job::stroke(shown.clone()).with_strength(STRENGTH), shown })
}

fn noisy(original: &Pixels, number: usize) -> Result<Given> {
    let noise = Stream::new(1, Purpose::Test, 0, number as u64).standard_normal(original.bytes().len());
    let bytes =
        original.bytes().iter().zip(noise).map(|(&byte, noise)| {
            (f64::from(byte) + NOISE * f64::from(noise)).round().clamp(0.0, 255.0) as u8
        });
    let shown = Pixels::new(original.shape(), bytes.collect())?;
    let picture = Picture::from(shown.clone());
    Ok(Given { job: Job::denoise(picture), shown })
}
