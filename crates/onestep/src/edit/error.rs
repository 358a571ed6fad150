//! What cannot be edited.

use std::path::PathBuf;

use crate::data::ImageShape;

/// An edit that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A mask of another size than the image.
    #[error("the mask is {found}, the image {expected}: they must be of one size")]
    MaskSize {
        /// Width and height of the mask.
        found: String,
        /// Width and height of the image.
        expected: String,
    },
    /// A mask with values other than 0 and 1.
    #[error("a mask says 1 where a pixel is known and 0 where it is not, not {value}")]
    MaskValue {
        /// The first other value.
        value: f32,
    },
    /// Patches that do not tile the image.
    #[error(
        "an image of {height} rows and {width} columns has no patches of {factor}x{factor}: the factor must divide both"
    )]
    Factor {
        /// Side of a patch.
        factor: usize,
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
    },
    /// A grey model was asked for colors.
    #[error("colors need a model of color images; this one makes images of {channels} channel(s)")]
    NoColor {
        /// Channels of the model.
        channels: usize,
    },
    /// A direction of no length, or of another number of channels.
    #[error("the known direction must have one finite number for each of {channels} channels, not all zero")]
    Direction {
        /// Channels of the image.
        channels: usize,
    },
    /// A noise level outside of what the model was made for.
    #[error("the model was made for noise levels from {sigma_min} to {sigma_max}, not {sigma}")]
    Level {
        /// The level.
        sigma: f64,
        /// Smallest level of the model.
        sigma_min: f64,
        /// Largest level of the model.
        sigma_max: f64,
    },
    /// A picture without a mask in which nothing is transparent.
    #[error("nothing says what to fill in: {picture} is opaque")]
    Opaque {
        /// The picture's file.
        picture: String,
    },
    /// A mask, or the transparency of a picture, that marks nothing.
    #[error("{picture} marks nothing to fill in")]
    NothingMarked {
        /// The file of the mask or picture.
        picture: String,
    },
    /// A mask picture of another size than the picture.
    #[error(
        "the mask {mask} is {}x{}, the picture {picture} is {}x{}",
        mask_size.0, mask_size.1, picture_size.0, picture_size.1
    )]
    MaskOfPicture {
        /// The mask's file.
        mask: String,
        /// Width and height of the mask.
        mask_size: (usize, usize),
        /// The picture's file.
        picture: String,
        /// Width and height of the picture.
        picture_size: (usize, usize),
    },
    /// Everything that is to be filled in lies outside of the part that the model sees.
    #[error("nothing to fill in lies in the middle square, which the model sees")]
    NothingSeen,
    /// A strength that is no share.
    #[error("the strength is a share from 0 to 1, not {strength}")]
    Strength {
        /// The strength.
        strength: f64,
    },
    /// Noise that is none.
    #[error("the noise is a deviation in bytes above 0, not {noise}")]
    Noise {
        /// The deviation in bytes.
        noise: f64,
    },
    /// A model with more classes than are tried one by one.
    #[error("this model has {n_classes} classes, too many to try")]
    TooManyClasses {
        /// Number of classes.
        n_classes: usize,
    },
    /// A model that cannot jump to the image.
    #[error("{model} is a diffusion model ({method}): it cannot edit in a few steps")]
    Diffusion {
        /// Where the model is from.
        model: String,
        /// How it was trained.
        method: String,
    },
    /// A model of points.
    #[error("{model} draws points, and there is nothing to edit in a point")]
    Points {
        /// Where the model is from.
        model: String,
    },
    /// Two pictures to go between, and nothing that finds their noises.
    #[error(
        "to go between two pictures, the diffusion model that the model was distilled from must be given"
    )]
    NoTeacher,
    /// A consistency model in place of the diffusion model that finds the noise of a picture.
    #[error("{model} is a consistency model: it only knows the way down")]
    TeacherJumps {
        /// Where the model is from.
        model: String,
    },
    /// A teacher of other images than the model's.
    #[error(
        "the teacher draws images of [{}, {}, {}] (height, width, channels), the model of [{}, {}, {}]",
        teacher.height, teacher.width, teacher.channels, model.height, model.width, model.channels
    )]
    TeacherShape {
        /// Shape of the teacher's images.
        teacher: ImageShape,
        /// Shape of the model's images.
        model: ImageShape,
    },
    /// Images to be edited that are not of the model's shape.
    #[error("the images are {images}, those of the model {model}")]
    ImageShape {
        /// Shape of the images.
        images: ImageShape,
        /// Shape of the model's images.
        model: ImageShape,
    },
    /// Images without classes for a model that wants them.
    #[error("the model wants the class of every image, and these have none")]
    Unlabelled,
    /// A folder in place of a picture.
    #[error("{} is a folder, not a picture", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A file that has changed since something was made from it.
    #[error("{} is not what the picture was made with", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 at that time, in hexadecimal.
        was: String,
        /// Its SHA-256 now.
        is: String,
    },
    /// Something that was no file and cannot be opened again.
    #[error("{what} was in memory only and cannot be opened again")]
    InMemory {
        /// What it was.
        what: String,
    },
}
