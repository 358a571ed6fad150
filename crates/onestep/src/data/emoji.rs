//! The built-in emoji, cut from their atlas.

use serde::Deserialize;

use super::image_set::Pictures;
use super::table::{Part, Table};
use super::{DataError, ImageShape, PassedOver, Pixels, Split};

#[derive(Deserialize)]
struct AtlasIndex {
    cell: usize,
    cols: usize,
    classes: Vec<String>,
    labels: Vec<usize>,
    names: Vec<String>,
}

/// Every so manieth emoji is held back when a part is asked for: the last of each run, so 189 of 1,892.
const HELD_BACK_EVERY: usize = 10;

/// Cuts the atlas into its images, with their labels if they are wanted: image i is in column i mod 48, row i / 48.
pub(super) fn pictures(split: Option<Split>, with_labels: bool) -> Result<Pictures, DataError> {
    let name = "builtin:emoji";
    if split == Some(Split::Val) {
        return Err(DataError::NoSplit { name: name.to_owned(), split: Split::Val });
    }
    let index: AtlasIndex = serde_json::from_str(onestep_emoji::INDEX)
        .map_err(|error| DataError::damaged(name, error.to_string()))?;
    let atlas = Pixels::decode(onestep_emoji::ATLAS, name)?.into_rgb();
    let (cell, n_images) = (index.cell, index.labels.len());
    let atlas_shape = atlas.shape();
    let rows = n_images.div_ceil(index.cols.max(1));
    if rows * cell > atlas_shape.height
        || index.cols * cell > atlas_shape.width
        || index.names.len() != n_images
    {
        return Err(DataError::damaged(name, "the atlas does not fit its index"));
    }
    let shape = ImageShape { height: cell, width: cell, channels: 3 };
    let is_wanted = |image: &usize| {
        let is_held_back = image % HELD_BACK_EVERY == HELD_BACK_EVERY - 1;
        split.is_none_or(|split| (split == Split::Test) == is_held_back)
    };
    let wanted: Vec<usize> = (0..n_images).filter(is_wanted).collect();
    let mut bytes = Vec::with_capacity(wanted.len() * shape.n_values());
    for &image in &wanted {
        let (top, left) = (image / index.cols * cell, image % index.cols * cell);
        for row in top..top + cell {
            let start = (row * atlas_shape.width + left) * 3;
            bytes.extend_from_slice(&atlas.bytes()[start..start + cell * 3]);
        }
    }
    let parts = wanted.iter().map(|&image| Part { name: format!("{name} {}", index.names[image]), len: 1 });
    let reader = Box::new(Table::new(shape, bytes, parts.collect()));
    let labels = with_labels.then(|| wanted.iter().map(|&image| index.labels[image]).collect());
    Ok(Pictures { reader, labels, class_names: index.classes, passed_over: PassedOver::default() })
}
