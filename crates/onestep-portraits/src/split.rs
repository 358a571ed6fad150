//! Combinations that are never trained on.

use std::sync::LazyLock;

use crate::art::Art;
use crate::attribute::Attribute;
use crate::census::Census;
use crate::paint::Palette;
use crate::portrait::Portrait;

/// A side of the split of all portraits into two: for training, and held out.
///
/// Held out are 96 combinations of skin, hair color and color of the clothes: for each skin s (0 to 7) and hair color h (0 to 10,
/// or 11 where none is seen) the clothes of the color (5 s + h) mod 12. Every pair of the three is in the training side, so who
/// draws a held-out combination has put it together and has not seen it.
///
/// A twelfth of all portraits is held out, whatever else is known about them but the clothes' color: so both sides have all
/// distributions of [`Attribute::distribution`] exactly, of every other attribute and of all others together. The color of the
/// clothes alone, as 8 x 11 combinations do not divide by 12, differs by at most 0.83 percent of its probability in training,
/// which takes about a million portraits to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// What a model may see.
    Train,
    /// What it must not have seen.
    HeldOut,
}

impl Portrait {
    /// The side of the split that this portrait is on.
    pub fn split(&self) -> Split {
        if self.choices().color(Palette::Clothing) == self.held_out_clothing() {
            Split::HeldOut
        } else {
            Split::Train
        }
    }

    /// The number, from 1, of the color of clothes that is held out for this skin and hair color.
    pub(crate) fn held_out_clothing(&self) -> u8 {
        held_out_clothing(self.choices().color(Palette::Skin), self.choices().color(Palette::Hair))
    }
}

/// By the numbers of skin and hair color from 1, where 0 is none.
fn held_out_clothing(skin: u8, hair: u8) -> u8 {
    let hair = hair.checked_sub(1).unwrap_or(11);
    (5 * (skin - 1) + hair) % 12 + 1
}

impl Split {
    /// Both sides.
    pub const ALL: [Self; 2] = [Self::Train, Self::HeldOut];

    /// How probable each value of an attribute is on this side: exact but for rounding.
    pub fn distribution(self, attribute: Attribute) -> &'static [f64] {
        static CLOTHING: LazyLock<[Vec<f64>; 2]> = LazyLock::new(|| Split::ALL.map(clothing_colors));
        match attribute {
            Attribute::ClothingColor => &CLOTHING[self as usize],
            other => other.distribution(),
        }
    }
}

/// The distribution of the color of the clothes, over all skins and hair colors.
fn clothing_colors(split: Split) -> Vec<f64> {
    let n_colors = Art::get().colors(Palette::Clothing).len();
    let mut chances = vec![0.0; n_colors];
    let of_colors = |palette: Palette| (0u8..).zip(&Census::get().colors[palette as usize]);
    for (skin, of_skin) in of_colors(Palette::Skin).skip(1) {
        for (hair, of_hair) in of_colors(Palette::Hair) {
            let held_out = usize::from(held_out_clothing(skin, hair)) - 1;
            for (color, chance) in chances.iter_mut().enumerate() {
                let share = match split {
                    Split::HeldOut => f64::from(u8::from(color == held_out)),
                    Split::Train => f64::from(u8::from(color != held_out)) / (n_colors - 1) as f64,
                };
                *chance += of_skin * of_hair * share;
            }
        }
    }
    chances
}
