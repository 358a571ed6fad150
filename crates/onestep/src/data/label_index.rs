//! `dataset.json`: the labels of pictures in files, as EDM's and StyleGAN's dataset tools write them.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::DataError;
use super::image_set::MAX_CLASSES;

/// What the file is called.
pub(super) const FILE_NAME: &str = "dataset.json";

/// An index of a million files is about 40 MiB.
pub(super) const MAX_INDEX: u64 = 512 << 20;

/// The class of each picture, and the names of the classes, where they have any.
pub(super) type Labelled = (Vec<usize>, Vec<String>);

/// `{"labels": [["00000/img00000000.png", 6], ...]}`: a class for each picture, and perhaps their names.
///
/// `labels` may be null or absent, and a list `classes` may name the classes. A label is a whole number, written with a
/// fraction of zero or not, or a list with a one in the place of the class and zeros else.
#[derive(Default)]
pub(super) struct LabelIndex {
    /// By path from where the file lies.
    label_of: Option<HashMap<String, usize>>,
    class_names: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    /// None where there is no such key, which is another than one of null.
    #[serde(default, deserialize_with = "there")]
    labels: Option<Option<Vec<(String, Value)>>>,
    classes: Option<Vec<String>>,
}

fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl LabelIndex {
    /// Reads the text of the file called `name`; none where it has no key `labels`: other tools keep other things in files of this
    /// name.
    pub(super) fn parse(text: &[u8], name: &str) -> Result<Option<Self>, DataError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let file: File = serde_json::from_slice(text).map_err(|error| {
            let reason =
                format!("expected `{{\"labels\": [[\"file\", class number], ...]}}` or null: {error}");
            DataError::labels(name, reason)
        })?;
        let Some(labels) = file.labels else { return Ok(None) };
        let Some(labels) = labels else { return Ok(Some(Self::default())) };
        let mut label_of = HashMap::with_capacity(labels.len());
        let mut widths = labels.iter().map(|(_, label)| label.as_array().map(Vec::len));
        let width = widths.next().flatten();
        if widths.any(|other| other != width) {
            return Err(DataError::labels(
                name,
                "some labels are numbers and some are lists, or lists of two lengths",
            ));
        }
        for (path, label) in labels {
            let number = class_number(&label).ok_or_else(|| {
                DataError::labels(name, format!("the label of `{path}` is {}", described(&label)))
            })?;
            let path = path.replace('\\', "/");
            if let Some(other) = label_of.insert(path.clone(), number).filter(|&other| other != number) {
                let reason = format!("`{path}` has two labels, {other} and {number}");
                return Err(DataError::labels(name, reason));
            }
        }
        // Every place of a list is a class, and so is every number below the largest, whichever of the pictures are meant.
        // Numbers that are no classes are refused by whoever meets one.
        let n_classes = width.or(label_of.values().max().map(|&largest| largest + 1)).unwrap_or(0);
        let n_classes = if n_classes > MAX_CLASSES { 0 } else { n_classes };
        let numbered = || (0..n_classes).map(|class| class.to_string()).collect();
        Ok(Some(Self { label_of: Some(label_of), class_names: file.classes.unwrap_or_else(numbered) }))
    }

    /// The classes of pictures by their paths from where the file lies; none where the file has no labels.
    ///
    /// `full_name` is what to call a picture in a message.
    pub(super) fn labels<'a>(
        self,
        paths: impl Iterator<Item = &'a str>,
        full_name: impl Fn(usize) -> String,
    ) -> Result<Option<Labelled>, DataError> {
        let Some(label_of) = self.label_of else { return Ok(None) };
        let label = |(place, path): (usize, &str)| {
            label_of.get(path).copied().ok_or_else(|| {
                DataError::labels(full_name(place), "`dataset.json` gives labels, but none for this image")
            })
        };
        Ok(Some((paths.enumerate().map(label).collect::<Result<_, _>>()?, self.class_names)))
    }
}

fn class_number(label: &Value) -> Option<usize> {
    match label {
        Value::Number(number) => {
            let value =
                number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..1e15).contains(value))?;
            Some(value as usize)
        }
        Value::Array(places) => {
            let ones = places.iter().filter(|place| place.as_f64() == Some(1.0)).count();
            let zeros = places.iter().filter(|place| place.as_f64() == Some(0.0)).count();
            let is_one_hot = ones == 1 && zeros == places.len() - 1;
            places.iter().position(|place| place.as_f64() == Some(1.0)).filter(|_| is_one_hot)
        }
        _ => None,
    }
}

/// What is wrong with a label that is no class number.
fn described(label: &Value) -> String {
    match label {
        Value::Number(number) if number.as_f64().is_some_and(|value| value < 0.0) => {
            format!("{number}, and classes count from 0")
        }
        Value::Number(number) => format!("{number}, no whole number of a usual size"),
        Value::Array(_) => {
            "a list that is not a single one among zeros, so it names no single class".to_owned()
        }
        Value::String(text) => {
            format!("the text `{text}`; a class is a number there, and `classes` may name them")
        }
        other => format!("{other}, no class number"),
    }
}
