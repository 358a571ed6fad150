//! The files that an edit is made of, opened and checked.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use onestep::data::{Pixels, read_encoded};
use onestep::digest;

use super::parameters::{Parameters, Used};
use crate::failure::{Failure, Outcome, code};
use crate::old_model::{self as model, Opened};

/// A picture, with what is transparent in it.
pub struct Picture {
    /// The picture, on white.
    pub pixels: Pixels,
    /// How opaque each pixel is, where the file says so.
    pub alpha: Option<Vec<u8>>,
    /// The file.
    pub used: Used,
}

impl Picture {
    /// Reads a picture file.
    pub fn read(path: &Path) -> Outcome<Self> {
        if path.is_dir() {
            let message = format!("{} is a folder, not a picture", path.display());
            return Err(Failure::new(code::DATA, message).hint("edit takes one picture at a time"));
        }
        let encoded = read_encoded(path)?;
        let (pixels, alpha) = Pixels::decode_with_alpha(&encoded, &path.display().to_string())?;
        let used = Used { path: path.to_path_buf(), sha256: digest::hex(&encoded) };
        Ok(Self { pixels, alpha, used })
    }
}

/// Everything that was opened.
pub struct Inputs {
    /// The consistency model.
    pub model: Opened,
    /// The diffusion model, where pictures are inverted.
    pub teacher: Option<Opened>,
    /// The pictures.
    pub images: Vec<Picture>,
    /// The mask, where it is a file.
    pub mask: Option<Picture>,
}

impl Inputs {
    /// Opens what parameters name, and refuses files that are not what they were.
    pub fn open(parameters: &Parameters, device: &Device) -> Outcome<Self> {
        let model = open_model(&parameters.model.path, &parameters.weights, device)?;
        let teacher =
            parameters.teacher.as_ref().map(|teacher| open_teacher(&teacher.path, device)).transpose()?;
        let read = |used: &Used| Picture::read(&used.path);
        let images = parameters.images.iter().map(read).collect::<Outcome<Vec<_>>>()?;
        let mask = parameters.mask.as_ref().map(read).transpose()?;
        let found = std::iter::once((&parameters.model, &model.sha256))
            .chain(parameters.teacher.iter().zip(teacher.iter().map(|teacher| &teacher.sha256)))
            .chain(parameters.images.iter().zip(images.iter().map(|image| &image.used.sha256)))
            .chain(parameters.mask.iter().zip(mask.iter().map(|mask| &mask.used.sha256)));
        for (known, sha256) in found {
            if known.sha256 != *sha256 {
                let path = known.path.display();
                return Err(Failure::new(
                    code::DATA,
                    format!("{path} is not what the picture was made with"),
                )
                .hint(format!("its SHA-256 was {}; it is {sha256} now", known.sha256)));
            }
        }
        Ok(Self { model, teacher, images, mask })
    }
}

/// Opens a model that can edit.
pub fn open_model(path: &Path, weights: &str, device: &Device) -> Outcome<Opened> {
    let opened = model::open(path, &model::which(weights), device)?;
    let name = path.display();
    if opened.header.kind != onestep::model::ModelKind::Consistency {
        let method = &opened.header.method;
        return Err(Failure::usage(format!(
            "{name} is a diffusion model ({method}): it cannot edit in a few steps"
        ))
        .hint(
            "editing needs a consistency model; distill this one: onestep train emoji-cd --teacher MODEL ...",
        ));
    }
    let [height, width, _] = opened.model.network().image();
    if height * width == 1 {
        return Err(Failure::usage(format!("{name} draws points, and there is nothing to edit in a point")));
    }
    Ok(opened)
}

/// Opens a model that knows the way up to the noise.
pub fn open_teacher(path: &Path, device: &Device) -> Outcome<Opened> {
    let opened = model::open(path, &model::which("best"), device)?;
    if opened.header.kind == onestep::model::ModelKind::Consistency {
        let message = format!("{} is a consistency model: it only knows the way down", path.display());
        return Err(
            Failure::usage(message).hint("--teacher takes the diffusion model that it was distilled from")
        );
    }
    Ok(opened)
}

/// The pixels that a mask, or transparency, marks to be filled in: `[height, width]` of the picture.
pub fn unknown(image: &Picture, mask: Option<&Picture>) -> Outcome<Vec<bool>> {
    let size = |picture: &Picture| (picture.pixels.shape().width, picture.pixels.shape().height);
    let (marked, where_from): (Vec<bool>, &Path) = match (mask, &image.alpha) {
        (Some(mask), _) => {
            let (found, wanted) = (size(mask), size(image));
            if found != wanted {
                let message = format!(
                    "the mask {} is {}x{}, the picture {} is {}x{}",
                    mask.used.path.display(),
                    found.0,
                    found.1,
                    image.used.path.display(),
                    wanted.0,
                    wanted.1
                );
                return Err(
                    Failure::usage(message).hint("they must be of one size: paint the mask over the picture")
                );
            }
            let grey = mask.pixels.clone().into_grey();
            (grey.bytes().iter().map(|&byte| byte >= 128).collect(), &mask.used.path)
        }
        (None, Some(alpha)) => (alpha.iter().map(|&alpha| alpha < 128).collect(), &image.used.path),
        (None, None) => {
            let message = format!("nothing says what to fill in: {} is opaque", image.used.path.display());
            return Err(Failure::usage(message)
                .hint("give --mask PNG, white where something is to be filled in")
                .hint("or make that part of the picture transparent"));
        }
    };
    if marked.iter().any(|marked| *marked) {
        return Ok(marked);
    }
    let message = format!("{} marks nothing to fill in", where_from.display());
    Err(Failure::usage(message)
        .hint("a mask is white, or the picture transparent, where something is to be filled in"))
}

/// The paths of a task's pictures as they were typed.
pub fn read_all<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Outcome<Vec<Picture>> {
    paths.into_iter().map(|path| Picture::read(path)).collect()
}
