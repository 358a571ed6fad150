//! Tensors as views into memory, and the arrays that they show.

use std::collections::BTreeMap;

use super::broken;
use super::pickle::{Storage, View};
use super::problem::Problem;

/// Bytes of a piece of memory.
pub(super) fn n_bytes(storage: &Storage) -> Result<usize, Problem> {
    let Storage { key, element, length, .. } = storage;
    let n_bytes = length.checked_mul(element.size());
    n_bytes.ok_or_else(|| broken(format!("memory `{key}` of {length} numbers is larger than any file")))
}

impl View {
    /// Whether it shows its whole memory from the first number to the last.
    pub(super) fn is_whole(&self) -> bool {
        let mut expected = 1;
        let is_dense = self.shape.iter().zip(&self.strides).rev().all(|(&extent, &stride)| {
            let dense = extent == 1 || stride == expected;
            expected *= extent;
            dense
        });
        is_dense && self.offset == 0 && expected == self.storage.length
    }
}

/// Tensors by name, each of which has been found to lie in its memory.
#[derive(Debug)]
pub(super) struct Views(BTreeMap<String, View>);

impl Views {
    /// Checks views against the memory that they name.
    pub(super) fn new(views: Vec<(String, View)>) -> Result<Self, Problem> {
        // How much of each piece of memory may still be shown: tied weights show the same numbers twice, no model a dozen times.
        let mut left: BTreeMap<String, (Storage, usize)> = BTreeMap::new();
        let mut named = BTreeMap::new();
        for (name, view) in views {
            let key = &view.storage.key;
            let n_values = check(&view).map_err(|reason| broken(format!("tensor `{name}` {reason}")))?;
            let whole =
                || (view.storage.clone(), view.storage.length.saturating_mul(16).saturating_add(1024));
            let (storage, shown) = left.entry(key.clone()).or_insert_with(whole);
            if view.storage != *storage {
                return Err(broken(format!("memory `{key}` has two types or lengths")));
            }
            *shown = shown
                .checked_sub(n_values)
                .ok_or_else(|| Problem::Hostile(format!("tensors show memory `{key}` over and over")))?;
            if named.insert(name.clone(), view).is_some() {
                return Err(broken(format!("it has two tensors called `{name}`")));
            }
        }
        Ok(Self(named))
    }

    /// The view of this name.
    pub(super) fn get(&self, name: &str) -> Option<&View> {
        self.0.get(name)
    }

    /// Names and shapes.
    pub(super) fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.0.iter().map(|(name, view)| (name.clone(), view.shape.clone())).collect()
    }
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

/// The values of a view that [`Views`] has let pass, in row-major order.
pub(super) fn gather(view: &View, values: &[f32]) -> Vec<f32> {
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
