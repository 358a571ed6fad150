//! Where the classes of images come from.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the classes of images come from.
///
/// In recipes it is `true`, `false`, `"file-name"`, or the name of an attribute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Labels {
    /// `true`: from the source, as it has them: the labels of its file format, a `dataset.json`, or class folders.
    #[default]
    Given,
    /// `"file-name"`: from the names of the pictures, what stands before the first `_`: `cat_0017.png` is a `cat`.
    ///
    /// So the tools of the first published diffusion models name classes.
    FileName,
    /// The name of an attribute: what is known of `builtin:portraits` under this name (one of [`ATTRIBUTES`]).
    Attribute(&'static str),
    /// `false`: nowhere. The set has no labels, and those that the source may have are not read.
    None,
}

impl From<bool> for Labels {
    /// Those of the source, or none.
    fn from(wanted: bool) -> Self {
        if wanted { Self::Given } else { Self::None }
    }
}

/// What is known of every image of `builtin:portraits`.
pub const ATTRIBUTES: [&str; 16] = [
    "skin",
    "hair",
    "hair_color",
    "eyes",
    "eye_color",
    "mouth",
    "mouth_color",
    "clothing",
    "clothing_color",
    "glasses",
    "glasses_color",
    "hat",
    "hat_color",
    "beard",
    "accessory",
    "accessory_color",
];

const EXPECTED: &str =
    "true, false or \"file-name\", or for builtin:portraits an attribute such as \"glasses\"";

fn attribute(name: &str) -> Option<Labels> {
    ATTRIBUTES.into_iter().find(|known| *known == name).map(Labels::Attribute)
}

impl FromStr for Labels {
    type Err = String;

    /// Reads what a recipe has, `file-name` without quotes.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self::Given),
            "false" => Ok(Self::None),
            "file-name" => Ok(Self::FileName),
            _ => attribute(text).ok_or_else(|| {
                let attributes = ATTRIBUTES.join(", ");
                format!("`{text}` is none of true, false, file-name, or for builtin:portraits {attributes}")
            }),
        }
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given => serializer.serialize_bool(true),
            Self::FileName => serializer.serialize_str("file-name"),
            Self::Attribute(name) => serializer.serialize_str(name),
            Self::None => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_bool<E: Error>(self, wanted: bool) -> Result<Labels, E> {
                Ok(wanted.into())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Labels, E> {
                match text {
                    "file-name" => Ok(Labels::FileName),
                    other => attribute(other)
                        .ok_or_else(|| E::custom(format!("`labels` is {EXPECTED}, not `{other}`"))),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_they_are_read() {
        for (labels, json) in [
            (Labels::Given, "true"),
            (Labels::None, "false"),
            (Labels::FileName, "\"file-name\""),
            (Labels::Attribute("hair_color"), "\"hair_color\""),
        ] {
            assert_eq!(serde_json::to_string(&labels).unwrap(), json);
            assert_eq!(serde_json::from_str::<Labels>(json).unwrap(), labels);
            assert_eq!(json.trim_matches('"').parse(), Ok(labels));
        }
        for wrong in ["3", "\"folder\"", "null", "[true]"] {
            let message = serde_json::from_str::<Labels>(wrong).unwrap_err().to_string();
            assert!(message.contains("true, false or \"file-name\""), "{message}");
        }
        assert!("folder".parse::<Labels>().unwrap_err().contains("file-name"));
    }
}
