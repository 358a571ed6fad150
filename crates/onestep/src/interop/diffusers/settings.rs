//! JSON files of settings, read key by key.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::file;
use crate::interop::{InteropError, WeightsFileError};

/// More bytes than settings have.
const MAX_BYTES: u64 = 1 << 20;

/// More channels, layers or classes than networks have: products of a few of them cannot overflow.
const MAX_NUMBER: u64 = 1 << 20;

/// The keys of a file that have not been asked for yet.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    file: String,
    left: Map<String, Value>,
}

impl Settings {
    /// Reads a file that holds one JSON object.
    pub(super) fn read(path: &Path) -> Result<Self, InteropError> {
        let failed = |source| WeightsFileError::Read { path: path.to_path_buf(), source };
        let name = path.display().to_string();
        let bad = |reason: String| InteropError::Settings { file: name.clone(), reason };
        let mut bytes = Vec::new();
        let opened = file::open(path).map_err(failed)?;
        opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(bad(format!("settings of more than {MAX_BYTES} bytes are none")));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(left)) => Ok(Self { file: name, left }),
            Ok(_) => Err(bad("this is JSON, but no object of settings".into())),
            Err(error) => Err(bad(format!("the settings are no JSON: {error}"))),
        }
    }

    /// What the file is called, for messages.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Takes a key; none where it is not there, and `null` where it is null.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key)
    }

    /// Takes a whole number.
    pub(super) fn whole(&mut self, key: &str, usual: usize) -> Result<usize, InteropError> {
        match self.take(key) {
            None => Ok(usual),
            Some(value) => {
                let number = value.as_u64().filter(|&number| number <= MAX_NUMBER);
                number
                    .map(|number| number as usize)
                    .ok_or_else(|| self.odd(key, &value, "a whole number, and no vast one"))
            }
        }
    }

    /// Takes a whole number or null.
    pub(super) fn optional(
        &mut self,
        key: &str,
        usual: Option<usize>,
    ) -> Result<Option<usize>, InteropError> {
        match self.left.get(key) {
            None => Ok(usual),
            Some(Value::Null) => {
                self.take(key);
                Ok(None)
            }
            Some(_) => self.whole(key, 0).map(Some),
        }
    }

    /// Takes a number.
    pub(super) fn number(&mut self, key: &str, usual: f64) -> Result<f64, InteropError> {
        match self.take(key) {
            None => Ok(usual),
            Some(value) => value.as_f64().ok_or_else(|| self.odd(key, &value, "a number")),
        }
    }

    /// Takes true or false.
    pub(super) fn flag(&mut self, key: &str, usual: bool) -> Result<bool, InteropError> {
        match self.take(key) {
            None => Ok(usual),
            Some(value) => value.as_bool().ok_or_else(|| self.odd(key, &value, "true or false")),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &str, usual: &str) -> Result<String, InteropError> {
        match self.take(key) {
            None => Ok(usual.to_owned()),
            Some(Value::String(text)) => Ok(text),
            Some(value) => Err(self.odd(key, &value, "a text")),
        }
    }

    /// Takes a list of things of one kind.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        usual: &[T],
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, InteropError>
    where
        T: Clone,
    {
        match self.take(key) {
            None => Ok(usual.to_vec()),
            Some(value) => {
                let items = value.as_array().and_then(|values| values.iter().map(item).collect());
                items.ok_or_else(|| self.odd(key, &value, "such a list"))
            }
        }
    }

    /// Takes a key that may only have the values that change nothing here.
    pub(super) fn only(&mut self, key: &str, allowed: &[Value], why: &str) -> Result<(), InteropError> {
        match self.take(key) {
            Some(value) if !allowed.contains(&value) => Err(self.unsupported(key, &value, why)),
            _ => Ok(()),
        }
    }

    /// Refuses keys that nobody has asked for; those that begin with `_` are the library's own.
    pub(super) fn finish(&self) -> Result<(), InteropError> {
        match self.left.iter().find(|(key, _)| !key.starts_with('_')) {
            Some((key, value)) => Err(self.unsupported(key, value, "no such setting is known")),
            None => Ok(()),
        }
    }

    /// The error for a value that is understood but not to be had here.
    pub(super) fn unsupported(&self, key: &str, value: &Value, why: &str) -> InteropError {
        let what = format!("`{key}`: {} in {}", short(value), self.file);
        InteropError::Unsupported { what, why: why.to_owned() }
    }

    /// The error for a value that is of another kind than the key's.
    pub(super) fn odd(&self, key: &str, value: &Value, wanted: &str) -> InteropError {
        let reason = format!("`{key}` is {wanted}, not {}", short(value));
        InteropError::Settings { file: self.file.clone(), reason }
    }
}

/// A value as it is written, but not all of a long one.
fn short(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
