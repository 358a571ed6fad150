//! Arguments of EDM's classes, one by one, with their defaults.

use std::collections::BTreeMap;

use super::InteropError;
use super::edm_object::{EdmObject, PlainValue};

/// Arguments by name, those by position among them.
pub(super) fn by_name(
    object: &EdmObject,
    order: &[&str],
) -> Result<BTreeMap<String, PlainValue>, InteropError> {
    let mut named = object.named.clone();
    if object.positional.len() > order.len() {
        return Err(InteropError::Unsupported {
            what: format!("`{}` with {} arguments by position", object.class, object.positional.len()),
            why: format!("it takes {}", order.len()),
        });
    }
    for (name, value) in order.iter().zip(&object.positional) {
        if named.insert((*name).to_owned(), value.clone()).is_some() {
            return Err(InteropError::Unsupported {
                what: format!("the argument `{name}` of `{}`", object.class),
                why: "it is given twice".to_owned(),
            });
        }
    }
    Ok(named)
}

/// The error for an argument that EDM's class does not have.
pub(super) fn unknown(class: &str, name: &str, value: &PlainValue) -> InteropError {
    InteropError::Unsupported {
        what: format!("the argument `{name}={}` of `{class}`", short(value)),
        why: "EDM's class does not have it, so what it changes is not known".to_owned(),
    }
}

/// A value as Python writes it, as far as anybody reads it.
fn short(value: &PlainValue) -> String {
    let whole = value.to_string();
    match whole.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// The most characters of a value that a message shows.
const MOST_SHOWN: usize = 60;

/// An argument that may have been left out.
pub(super) struct Argument<'a> {
    pub class: &'a str,
    pub name: &'a str,
    pub value: Option<&'a PlainValue>,
}

/// The largest whole number that an argument may be, far beyond all networks: what is computed of them must be numbers, too.
fn most(name: &str) -> usize {
    match name {
        "num_blocks" => 256,
        "channel_mult" | "channel_mult_emb" | "channel_mult_noise" => 1 << 10,
        "model_channels" => 1 << 16,
        _ => 1 << 20,
    }
}

/// The most items of a list.
const MOST_ITEMS: usize = 16;

impl Argument<'_> {
    /// A whole number that no network exceeds.
    fn limited(&self) -> (String, impl Fn(&PlainValue) -> Option<usize> + use<>) {
        let most = most(self.name);
        (format!("a whole number up to {most}"), move |value| value.count().filter(|&count| count <= most))
    }

    fn get<T>(&self, what: &str, read: impl Fn(&PlainValue) -> Option<T>) -> Result<Option<T>, InteropError> {
        let Some(value) = self.value else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| InteropError::Unsupported {
            what: format!("the argument `{}={}` of `{}`", self.name, short(value), self.class),
            why: format!("it should be {what}"),
        })
    }

    /// A whole number that cannot be left out.
    pub(super) fn required_count(&self) -> Result<usize, InteropError> {
        let (what, count) = self.limited();
        self.get(&what, count)?.ok_or_else(|| InteropError::Unsupported {
            what: format!("`{}` without `{}`", self.class, self.name),
            why: "it has no default".to_owned(),
        })
    }

    /// A whole number.
    pub(super) fn count(&self, default: usize) -> Result<usize, InteropError> {
        let (what, count) = self.limited();
        Ok(self.get(&what, count)?.unwrap_or(default))
    }

    /// A number.
    pub(super) fn number(&self, default: f64) -> Result<f64, InteropError> {
        Ok(self.get("a number", PlainValue::number)?.unwrap_or(default))
    }

    /// Whole numbers.
    pub(super) fn counts(&self, default: &[usize]) -> Result<Vec<usize>, InteropError> {
        let (what, count) = self.limited();
        let what = format!("a list of up to {MOST_ITEMS} times {what}");
        let counts =
            self.get(&what, |value| value.list(&count).filter(|counts| counts.len() <= MOST_ITEMS))?;
        Ok(counts.unwrap_or_else(|| default.to_vec()))
    }

    /// Numbers.
    pub(super) fn numbers(&self, default: &[f32]) -> Result<Vec<f32>, InteropError> {
        let what = format!("a list of up to {MOST_ITEMS} numbers");
        let numbers =
            |value: &PlainValue| value.list(PlainValue::number).filter(|list| list.len() <= MOST_ITEMS);
        let numbers = self.get(&what, numbers)?;
        Ok(numbers.map_or_else(|| default.to_vec(), |list| list.into_iter().map(|n| n as f32).collect()))
    }

    /// What a text stands for; the first where it was left out.
    pub(super) fn one_of<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, InteropError> {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let find = |value: &PlainValue| {
            let text = value.text()?;
            known.iter().find(|(name, _)| *name == text).map(|(_, meaning)| *meaning)
        };
        Ok(self.get(&format!("one of {}", names.join(", ")), find)?.unwrap_or(known[0].1))
    }
}
