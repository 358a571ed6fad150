//! What can be said about a portrait.

use std::fmt;
use std::sync::LazyLock;

use crate::art::{Art, Layer};
use crate::census::Census;
use crate::color_name::color_name;
use crate::paint::Palette;

/// One thing that is chosen about a portrait: a part, or a color.
///
/// A value of an attribute is an index into its [`names`](Attribute::names). Where nothing may be seen of what it is about,
/// the first value is `none`. A beard has the color of the hair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// The color of the skin.
    Skin,
    /// The form of the hair; `none` where a hat hides all of it.
    Hair,
    /// The color of hair and beard; `none` where a hat hides all hair and there is no beard.
    HairColor,
    /// The form of the eyes.
    Eyes,
    /// The color of the eyes.
    EyeColor,
    /// The form of the mouth.
    Mouth,
    /// The color of the mouth.
    MouthColor,
    /// The form of the clothes.
    Clothing,
    /// The color of the clothes.
    ClothingColor,
    /// The form of the glasses, or `none`.
    Glasses,
    /// The color of the glasses, or `none`.
    GlassesColor,
    /// The form of the hat, or `none`.
    Hat,
    /// The color of the hat, or `none`.
    HatColor,
    /// The form of the beard, or `none`.
    Beard,
    /// The form of the earrings, or `none`, also where hair hides them.
    Accessory,
    /// The color of the earrings, or `none`.
    AccessoryColor,
}

/// Where an attribute's values are in the part set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Part(Layer),
    Color(Palette),
}

/// What is known about the values of an attribute.
struct Values {
    names: Vec<String>,
    distribution: Vec<f64>,
}

impl Attribute {
    /// All attributes, in the order of [`Portrait::values`](crate::Portrait::values).
    pub const ALL: [Self; 16] = [
        Self::Skin,
        Self::Hair,
        Self::HairColor,
        Self::Eyes,
        Self::EyeColor,
        Self::Mouth,
        Self::MouthColor,
        Self::Clothing,
        Self::ClothingColor,
        Self::Glasses,
        Self::GlassesColor,
        Self::Hat,
        Self::HatColor,
        Self::Beard,
        Self::Accessory,
        Self::AccessoryColor,
    ];

    /// Its name, in small letters with underscores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skin => "skin",
            Self::Hair => "hair",
            Self::HairColor => "hair_color",
            Self::Eyes => "eyes",
            Self::EyeColor => "eye_color",
            Self::Mouth => "mouth",
            Self::MouthColor => "mouth_color",
            Self::Clothing => "clothing",
            Self::ClothingColor => "clothing_color",
            Self::Glasses => "glasses",
            Self::GlassesColor => "glasses_color",
            Self::Hat => "hat",
            Self::HatColor => "hat_color",
            Self::Beard => "beard",
            Self::Accessory => "accessory",
            Self::AccessoryColor => "accessory_color",
        }
    }

    /// The names of its values: a part's in the part set, or a word for a color, of this crate's own and
    /// unique in the palette.
    pub fn names(self) -> &'static [String] {
        &self.known().names
    }

    /// How probable each value is in a portrait that is drawn at random: exact but for rounding.
    ///
    /// It counts what is seen. The part set draws hair for everyone, for one; what a hat then hides counts as `none`, and
    /// what looks like another hair under it counts as that one.
    pub fn distribution(self) -> &'static [f64] {
        &self.known().distribution
    }

    /// The number of its values.
    pub fn n_values(self) -> usize {
        self.names().len()
    }

    /// Whether its first value is `none`.
    pub fn may_be_none(self) -> bool {
        match self {
            Self::Hair
            | Self::HairColor
            | Self::Glasses
            | Self::GlassesColor
            | Self::Hat
            | Self::HatColor
            | Self::Beard
            | Self::Accessory
            | Self::AccessoryColor => true,
            Self::Skin
            | Self::Eyes
            | Self::EyeColor
            | Self::Mouth
            | Self::MouthColor
            | Self::Clothing
            | Self::ClothingColor => false,
        }
    }

    /// The value of this attribute that the part set counts from 1, with 0 for none.
    pub(crate) fn value_from_number(self, number: u8) -> usize {
        usize::from(number) - usize::from(!self.may_be_none())
    }

    /// The other way round.
    pub(crate) fn number_from_value(self, value: usize) -> u8 {
        u8::try_from(value + usize::from(!self.may_be_none())).expect("fewer than a hundred values")
    }

    pub(crate) fn place(self) -> Place {
        match self {
            Self::Skin => Place::Color(Palette::Skin),
            Self::Hair => Place::Part(Layer::Hair),
            Self::HairColor => Place::Color(Palette::Hair),
            Self::Eyes => Place::Part(Layer::Eyes),
            Self::EyeColor => Place::Color(Palette::Eyes),
            Self::Mouth => Place::Part(Layer::Mouth),
            Self::MouthColor => Place::Color(Palette::Mouth),
            Self::Clothing => Place::Part(Layer::Clothing),
            Self::ClothingColor => Place::Color(Palette::Clothing),
            Self::Glasses => Place::Part(Layer::Glasses),
            Self::GlassesColor => Place::Color(Palette::Glasses),
            Self::Hat => Place::Part(Layer::Hat),
            Self::HatColor => Place::Color(Palette::Hat),
            Self::Beard => Place::Part(Layer::Beard),
            Self::Accessory => Place::Part(Layer::Accessories),
            Self::AccessoryColor => Place::Color(Palette::Accessories),
        }
    }

    fn known(self) -> &'static Values {
        static KNOWN: LazyLock<[Values; 16]> = LazyLock::new(|| Attribute::ALL.map(Attribute::find_values));
        &KNOWN[self as usize]
    }

    fn find_values(self) -> Values {
        let art = Art::get();
        let census = Census::get();
        let (shown, chances): (Vec<String>, _) = match self.place() {
            Place::Part(layer) => {
                let names = art.parts(layer).iter().map(|part| part.name.clone());
                (names.collect(), &census.parts[layer as usize])
            }
            Place::Color(palette) => {
                let names = art.colors(palette).iter().map(|&color| color_name(palette, color));
                (names.collect(), &census.colors[palette as usize])
            }
        };
        let none = self.may_be_none().then(|| "none".to_owned());
        let distribution = chances[usize::from(!self.may_be_none())..].to_vec();
        Values { names: none.into_iter().chain(shown).collect(), distribution }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_a_value_where_and_only_where_it_happens() {
        for (place, attribute) in Attribute::ALL.into_iter().enumerate() {
            assert_eq!(attribute as usize, place, "{attribute}");
            let census = Census::get();
            let of_none = match attribute.place() {
                Place::Part(layer) => census.parts[layer as usize][0],
                Place::Color(palette) => census.colors[palette as usize][0],
            };
            assert_eq!(of_none > 0.0, attribute.may_be_none(), "{attribute}");
            assert_eq!(attribute.names()[0] == "none", attribute.may_be_none(), "{attribute}");
            assert_eq!(attribute.names().len(), attribute.distribution().len(), "{attribute}");
        }
    }
}
