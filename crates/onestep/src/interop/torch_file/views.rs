//! Tensors as views into memory, and the arrays that they show.

use std::collections::BTreeMap;

use super::broken;
use super::pickle::{Problem, Storage, View};
use crate::arrays::NamedArrays;

/// Bytes of a piece of memory.
pub(super) fn n_bytes(storage: &Storage) -> Result<usize, Problem> {
    let Storage { key, element, length } = storage;
    let n_bytes = length.checked_mul(element.size());
    n_bytes.ok_or_else(|| broken(format!("memory `{key}` of {length} numbers is larger than any file")))
}

/// The arrays of views into memory that `read` gets, one piece at a time.
pub(super) fn arrays(
    views: Vec<(String, View)>,
    mut read: impl FnMut(&Storage) -> Result<Vec<u8>, Problem>,
) -> Result<NamedArrays, Problem> {
    let mut by_storage: BTreeMap<String, Vec<(String, View)>> = BTreeMap::new();
    for (name, view) in views {
        by_storage.entry(view.storage.key.clone()).or_default().push((name, view));
    }
    let mut named = NamedArrays::new();
    for (key, views) in by_storage {
        let storage = views[0].1.storage.clone();
        // Tied weights show the same numbers twice; no model shows them a dozen times.
        let mut shown = storage.length.saturating_mul(16).saturating_add(1024);
        for (name, view) in &views {
            if view.storage != storage {
                return Err(broken(format!("memory `{key}` has two types or lengths")));
            }
            let n_values = check(view).map_err(|reason| broken(format!("tensor `{name}` {reason}")))?;
            shown = shown
                .checked_sub(n_values)
                .ok_or_else(|| Problem::Hostile(format!("tensors show memory `{key}` over and over")))?;
        }
        let values = storage.element.values(&read(&storage)?);
        for (name, view) in views {
            let gathered = gather(&view, &values);
            if named.insert(name.clone(), (view.shape, gathered)).is_some() {
                return Err(broken(format!("it has two tensors called `{name}`")));
            }
        }
    }
    Ok(named)
}

/// The number of values of a view that lies in its memory.
fn check(view: &View) -> Result<usize, String> {
    let View { storage, offset, shape, strides } = view;
    let n_values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    let n_values = n_values.ok_or_else(|| format!("has the impossible shape {shape:?}"))?;
    if n_values == 0 {
        return Ok(0);
    }
    let reach = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |reach, (&extent, &stride)| reach.checked_add((extent - 1).checked_mul(stride)?));
    if n_values > storage.length || reach.is_none_or(|reach| reach >= storage.length) {
        return Err(format!(
            "of shape {shape:?} with strides {strides:?} from {offset} on does not fit its memory of {} numbers",
            storage.length
        ));
    }
    Ok(n_values)
}

/// The values of a view that [`check`] has let pass, in row-major order.
fn gather(view: &View, values: &[f32]) -> Vec<f32> {
    let View { offset, shape, strides, .. } = view;
    let n_values: usize = shape.iter().product();
    if n_values == 0 {
        return Vec::new();
    }
    let mut gathered = Vec::with_capacity(n_values);
    let mut index = vec![0; shape.len()];
    let mut place = *offset;
    while gathered.len() < n_values {
        gathered.push(values[place]);
        // Like the wheels of a counter, the last axis fastest.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= shape[axis] * strides[axis];
            index[axis] = 0;
        }
    }
    gathered
}
