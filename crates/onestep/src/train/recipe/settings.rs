//! From TOML and `key.path=value` to a table.

use crate::train::RecipeError;

pub(super) fn parse_error(error: toml::de::Error) -> RecipeError {
    RecipeError::Parse { message: error.to_string().trim_end().to_string() }
}

/// What takes a key away instead of giving it a value.
const NOTHING: &str = "null";

/// Whether a setting takes its key away.
pub(super) fn takes_away(setting: &str) -> bool {
    setting.split_once('=').is_some_and(|(_, value)| value.trim() == NOTHING)
}

/// Gives the key of a setting a value that no key has: a date.
pub(super) fn set_to_nonsense(table: &mut toml::Table, setting: &str) -> Result<(), RecipeError> {
    let (key, _) = setting.split_once('=').unwrap_or((setting, ""));
    apply_setting(table, &format!("{key} = 1979-05-27"))
}

/// Puts one `key.path=value` into the table; the value is TOML, or else a string, and `null` takes the key away.
pub(super) fn apply_setting(table: &mut toml::Table, setting: &str) -> Result<(), RecipeError> {
    let fail = |reason: String| RecipeError::Setting { setting: setting.into(), reason };
    let (path, value) = setting.split_once('=').ok_or_else(|| fail("write it as `key.path=value`".into()))?;
    let (path, value) = (path.trim(), value.trim());
    let nothing = value == NOTHING;
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or_else(|| fail("the key is empty".into()))?;
    let mut place = table;
    for key in keys {
        if nothing && !place.contains_key(key) {
            return Ok(());
        }
        place = place
            .entry(key)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| fail(format!("`{key}` is a single value and holds no `{last}`")))?;
    }
    match nothing {
        true => drop(place.remove(last)),
        false => drop(place.insert(last.into(), value)),
    }
    Ok(())
}
