//! The two namings of Inception's arrays: torchvision's (`Mixed_6a.branch3x3dbl_2.conv.weight`) and TensorFlow's
//! (`layers.mixed_3.tower.conv_1.weight`).

use crate::arrays::NamedArrays;

/// TensorFlow's names and torchvision's.
type Names = &'static [(&'static str, &'static str)];

/// Layers outside of blocks.
const STEM: Names = &[
    ("conv", "Conv2d_1a_3x3"),
    ("conv_1", "Conv2d_2a_3x3"),
    ("conv_2", "Conv2d_2b_3x3"),
    ("conv_3", "Conv2d_3b_1x1"),
    ("conv_4", "Conv2d_4a_3x3"),
];

/// Blocks, and the names inside.
const BLOCKS: &[(&str, &str, Names)] = &[
    ("mixed", "Mixed_5b", BLOCK_35),
    ("mixed_1", "Mixed_5c", BLOCK_35),
    ("mixed_2", "Mixed_5d", BLOCK_35),
    ("mixed_3", "Mixed_6a", BLOCK_35_TO_17),
    ("mixed_4", "Mixed_6b", BLOCK_17),
    ("mixed_5", "Mixed_6c", BLOCK_17),
    ("mixed_6", "Mixed_6d", BLOCK_17),
    ("mixed_7", "Mixed_6e", BLOCK_17),
    ("mixed_8", "Mixed_7a", BLOCK_17_TO_8),
    ("mixed_9", "Mixed_7b", BLOCK_8),
    ("mixed_10", "Mixed_7c", BLOCK_8),
];

const BLOCK_35: Names = &[
    ("conv", "branch1x1"),
    ("tower.conv", "branch5x5_1"),
    ("tower.conv_1", "branch5x5_2"),
    ("tower_1.conv", "branch3x3dbl_1"),
    ("tower_1.conv_1", "branch3x3dbl_2"),
    ("tower_1.conv_2", "branch3x3dbl_3"),
    ("tower_2.conv", "branch_pool"),
];

const BLOCK_35_TO_17: Names = &[
    ("conv", "branch3x3"),
    ("tower.conv", "branch3x3dbl_1"),
    ("tower.conv_1", "branch3x3dbl_2"),
    ("tower.conv_2", "branch3x3dbl_3"),
];

const BLOCK_17: Names = &[
    ("conv", "branch1x1"),
    ("tower.conv", "branch7x7_1"),
    ("tower.conv_1", "branch7x7_2"),
    ("tower.conv_2", "branch7x7_3"),
    ("tower_1.conv", "branch7x7dbl_1"),
    ("tower_1.conv_1", "branch7x7dbl_2"),
    ("tower_1.conv_2", "branch7x7dbl_3"),
    ("tower_1.conv_3", "branch7x7dbl_4"),
    ("tower_1.conv_4", "branch7x7dbl_5"),
    ("tower_2.conv", "branch_pool"),
];

const BLOCK_17_TO_8: Names = &[
    ("tower.conv", "branch3x3_1"),
    ("tower.conv_1", "branch3x3_2"),
    ("tower_1.conv", "branch7x7x3_1"),
    ("tower_1.conv_1", "branch7x7x3_2"),
    ("tower_1.conv_2", "branch7x7x3_3"),
    ("tower_1.conv_3", "branch7x7x3_4"),
];

const BLOCK_8: Names = &[
    ("conv", "branch1x1"),
    ("tower_conv", "branch3x3_1"),
    ("tower_mixed_conv", "branch3x3_2a"),
    ("tower_mixed_conv_1", "branch3x3_2b"),
    ("tower_1_conv", "branch3x3dbl_1"),
    ("tower_1_conv_1", "branch3x3dbl_2"),
    ("tower_1_mixed_conv", "branch3x3dbl_3a"),
    ("tower_1_mixed_conv_1", "branch3x3dbl_3b"),
    ("tower_2_conv", "branch_pool"),
];

/// What a layer holds.
const PARTS: Names =
    &[("weight", "conv.weight"), ("beta", "bn.bias"), ("mean", "bn.running_mean"), ("var", "bn.running_var")];

/// Whether the arrays are those of an Inception-v3, by two names of one of the namings.
pub(super) fn is_inception(named: &NamedArrays) -> bool {
    let both = |names: [&str; 2]| names.iter().all(|&name| named.contains_key(name));
    both(["Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch_pool.conv.weight"])
        || both(["layers.conv.weight", "layers.mixed_10.tower_2_conv.weight"])
}

/// The arrays in torchvision's names, without what training alone needs. Others keep theirs.
pub(super) fn in_torchvision_names(named: NamedArrays) -> NamedArrays {
    let mut translated = NamedArrays::new();
    for (name, array) in named {
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        match from_tensorflow(&name) {
            Some(name) => {
                // TensorFlow's batch norms have no scale.
                if let Some(layer) = name.strip_suffix(".bn.bias") {
                    translated
                        .insert(format!("{layer}.bn.weight"), (array.0.clone(), vec![1.0; array.1.len()]));
                }
                translated.insert(name, array);
            }
            None => {
                translated.insert(name, array);
            }
        }
    }
    translated
}

fn from_tensorflow(name: &str) -> Option<String> {
    if let Some(part) = name.strip_prefix("output.") {
        return Some(format!("fc.{part}"));
    }
    let find =
        |list: Names, name: &str| list.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let (layer, part) = name.strip_prefix("layers.")?.rsplit_once('.')?;
    let part = find(PARTS, part)?;
    if let Some(stem) = find(STEM, layer) {
        return Some(format!("{stem}.{part}"));
    }
    let (block, inside) = layer.split_once('.')?;
    let (_, block, layers) = BLOCKS.iter().find(|(theirs, ..)| *theirs == block)?;
    Some(format!("{block}.{}.{part}", find(layers, inside)?))
}
