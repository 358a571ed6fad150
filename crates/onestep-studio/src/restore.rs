//! From a picture back to the request that made it.

use onestep::data::picture::decode_parameters;
use onestep::edit::{Job as EditJob, PictureFile};
use onestep::{DrawRecord, EditRecord};
use serde::Deserialize;

use crate::input::Inputs;
use crate::refusal::Refusal;
use crate::request::{Called, JobRequest, TaskName};
use crate::shelf::Shelf;

/// What an edited picture says about itself.
#[derive(Deserialize)]
struct EditedPicture {
    edit: EditRecord,
}

/// The request that makes a picture again, from what stands inside it.
pub(crate) fn request_of(encoded: &[u8], shelf: &Shelf, inputs: &Inputs) -> Result<JobRequest, Refusal> {
    let text = decode_parameters(encoded, "the picture")
        .map_err(|error| Refusal::field("image", error.to_string()))?;
    let text = text.ok_or_else(|| {
        Refusal::field("image", "this picture does not say how it was made; only pictures of onestep do")
    })?;
    if let Ok(record) = serde_json::from_str::<DrawRecord>(&text) {
        return drawn(record, shelf);
    }
    match serde_json::from_str::<EditedPicture>(&text) {
        Ok(picture) => edited(picture.edit, shelf, inputs),
        Err(_) => {
            Err(Refusal::field("image", "what this picture says about itself was written by another version"))
        }
    }
}

fn drawn(record: DrawRecord, shelf: &Shelf) -> Result<JobRequest, Refusal> {
    let model = model(&record.model_sha256, shelf)?;
    let class = record.classes.as_ref().and_then(|classes| classes.first()).copied();
    let one_class = record.classes.iter().flatten().all(|other| Some(*other) == class);
    Ok(JobRequest {
        model: Some(model),
        seeds: Some(record.seeds),
        levels: Some(record.levels),
        class: class.filter(|_| one_class).map(Called::Number),
        guidance: record.guidance,
        ..JobRequest::new(TaskName::Generate)
    })
}

fn edited(record: EditRecord, shelf: &Shelf, inputs: &Inputs) -> Result<JobRequest, Refusal> {
    let nowhere = || Refusal::field("image", "the model of this picture was of no file");
    let name = model(&record.model.as_ref().ok_or_else(nowhere)?.sha256, shelf)?;
    let called = |file: &PictureFile| match inputs.file(&file.sha256) {
        Some(_) => Ok(format!("input:{}", file.sha256)),
        None => Err(Refusal::field("image", "the picture that was edited is not on this server any more")),
    };
    let mut request = JobRequest {
        model: Some(name),
        seeds: Some(record.seeds.clone()),
        levels: Some(record.levels),
        class: record.class.map(Called::Number),
        guidance: record.guidance,
        ..JobRequest::new(TaskName::Vary)
    };
    match &record.job {
        EditJob::Inpaint { image, mask, marks, .. } => {
            request.task = TaskName::Inpaint;
            request.image = Some(called(image)?);
            request.mask = mask.as_ref().map(called).transpose()?;
            request.marks = mask.as_ref().map(|_| (*marks).into());
        }
        EditJob::Colorize { image, .. } => {
            request.task = TaskName::Colorize;
            request.image = Some(called(image)?);
        }
        EditJob::SuperResolve { image, factor, .. } => {
            request.task = TaskName::SuperResolve;
            request.image = Some(called(image)?);
            request.factor = Some(*factor);
        }
        EditJob::Stroke { image, strength, .. } => {
            request.task = TaskName::Stroke;
            request.image = Some(called(image)?);
            request.strength = *strength;
        }
        EditJob::Denoise { image, noise, .. } => {
            request.task = TaskName::Denoise;
            request.image = Some(called(image)?);
            request.noise = *noise;
        }
        EditJob::InterpolateSeeds { seeds, frames } => {
            request.task = TaskName::Interpolate;
            request.ends = Some(*seeds);
            request.frames = Some(*frames);
            request.seed = record.seeds.first().copied();
            request.seeds = None;
        }
        EditJob::InterpolatePictures { images: [first, second], frames, .. } => {
            request.task = TaskName::Interpolate;
            request.images = Some([called(first)?, called(second)?]);
            let teacher = record.teacher.as_ref().ok_or_else(nowhere)?;
            request.teacher = Some(model(&teacher.sha256, shelf)?);
            request.frames = Some(*frames);
            request.seed = record.seeds.first().copied();
            request.seeds = None;
        }
        EditJob::Vary { image, strength, .. } => {
            request.image = Some(called(image)?);
            request.strength = *strength;
        }
        EditJob::VarySeed { seed, strength } => {
            request.near = Some(*seed);
            request.strength = Some(*strength);
        }
    }
    Ok(request)
}

fn model(sha256: &str, shelf: &Shelf) -> Result<String, Refusal> {
    shelf.with_digest(sha256).ok_or_else(|| {
        let message = format!(
            "the model of this picture (SHA-256 {}...) is not on this server",
            sha256.get(..12).unwrap_or(sha256)
        );
        Refusal::field("model", message)
    })
}
