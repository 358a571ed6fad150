//! A recipe that fits a data set: what somebody begins with who has pictures and no recipe.

use std::fmt::Write as _;

use toml::Value;

use super::{Draft, Recipe, RecipeError};
use crate::data::{DataSpec, Dataset, Fit, ImageShape, Labels};
use crate::size::ImageSize;

/// Sides that mixed or unsuited pictures are brought to.
const SIDES: [usize; 3] = [32, 48, 64];

/// The longest side that is taken as it is.
const LONGEST: usize = 128;

/// What sides must be divisible by, so that a network has three levels.
const DIVISOR: usize = 4;

/// The shortest side of the smallest feature maps.
const SMALLEST: usize = 7;

/// Pixels of one update, as the built-in recipe for emoji has them.
const PIXELS: usize = 32 * 32 * 32;

/// Images of a class below which labels teach nothing.
const FEW_OF_A_CLASS: usize = 8;

/// Images that small networks have seen when what they draw begins to have shapes.
const FIRST_SHAPES: u64 = 100_000;

/// How often each image is seen in a run that may learn them by heart.
const OFTEN: u64 = 100;

/// Updates until somebody says how long the run is.
const STEPS: u64 = 5000;

/// A recipe for one-step images without a teacher, made for a data set, with reasons.
///
/// # Examples
///
/// ```
/// use onestep::data::{DataSpec, open};
/// use onestep::train::Suggestion;
/// let spec = DataSpec { image_size: Some(16.into()), ..DataSpec::new("builtin:emoji") };
/// let data = open(&spec)?;
/// let suggestion = Suggestion::new("mine", spec, data.as_ref()).steps(300);
/// let recipe = suggestion.recipe(data.as_ref())?;
/// assert_eq!(recipe.network.build()?.image(), [16, 16, 3]);
/// assert!(suggestion.to_toml().contains("# 1892 images of 16x16"));
/// # Ok::<(), onestep::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Suggestion {
    name: String,
    data: DataSpec,
    shape: ImageShape,
    n_images: usize,
    n_classes: usize,
    batch: usize,
    steps: u64,
}

impl Suggestion {
    /// What fits these data, which `spec` names.
    pub fn new(name: &str, spec: DataSpec, data: &dyn Dataset) -> Self {
        let (shape, n_images, n_classes) = (data.shape(), data.len(), data.class_names().len());
        let tells = n_classes > 0 && n_images / n_classes >= FEW_OF_A_CLASS;
        let labels = if tells { spec.labels } else { Labels::None };
        let pixels = (shape.height * shape.width).max(1);
        let batch = (PIXELS / pixels).clamp(8, 32).min(n_images.max(1));
        let data = DataSpec { labels, flip: shape.channels == 3, ..spec };
        Self { name: name.into(), data, shape, n_images, n_classes, batch, steps: STEPS }
    }

    /// The size to bring images that all have this shape to; none where they are good as they are.
    ///
    /// Their aspect ratio stays, to the nearest multiple of 4, unless one side is more than three times the other.
    pub fn size_for(shape: ImageShape) -> Option<ImageSize> {
        let ImageSize { height, width } = shape.size();
        let (shorter, longer) = (height.min(width), height.max(width));
        let good = |side: usize| side.is_multiple_of(DIVISOR) && (2 * DIVISOR..=LONGEST).contains(&side);
        if good(height) && good(width) {
            return None;
        }
        let side = Self::side_within(shorter);
        let other = (longer * side / shorter.max(1) + DIVISOR / 2) / DIVISOR * DIVISOR;
        Some(match (longer > 3 * shorter, height <= width) {
            (true, _) => side.into(),
            (false, true) => ImageSize { height: side, width: other.min(LONGEST) },
            (false, false) => ImageSize { height: other.min(LONGEST), width: side },
        })
    }

    /// The size to bring images to of which two have these shapes: a square, since they share no aspect ratio.
    pub fn size_for_mixed(shapes: [ImageShape; 2]) -> ImageSize {
        let [first, other] = shapes.map(|shape| shape.size().shorter());
        Self::side_within(first.min(other)).into()
    }

    /// The longest of the usual sides that is no longer than this, or the shortest of them.
    fn side_within(shorter: usize) -> usize {
        SIDES.into_iter().rev().find(|&side| side <= shorter).unwrap_or(SIDES[0])
    }

    /// Takes so many updates.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.steps = steps.max(1);
        self
    }

    /// Takes half as many images at a time, where that is still one; whether it did.
    pub fn halve_batch(&mut self) -> bool {
        let halved = self.batch > 1;
        self.batch = self.batch.div_ceil(2);
        halved
    }

    /// Updates that see every image so many times.
    pub fn steps_of_epochs(&self, epochs: u64) -> u64 {
        (self.n_images as u64 * epochs).div_ceil(self.batch as u64)
    }

    /// Images of one update.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// How many images a run sees until it draws shapes, where this one sees fewer.
    pub fn too_few_images(&self) -> Option<u64> {
        (self.steps * (self.batch as u64) < FIRST_SHAPES).then_some(FIRST_SHAPES)
    }

    /// The complete recipe, for these data.
    ///
    /// # Errors
    ///
    /// [`RecipeError`]: data that no network of this kind can be made for.
    pub fn recipe(&self, data: &dyn Dataset) -> Result<Recipe, RecipeError> {
        Draft::read(&self.to_toml(), &[])?.settled(data)
    }

    /// Channels of each level as multiples: as many levels as leave something of the image.
    fn levels(&self) -> &'static [usize] {
        let ImageShape { height, width, .. } = self.shape;
        let halves = |times: &usize| {
            [height, width].iter().all(|side| side.is_multiple_of(1 << times) && side >> times >= SMALLEST)
        };
        match (0..=4).rev().find(halves).unwrap_or(0) {
            0 => &[1],
            1 => &[1, 2],
            2 => &[1, 2, 2],
            3 => &[1, 2, 2, 2],
            _ => &[1, 1, 2, 2, 2],
        }
    }

    /// The recipe as TOML, with the reasons as comments.
    pub fn to_toml(&self) -> String {
        let Self { name, data, shape, n_images, n_classes, batch, steps, .. } = self;
        let levels = self.levels();
        let smallest = shape.height.min(shape.width) >> (levels.len() - 1);
        let images = steps * *batch as u64;
        let quoted = |text: &str| Value::String(text.into()).to_string();
        let optional = |key: &str, value: Option<Value>| {
            value.map_or(String::new(), |value| format!("{key} = {value}\n"))
        };
        let size = optional("image_size", data.image_size.and_then(|size| Value::try_from(size).ok()));
        let fit = Some(data.fit).filter(|fit| *fit != Fit::default());
        let fit = optional("fit", fit.and_then(|fit| Value::try_from(fit).ok()));
        let split = optional("split", data.split.and_then(|split| Value::try_from(split).ok()));
        let limit = optional("limit", data.limit.map(|limit| Value::Integer(limit as i64)));
        let grey = if data.grey { "grey = true\n" } else { "" };
        let labels = match (n_classes, data.labels) {
            (0, _) => "the images have no labels".to_owned(),
            (n, Labels::Given | Labels::FileName | Labels::Attribute(_)) => {
                format!("{n} classes: each can be asked for by name")
            }
            (n, Labels::None) => {
                format!("{n} classes, too few images of each to tell them apart; true to try")
            }
        };
        // Previews and checkpoints take seconds each.
        let every = (steps / 10).max(100);
        let epochs = images / (*n_images).max(1) as u64;
        let seen = match epochs {
            0 => "not all of them are seen".to_owned(),
            1 => "each about once".to_owned(),
            n => format!("each about {n} times"),
        };
        let mut text = String::new();
        let _ = write!(
            text,
            r#"# Made by `onestep new`. Change what you like; every key is told in docs/recipe.md.

name = {name}
about = "Images in one step, without a teacher."

[data]
source = {source}
# {n_images} images of {shape}; what is not so big or small is {brought} and resized.
{size}{fit}{split}{limit}{grey}# {labels}.
labels = {has_labels}
# Mirrors images at random, as good as twice as many; not for letters, digits or maps.
flip = {flip}
# An image that cannot be read ends the run, which is saved; "skip" passes over it.
on_error = "stop"

# Consistency training: few levels, as small data and short runs want, and more as the run goes on.
[objective]
kind = "consistency"
path = {{ kind = "data" }}
curriculum = {{ kind = "progressive", start_intervals = 4, end_intervals = 17 }}
distance = {{ kind = "pseudo-huber" }}
weighting = "inverse-gap"
target = {{ kind = "fixed", rate = 0.0 }}

# Size, channels and classes are those of the data.
[network]
network = "song"
# Width: 64 makes better images, and takes three times as long.
model_channels = 32
# {levels_are}
channel_mult = {levels:?}
attention_resolutions = [{smallest}]
num_blocks = 1
# More where there are few images and the run is long: 0.1 to 0.3.
dropout = {dropout}

[train]
# {images} images in all: {seen}.
steps = {steps}
batch = {batch}
# What one samples from: an average over the last part of the run.
averages = [{{ half_life_images = {half_life}, ramp_up_ratio = 0.05 }}]
checkpoint_every = {every}
preview_every = {every}

[train.optimizer]
kind = "radam"

[train.learning_rate]
peak = {peak}
decay = "cosine"
"#,
            name = quoted(name),
            source = quoted(&data.source),
            brought = match data.fit {
                Fit::Crop => "cropped to the middle",
                Fit::Pad => "given black borders",
                Fit::Stretch => "stretched",
            },
            has_labels = Value::try_from(data.labels).expect("a word or a truth"),
            flip = data.flip,
            levels_are = match levels.len() {
                1 => format!("One level, of {smallest} pixels on its shorter side, which attends to itself."),
                n => format!(
                    "{n} levels, each half as large as the one before: the last has {smallest} pixels on its shorter side, and attends to itself."
                ),
            },
            dropout = if epochs >= OFTEN { "0.1" } else { "0.0" },
            half_life = (images / 25).max(1),
            peak = if shape.height.max(shape.width) > 48 { "5e-4" } else { "1e-3" },
        );
        text
    }
}
