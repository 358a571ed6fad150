//! Jobs: what is to be done with which pictures, each task with what it alone is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CanvasFit, EditError, MaskMarks, Picture, PictureFile, Task};
use crate::Result;

/// How far an image near that of a seed lies from it where nobody says.
const USUAL_DISTANCE: f64 = 0.3;

/// What is to be done: a task, its pictures or seeds, and what it alone is told.
///
/// It is written as JSON with its pictures as files and digests; `Job<PictureFile>` reads that, and
/// [`Job::open_files`] opens the pictures again.
///
/// # Examples
///
/// ```
/// use onestep::data::{ImageShape, Pixels};
/// use onestep::edit::{CanvasFit, Job, Picture, Task};
///
/// let photo = Pixels::new(ImageShape { height: 2, width: 3, channels: 3 }, vec![90; 18])?;
/// let job = Job::colorize(photo).with_fit(CanvasFit::Pad);
/// assert_eq!(job.task(), Task::Colorize);
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Job<P = Picture> {
    /// Fill in missing pixels.
    Inpaint {
        /// The picture.
        image: P,
        /// Marks what is to be filled in; without it, what is transparent in the picture is.
        mask: Option<P>,
        /// What in the mask marks.
        #[serde(default)]
        marks: MaskMarks,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
        /// Lay what is filled in over the picture in its own size; all other pixels keep their bytes.
        full: bool,
    },
    /// Color a grey picture; of a colored one the brightness alone is kept.
    Colorize {
        /// The picture.
        image: P,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
    },
    /// Enlarge a small picture; a larger one is first shrunk to what the factor leaves.
    SuperResolve {
        /// The picture.
        image: P,
        /// How many times larger; must divide the size of the model's images.
        factor: usize,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
    },
    /// Turn a drawing into a picture.
    Stroke {
        /// The drawing.
        image: P,
        /// How much is drawn anew, from 0 for nothing to 1 for everything; without it, the published levels.
        strength: Option<f64>,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
    },
    /// Remove noise.
    Denoise {
        /// The noisy picture.
        image: P,
        /// Deviation of the noise in bytes, 0 to 255; without it, it is estimated.
        noise: Option<f64>,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
    },
    /// Images between those of two seeds.
    InterpolateSeeds {
        /// The seeds.
        seeds: [u64; 2],
        /// Images on the way, both ends included.
        frames: usize,
    },
    /// Images between two pictures, whose noises a diffusion model finds.
    InterpolatePictures {
        /// The pictures.
        images: [P; 2],
        /// Images on the way, both ends included.
        frames: usize,
        /// How they are brought to the model's shape.
        fit: CanvasFit,
    },
    /// Images like a picture.
    Vary {
        /// The picture.
        image: P,
        /// How far to go, from 0 for nowhere to 1 for anywhere; without it, levels that suit.
        strength: Option<f64>,
        /// How it is brought to the model's shape.
        fit: CanvasFit,
    },
    /// Images like that of a seed.
    VarySeed {
        /// The seed.
        seed: u64,
        /// How far to go, from 0 for nowhere to 1 for anywhere.
        strength: f64,
    },
}

impl Job {
    /// Fills in what a mask marks: white where something is missing, black where the picture is to keep its pixels; or a
    /// drawing on transparent ground, or a copy of the picture with a hole, as [`MaskMarks::Auto`] tells them apart.
    pub fn inpaint(image: impl Into<Picture>, mask: impl Into<Picture>) -> Self {
        let (image, mask) = (image.into(), Some(mask.into()));
        Self::Inpaint { image, mask, marks: MaskMarks::Auto, fit: CanvasFit::default(), full: false }
    }

    /// Fills in what is transparent.
    pub fn inpaint_transparent(image: impl Into<Picture>) -> Self {
        let (image, mask) = (image.into(), None);
        Self::Inpaint { image, mask, marks: MaskMarks::Auto, fit: CanvasFit::default(), full: false }
    }

    /// Colors a picture.
    pub fn colorize(image: impl Into<Picture>) -> Self {
        Self::Colorize { image: image.into(), fit: CanvasFit::default() }
    }

    /// Enlarges a picture so many times.
    pub fn super_resolve(image: impl Into<Picture>, factor: usize) -> Self {
        Self::SuperResolve { image: image.into(), factor, fit: CanvasFit::default() }
    }

    /// Turns a drawing into a picture, at the published levels.
    pub fn stroke(image: impl Into<Picture>) -> Self {
        Self::Stroke { image: image.into(), strength: None, fit: CanvasFit::default() }
    }

    /// Removes noise, of a strength that is estimated.
    pub fn denoise(image: impl Into<Picture>) -> Self {
        Self::Denoise { image: image.into(), noise: None, fit: CanvasFit::default() }
    }

    /// Goes from the image of one seed to that of another.
    pub fn interpolate_seeds(seeds: [u64; 2], frames: usize) -> Self {
        Self::InterpolateSeeds { seeds, frames }
    }

    /// Goes from one picture to another. The edit must be given the diffusion model that finds their noises.
    pub fn interpolate_pictures(images: [impl Into<Picture>; 2], frames: usize) -> Self {
        let images = images.map(Into::into);
        Self::InterpolatePictures { images, frames, fit: CanvasFit::default() }
    }

    /// Draws images like a picture.
    pub fn vary(image: impl Into<Picture>) -> Self {
        Self::Vary { image: image.into(), strength: None, fit: CanvasFit::default() }
    }

    /// Draws images like that of a seed.
    pub fn vary_seed(seed: u64) -> Self {
        Self::VarySeed { seed, strength: USUAL_DISTANCE }
    }
}

impl<P> Job<P> {
    /// The task by name.
    pub fn task(&self) -> Task {
        match self {
            Self::Inpaint { .. } => Task::Inpaint,
            Self::Colorize { .. } => Task::Colorize,
            Self::SuperResolve { .. } => Task::SuperResolve,
            Self::Stroke { .. } => Task::Stroke,
            Self::Denoise { .. } => Task::Denoise,
            Self::InterpolateSeeds { .. } | Self::InterpolatePictures { .. } => Task::Interpolate,
            Self::Vary { .. } | Self::VarySeed { .. } => Task::Vary,
        }
    }

    /// The images on the way, where the job is to go from one end to another: they take the place of candidates.
    pub fn frames(&self) -> Option<usize> {
        match self {
            Self::InterpolateSeeds { frames, .. } | Self::InterpolatePictures { frames, .. } => Some(*frames),
            _ => None,
        }
    }

    /// The seed that decides the class where nobody chose one; none where a picture does.
    pub(crate) fn first_seed(&self) -> Option<u64> {
        match self {
            Self::InterpolateSeeds { seeds: [seed, _], .. } | Self::VarySeed { seed, .. } => Some(*seed),
            _ => None,
        }
    }

    /// The same job with its pictures brought to the model's shape in another way.
    #[must_use]
    pub fn with_fit(mut self, to: CanvasFit) -> Self {
        match &mut self {
            Self::Inpaint { fit, .. }
            | Self::Colorize { fit, .. }
            | Self::SuperResolve { fit, .. }
            | Self::Stroke { fit, .. }
            | Self::Denoise { fit, .. }
            | Self::InterpolatePictures { fit, .. }
            | Self::Vary { fit, .. } => *fit = to,
            Self::InterpolateSeeds { .. } | Self::VarySeed { .. } => {}
        }
        self
    }

    /// The same job with its strength from 0 to 1: how much of a drawing is drawn anew, how far a variation goes. Other
    /// tasks have none.
    #[must_use]
    pub fn with_strength(mut self, to: f64) -> Self {
        match &mut self {
            Self::Stroke { strength, .. } | Self::Vary { strength, .. } => *strength = Some(to),
            Self::VarySeed { strength, .. } => *strength = to,
            _ => {}
        }
        self
    }

    /// The same job with its mask read in another way. Other tasks have none.
    #[must_use]
    pub fn with_marks(mut self, to: MaskMarks) -> Self {
        if let Self::Inpaint { marks, .. } = &mut self {
            *marks = to;
        }
        self
    }

    /// Whether it is to be found out what in a mask marks.
    pub(crate) fn has_open_marks(&self) -> bool {
        matches!(self, Self::Inpaint { mask: Some(_), marks: MaskMarks::Auto, .. })
    }

    /// The strength, where one was given; refused outside of 0 to 1.
    pub(crate) fn strength(&self) -> Result<Option<f64>, EditError> {
        let strength = match *self {
            Self::Stroke { strength, .. } | Self::Vary { strength, .. } => strength,
            Self::VarySeed { strength, .. } => Some(strength),
            _ => None,
        };
        match strength {
            Some(strength) if !(0.0..=1.0).contains(&strength) => Err(EditError::Strength { strength }),
            _ => Ok(strength),
        }
    }

    /// The same job with every picture turned into something else.
    fn try_map<Q, E>(&self, mut to: impl FnMut(&P) -> Result<Q, E>) -> Result<Job<Q>, E> {
        Ok(match self {
            Self::Inpaint { image, mask, marks, fit, full } => Job::Inpaint {
                image: to(image)?,
                mask: mask.as_ref().map(to).transpose()?,
                marks: *marks,
                fit: *fit,
                full: *full,
            },
            Self::Colorize { image, fit } => Job::Colorize { image: to(image)?, fit: *fit },
            Self::SuperResolve { image, factor, fit } => {
                Job::SuperResolve { image: to(image)?, factor: *factor, fit: *fit }
            }
            Self::Stroke { image, strength, fit } => {
                Job::Stroke { image: to(image)?, strength: *strength, fit: *fit }
            }
            Self::Denoise { image, noise, fit } => {
                Job::Denoise { image: to(image)?, noise: *noise, fit: *fit }
            }
            Self::InterpolateSeeds { seeds, frames } => {
                Job::InterpolateSeeds { seeds: *seeds, frames: *frames }
            }
            Self::InterpolatePictures { images: [first, second], frames, fit } => {
                Job::InterpolatePictures { images: [to(first)?, to(second)?], frames: *frames, fit: *fit }
            }
            Self::Vary { image, strength, fit } => {
                Job::Vary { image: to(image)?, strength: *strength, fit: *fit }
            }
            Self::VarySeed { seed, strength } => Job::VarySeed { seed: *seed, strength: *strength },
        })
    }
}

impl Job<Picture> {
    /// The job with the files of its pictures in their place.
    pub fn files(&self) -> Job<PictureFile> {
        let Ok(files) = self.try_map(|picture| Ok::<_, std::convert::Infallible>(picture.file()));
        files
    }
}

impl Job<PictureFile> {
    /// The files that its pictures are from: what an edit reads and must not write over.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let Ok(_) = self.try_map(|file| {
            paths.extend(file.path.clone());
            Ok::<_, std::convert::Infallible>(())
        });
        paths
    }

    /// Opens the pictures, and refuses those that are not what they were.
    ///
    /// # Errors
    ///
    /// As [`PictureFile::open`].
    pub fn open_files(&self) -> Result<Job> {
        self.try_map(PictureFile::open)
    }
}
