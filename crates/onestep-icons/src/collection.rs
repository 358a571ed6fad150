//! The drawings of a package, as Iconify packs them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::drawing::Frame;
use crate::tgz::{self, Files};
use crate::{IconError, Package};

/// How many drawings a package has at most; the largest that is read has 4,123.
const MAX_ICONS: usize = 20_000;

/// How long a drawing is at most, in bytes; the longest that is read has 405,717.
const MAX_BODY: usize = 2 << 20;

/// How many aliases stand behind one another at most.
const MAX_ALIASES: usize = 8;

/// What Iconify takes for width and height where a package says nothing.
const DEFAULT_SIDE: f64 = 16.0;

/// The drawings of a package by name, and what it says of them.
#[derive(Debug)]
pub struct Collection {
    icons: BTreeMap<String, Entry>,
    aliases: BTreeMap<String, Entry>,
    defaults: Shape,
    /// By name of the drawing.
    categories: BTreeMap<String, String>,
    /// By name of the drawing, in hexadecimal with dashes between them.
    code_points: BTreeMap<String, String>,
}

/// One drawing, ready to be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing<'a> {
    /// The drawing that an alias stands for, or its own name.
    pub original: &'a str,
    pub body: &'a str,
    pub frame: Frame,
}

/// A file of icons.
#[derive(Deserialize)]
struct IconsFile {
    prefix: String,
    icons: BTreeMap<String, Entry>,
    #[serde(default)]
    aliases: BTreeMap<String, Entry>,
    #[serde(flatten)]
    defaults: Shape,
}

/// An icon, which has a body, or an alias, which has a parent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: Option<String>,
    parent: Option<String>,
    #[serde(flatten)]
    shape: Shape,
    #[serde(default)]
    rotate: i64,
    #[serde(default)]
    h_flip: bool,
    #[serde(default)]
    v_flip: bool,
    #[serde(default)]
    hidden: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Shape {
    left: Option<f64>,
    top: Option<f64>,
    width: Option<f64>,
    height: Option<f64>,
}

impl Shape {
    /// What this says, and else what another says.
    fn or(self, other: Self) -> Self {
        Self {
            left: self.left.or(other.left),
            top: self.top.or(other.top),
            width: self.width.or(other.width),
            height: self.height.or(other.height),
        }
    }
}

#[derive(Default, Deserialize)]
struct MetadataFile {
    #[serde(default)]
    categories: BTreeMap<String, Vec<String>>,
}

impl Collection {
    /// Reads the file of a package, of which nothing is believed.
    ///
    /// # Errors
    ///
    /// - [`IconError::Archive`] if it is no archive, or has not the files of such a package.
    /// - [`IconError::Content`] if these files do not make sense.
    pub fn read(tgz: &[u8], package: &Package) -> Result<Self, IconError> {
        let name = package.full_name();
        let Files { icons, metadata, chars } = tgz::unpack(tgz, &name)?;
        let content = |file, reason: String| IconError::Content { package: name.clone(), file, reason };
        let icons: IconsFile = parsed(&icons, &name, "icons.json")?;
        if icons.prefix != package.prefix() {
            return Err(content("icons.json", format!("these are the icons of `{}`", icons.prefix)));
        }
        let n = icons.icons.len() + icons.aliases.len();
        if n > MAX_ICONS {
            return Err(content("icons.json", format!("it has {n} icons, over {MAX_ICONS}")));
        }
        let metadata: MetadataFile = match &*metadata {
            [] => MetadataFile::default(),
            text => parsed(text, &name, "metadata.json")?,
        };
        let chars: BTreeMap<String, String> = match &*chars {
            [] => BTreeMap::new(),
            text => parsed(text, &name, "chars.json")?,
        };
        let mut collection = Self {
            icons: icons.icons,
            aliases: icons.aliases,
            defaults: icons.defaults,
            categories: BTreeMap::new(),
            code_points: BTreeMap::new(),
        };
        for (category, names) in metadata.categories {
            for icon in names {
                collection.categories.entry(icon).or_insert_with(|| category.clone());
            }
        }
        for (code_points, icon) in chars {
            // Of several the first by number: the shortest of one character.
            collection.code_points.entry(icon).or_insert(code_points);
        }
        for icon in collection.icons.keys().chain(collection.aliases.keys()) {
            collection.drawing(icon).map_err(|reason| content("icons.json", format!("`{icon}` {reason}")))?;
        }
        Ok(collection)
    }

    /// The names of all drawings that are not hidden: the drawings first, then what stands for one of them, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let seen = self.icons.iter().chain(&self.aliases).filter(|(_, entry)| !entry.hidden);
        seen.map(|(name, _)| name.as_str()).filter(|name| !self.is_hidden(name))
    }

    /// What the package says that a drawing is.
    pub(crate) fn category(&self, name: &str) -> Option<&str> {
        self.categories.get(name).map(String::as_str)
    }

    /// The code points of a drawing, in hexadecimal with dashes between them.
    pub(crate) fn code_points(&self, name: &str) -> Option<&str> {
        self.code_points.get(name).map(String::as_str)
    }

    /// What lies behind a name; what is wrong with it is said without the name.
    ///
    /// An alias takes what it does not say itself from its parent, and is mirrored and turned on top of it.
    pub(crate) fn drawing(&self, name: &str) -> Result<Drawing<'_>, String> {
        let (mut shape, mut rotate, mut flip_x, mut flip_y) = (Shape::default(), 0, false, false);
        let mut name = name;
        for _ in 0..=MAX_ALIASES {
            let (original, entry) = self
                .icons
                .get_key_value(name)
                .or_else(|| self.aliases.get_key_value(name))
                .ok_or_else(|| format!("stands for `{name}`, which is not there"))?;
            shape = shape.or(entry.shape);
            rotate = (rotate + entry.rotate.rem_euclid(4)) % 4;
            (flip_x, flip_y) = (flip_x != entry.h_flip, flip_y != entry.v_flip);
            if let Some(body) = &entry.body {
                if body.len() > MAX_BODY {
                    return Err(format!("has {} bytes, over {MAX_BODY}", body.len()));
                }
                let shape = shape.or(self.defaults);
                let frame = Frame {
                    left: shape.left.unwrap_or(0.0),
                    top: shape.top.unwrap_or(0.0),
                    width: shape.width.unwrap_or(DEFAULT_SIDE),
                    height: shape.height.unwrap_or(DEFAULT_SIDE),
                    flip_x,
                    flip_y,
                    turns: rotate as u8,
                };
                let is_side = |extent: f64| (0.01..=1e5).contains(&extent);
                let is_place = |place: f64| place.abs() <= 1e5;
                if !(is_side(frame.width)
                    && is_side(frame.height)
                    && is_place(frame.left)
                    && is_place(frame.top))
                {
                    return Err(format!(
                        "lies at {},{} and is {} x {}, which cannot be",
                        frame.left, frame.top, frame.width, frame.height
                    ));
                }
                return Ok(Drawing { original, body, frame });
            }
            name = entry.parent.as_ref().ok_or("has neither a body nor a parent")?;
        }
        Err(format!("stands for another name, and that for another, over {MAX_ALIASES} times"))
    }

    /// Whether a name, or what it stands for, is not to be shown.
    fn is_hidden(&self, name: &str) -> bool {
        let original = self.drawing(name).ok().and_then(|drawing| self.icons.get(drawing.original));
        original.is_none_or(|entry| entry.hidden)
    }
}

fn parsed<T: DeserializeOwned>(text: &[u8], package: &str, file: &'static str) -> Result<T, IconError> {
    serde_json::from_slice(text).map_err(|error| IconError::Content {
        package: package.to_owned(),
        file,
        reason: error.to_string(),
    })
}
