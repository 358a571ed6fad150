//! The built-in portraits, drawn when they are asked for.

use onestep_portraits::{Attribute, Portrait, Split as Side};

use super::fingerprint::Fingerprint;
use super::image::values_from_bytes;
use super::{AttributeTable, DataError, DataSpec, Dataset, ImageShape, Labels, Sample, Split};
use crate::size::ImageSize;

/// Portraits to learn from. There are more than a short run sees; an epoch has to have an end.
pub(crate) const N_TRAINING: usize = 1 << 20;
/// Portraits of combinations that are held back.
const N_HELD_OUT: usize = 1 << 16;

/// Part of the fingerprint; to be raised if ever a portrait of a number changes.
const VERSION: usize = 1;

/// Pixels a side, as they are drawn and doubled.
const SIDES: [usize; 2] = [16, 32];

/// What classes are where nobody names an attribute.
const USUAL: Attribute = Attribute::HairColor;

/// The portraits of one side of the split, seen through a [`DataSpec`].
pub(super) struct PortraitSet {
    side: Side,
    len: usize,
    doubled: bool,
    classes: Option<Attribute>,
    class_names: Vec<String>,
}

impl PortraitSet {
    /// Refuses what portraits are not drawn in.
    pub(super) fn new(spec: &DataSpec) -> Result<Self, DataError> {
        let name = &spec.source;
        let refused = |setting, reason: String| Err(DataError::Setting { setting, reason });
        let (side, n) = match spec.split {
            None | Some(Split::Train) => (Side::Train, N_TRAINING),
            Some(Split::Test) => (Side::HeldOut, N_HELD_OUT),
            Some(Split::Val) => {
                return Err(DataError::NoSplit { name: name.clone(), split: Split::Val });
            }
        };
        if spec.grey {
            return refused("grey", format!("is not for `{name}`, which is in color; leave it out"));
        }
        let sizes = SIDES.map(ImageSize::from);
        let size = spec.image_size.unwrap_or(sizes[0]);
        if !sizes.contains(&size) {
            let reason = format!("of `{name}` is 16, as it is drawn, or 32, doubled; not {size}");
            return refused("image_size", reason);
        }
        let classes = match spec.labels {
            Labels::Given => Some(USUAL),
            Labels::None => None,
            Labels::Attribute(name) => Attribute::ALL.into_iter().find(|attribute| attribute.name() == name),
            Labels::FileName => {
                let names = Attribute::ALL.map(Attribute::name).join(", ");
                let reason = format!(
                    "is \"file-name\", and the images of `{name}` are no files; say true, false, or one of {names}"
                );
                return refused("labels", reason);
            }
        };
        let class_names = classes.map_or_else(Vec::new, |attribute| attribute.names().to_vec());
        let len = spec.limit.unwrap_or(n).min(n);
        Ok(Self { side, len, doubled: size == sizes[1], classes, class_names })
    }

    fn portrait(&self, index: usize) -> Result<Portrait, DataError> {
        match index < self.len {
            true => Ok(self.side.portrait(index as u64)),
            false => Err(DataError::Index { index, len: self.len }),
        }
    }

    fn label(&self, portrait: &Portrait) -> Option<usize> {
        self.classes.map(|attribute| portrait.value(attribute))
    }
}

impl Dataset for PortraitSet {
    fn len(&self) -> usize {
        self.len
    }

    fn shape(&self) -> ImageShape {
        let side = SIDES[usize::from(self.doubled)];
        ImageShape { height: side, width: side, channels: 3 }
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn sample(&self, index: usize) -> Result<Sample, DataError> {
        let portrait = self.portrait(index)?;
        let values = match self.doubled {
            false => values_from_bytes(&portrait.render()),
            true => values_from_bytes(&portrait.render_doubled()),
        };
        Ok(Sample { values, label: self.label(&portrait) })
    }

    /// All that is known of a portrait stands behind its number.
    fn source(&self, index: usize) -> String {
        let side = if self.side == Side::HeldOut { ":test" } else { "" };
        let Ok(portrait) = self.portrait(index) else { return format!("builtin:portraits{side} {index}") };
        let told = Attribute::ALL.into_iter().filter(|&attribute| portrait.name(attribute) != "none");
        let told: Vec<String> =
            told.map(|attribute| format!("{attribute} {}", portrait.name(attribute))).collect();
        format!("builtin:portraits{side} {index} ({})", told.join(", "))
    }

    fn fingerprint(&self) -> String {
        // The numbers instead of the pictures: a million of them take seconds.
        let mut hasher = Fingerprint::new("portraits");
        for number in [VERSION, self.len, usize::from(self.side == Side::HeldOut), usize::from(self.doubled)]
        {
            hasher.number(number);
        }
        hasher.bytes(self.classes.map_or("", Attribute::name).as_bytes());
        hasher.finish()
    }

    fn probe(&self, index: usize) -> Result<Option<usize>, DataError> {
        Ok(self.label(&self.portrait(index)?))
    }

    fn attributes(&self) -> Vec<AttributeTable> {
        let values = |attribute: Attribute| {
            attribute.names().iter().cloned().zip(self.side.distribution(attribute).iter().copied()).collect()
        };
        let table = |attribute: Attribute| AttributeTable {
            name: attribute.name().into(),
            values: values(attribute),
        };
        Attribute::ALL.into_iter().map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::labels::ATTRIBUTES;

    #[test]
    fn labels_know_all_attributes() {
        assert_eq!(ATTRIBUTES, Attribute::ALL.map(Attribute::name));
    }
}
