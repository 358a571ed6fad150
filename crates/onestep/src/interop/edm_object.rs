//! What an object of EDM was constructed with, without Python.

use std::collections::BTreeMap;
use std::fmt;

/// An object of one of EDM's classes: its class by name, and what it was constructed with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdmObject {
    /// Name of its class, such as `EDMPrecond`.
    pub class: String,
    /// Arguments by position.
    pub positional: Vec<PlainValue>,
    /// Arguments by name.
    pub named: BTreeMap<String, PlainValue>,
}

/// A value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum PlainValue {
    /// Python's `None`.
    Nothing,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list, tuple or set.
    List(Vec<PlainValue>),
    /// A dictionary, by those of its keys that are texts.
    Map(BTreeMap<String, PlainValue>),
    /// Something else: an array, a device, an object.
    Opaque,
}

impl PlainValue {
    /// A whole number that counts something.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number, whole or not.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list of what `item` takes each item for.
    pub fn list<T>(&self, item: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        match self {
            Self::List(items) => items.iter().map(item).collect(),
            _ => None,
        }
    }
}

/// As Python writes it.
impl fmt::Display for PlainValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "None"),
            Self::Bool(true) => write!(f, "True"),
            Self::Bool(false) => write!(f, "False"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                write!(f, "[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
            Self::Map(entries) => {
                write!(f, "{{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key:?}: {value}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, "}}")
            }
            Self::Opaque => write!(f, "an object"),
        }
    }
}
