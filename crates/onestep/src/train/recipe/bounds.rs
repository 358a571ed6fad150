//! Sizes beyond which no network is laid out: a slip of the keyboard must not fill the memory before anything is computed.

use toml::{Table, Value};

use crate::model::Architecture;
use crate::train::RecipeError;

/// Largest value of a key of the table `network`: many times what any published network has.
const LARGEST: &[(&str, i64)] = &[
    ("image_size", 4096),
    ("num_blocks", 1000),
    ("num_res_blocks", 1000),
    ("depth", 10_000),
    ("model_channels", 1 << 14),
    ("channel_mult", 64),
    ("channel_mult_emb", 64),
];

/// Largest number under any other key.
const LARGEST_OTHER: i64 = 1 << 20;

/// Most numbers in a list, and so most levels of a network.
const LONGEST: usize = 16;

/// Refuses a network of absurd size, without laying it out.
///
/// # Errors
///
/// [`RecipeError::Value`] with the key and its bound.
pub(super) fn check(network: &Architecture) -> Result<(), RecipeError> {
    if matches!(network, Architecture::Custom(_)) {
        return Ok(());
    }
    let table = Table::try_from(network).expect("a network holds nothing that TOML cannot express");
    for (key, value) in &table {
        let largest =
            LARGEST.iter().find(|(known, _)| known == key).map_or(LARGEST_OTHER, |(_, largest)| *largest);
        let numbers = match value {
            Value::Integer(number) => vec![*number],
            Value::Array(list) => list.iter().filter_map(Value::as_integer).collect(),
            _ => Vec::new(),
        };
        let bad = |reason| Err(RecipeError::Value { key: "network", reason });
        if let Some(number) = numbers.iter().find(|&&number| number > largest) {
            return bad(format!("has {key} = {number}, and at most {largest} can be laid out"));
        }
        if numbers.len() > LONGEST {
            return bad(format!(
                "has {} numbers in {key}, and at most {LONGEST} can be laid out",
                numbers.len()
            ));
        }
    }
    Ok(())
}
