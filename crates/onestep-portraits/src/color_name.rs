//! Words for the colors of the palettes, as the part set has none.

use crate::paint::{Palette, Rgb};

/// The word for a color of a palette; its six hexadecimal digits if the palette has got one since that has none.
///
/// The words are unique in their palette: the same one means another color in another palette.
pub(crate) fn color_name(palette: Palette, color: Rgb) -> String {
    let [red, green, blue] = color;
    let digits = u32::from_be_bytes([0, red, green, blue]);
    let known = words(palette).iter().find(|&&(of, _)| of == digits);
    known.map_or_else(|| format!("{digits:06x}"), |&(_, word)| word.to_owned())
}

fn words(palette: Palette) -> &'static [(u32, &'static str)] {
    match palette {
        Palette::Skin => &[
            (0xff_dbac, "porcelain"),
            (0xf5_cfa0, "ivory"),
            (0xea_c393, "sand"),
            (0xe0_b687, "beige"),
            (0xcb_9e6e, "honey"),
            (0xb6_8655, "bronze"),
            (0xa2_6d3d, "chestnut"),
            (0x8d_5524, "umber"),
        ],
        Palette::Accessories => &[
            (0xda_a520, "dark-gold"),
            (0xff_d700, "gold"),
            (0xfa_fad2, "pale-gold"),
            (0xd3_d3d3, "silver"),
            (0xa9_a9a9, "gray"),
        ],
        Palette::Clothing => &[
            (0x5b_c0de, "sky-blue"),
            (0x42_8bca, "blue"),
            (0x03_396c, "navy"),
            (0x88_d8b0, "mint"),
            (0x44_c585, "sea-green"),
            (0x00_b159, "green"),
            (0xff_6f69, "coral"),
            (0xd1_1141, "crimson"),
            (0xae_0001, "dark-red"),
            (0xff_eead, "cream"),
            (0xff_d969, "yellow"),
            (0xff_c425, "amber"),
        ],
        Palette::Eyes => &[
            (0x76_778b, "gray"),
            (0x69_7b94, "slate-blue"),
            (0x64_7b90, "steel-blue"),
            (0x5b_7c8b, "gray-blue"),
            (0x58_8387, "teal"),
            (0x87_6658, "brown"),
        ],
        Palette::Glasses => &[
            (0x4b_4b4b, "gray"),
            (0x32_3232, "charcoal"),
            (0x19_1919, "black"),
            (0x43_677d, "blue"),
            (0x5f_705c, "olive"),
            (0xa0_4b5d, "raspberry"),
        ],
        Palette::Mouth => {
            &[(0xd2_9985, "peach"), (0xc9_8276, "rose"), (0xe3_5d6a, "pink"), (0xde_0f0d, "red")]
        }
        Palette::Hair => &[
            (0xca_b188, "blond"),
            (0x60_3a14, "brown"),
            (0x83_623b, "light-brown"),
            (0xa7_8961, "dark-blond"),
            (0x61_1c17, "burgundy"),
            (0x60_3015, "chestnut"),
            (0x61_2616, "auburn"),
            (0x28_150a, "black"),
            (0x00_9bbd, "blue"),
            (0xbd_1700, "red"),
            (0x91_cb15, "green"),
        ],
        Palette::Hat => &[
            (0x2e_1e05, "dark-brown"),
            (0x26_63a3, "blue"),
            (0x98_9789, "gray"),
            (0x3d_8a6b, "green"),
            (0xcc_6192, "pink"),
            (0x61_4f8a, "purple"),
            (0xa6_2116, "red"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::art::Art;

    #[test]
    fn every_color_of_every_palette_has_a_word_of_its_own() {
        for palette in Palette::ALL {
            let colors = Art::get().colors(palette);
            let names: BTreeSet<_> = colors.iter().map(|&color| color_name(palette, color)).collect();
            assert_eq!(names.len(), colors.len(), "{palette:?}");
            assert_eq!(names.len(), words(palette).len(), "{palette:?}");
            assert!(words(palette).iter().all(|&(_, word)| names.contains(word)), "{palette:?}: {names:?}");
        }
    }

    #[test]
    fn a_color_without_a_word_is_its_digits() {
        assert_eq!(color_name(Palette::Hair, [0, 0x1a, 3]), "001a03");
    }
}
