//! What is kept of each picture beside it.

use serde::Serialize;

use crate::{Class, Icon, Style};

/// What the pictures of a set are, in their order: `emoji.json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Record {
    classes: Vec<&'static str>,
    styles: Vec<StyleRecord>,
    images: Vec<ImageRecord>,
}

#[derive(Debug, Clone, Serialize)]
struct StyleRecord {
    name: &'static str,
    package: String,
    licence: &'static str,
    copyright: &'static str,
    source: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct ImageRecord {
    file: String,
    name: String,
    style: &'static str,
    class: &'static str,
    code_points: Option<String>,
    licence: &'static str,
}

impl Record {
    /// What the file is called.
    pub const FILE_NAME: &str = "emoji.json";

    /// Of a set of these styles, without pictures yet.
    pub fn new(styles: &[Style]) -> Self {
        let record = |style: Style| StyleRecord {
            name: style.name(),
            package: style.package().full_name(),
            licence: style.licence(),
            copyright: style.copyright(),
            source: style.source(),
        };
        Self {
            classes: Class::ALL.map(Class::name).to_vec(),
            styles: Style::ALL.into_iter().filter(|style| styles.contains(style)).map(record).collect(),
            images: Vec::new(),
        }
    }

    /// One more picture, by its name in the set.
    pub fn push(&mut self, file: String, icon: &Icon<'_>) {
        self.images.push(ImageRecord {
            file,
            name: icon.name.to_owned(),
            style: icon.style.name(),
            class: icon.class.name(),
            code_points: icon.code_points.map(str::to_owned),
            licence: icon.style.licence(),
        });
    }

    /// How many pictures there are.
    pub fn n_images(&self) -> usize {
        self.images.len()
    }

    /// How many pictures there are of a style and a class; of all where none is named.
    pub fn count(&self, style: Option<Style>, class: Option<Class>) -> usize {
        let is_of = |image: &&ImageRecord| {
            style.is_none_or(|style| image.style == style.name())
                && class.is_none_or(|class| image.class == class.name())
        };
        self.images.iter().filter(is_of).count()
    }

    /// The text of the file.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of them")
    }
}
