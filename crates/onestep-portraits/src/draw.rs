//! Portraits drawn at random, each a function of its number alone.

use crate::art::{Art, Layer};
use crate::choices::Choices;
use crate::paint::Palette;
use crate::portrait::Portrait;
use crate::split::Split;

/// Portraits that have nothing in common, whatever their numbers.
#[derive(Debug, Clone, Copy)]
enum Stream {
    All,
    Train,
    HeldOut,
}

/// What a random number is for; each has its own.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    IsThere(Layer),
    Part(Layer),
    Color(Palette),
    OtherClothingColor,
}

impl Purpose {
    fn number(self) -> u64 {
        match self {
            Self::IsThere(layer) => layer as u64,
            Self::Part(layer) => 16 + layer as u64,
            Self::Color(palette) => 32 + palette as u64,
            Self::OtherClothingColor => 48,
        }
    }
}

impl Portrait {
    /// The portrait of a number, with the probabilities of the part set.
    ///
    /// # Randomness
    ///
    /// It is a function of `index` alone, the same on every machine. Parts and colors are equally probable within their layer
    /// and palette; glasses are drawn for 20 of 100 portraits, earrings for 10, a beard for 5, a hat for 5, and everything
    /// independently. A number is the finalizer of SplitMix64, of the index and then of what the number is for.
    ///
    /// # Source
    ///
    /// Probabilities of `@dicebear/pixel-art`. Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    pub fn at(index: u64) -> Self {
        drawn(Stream::All, index)
    }
}

impl Split {
    /// Portrait `index` of this side of the split.
    ///
    /// # Randomness
    ///
    /// As [`Portrait::at`], from another stream for each side, but that the color of the clothes is chosen among those that are
    /// on this side for the skin and the hair color drawn. That is the distribution of [`Portrait::at`], given the side.
    pub fn portrait(self, index: u64) -> Portrait {
        let stream = match self {
            Self::Train => Stream::Train,
            Self::HeldOut => Stream::HeldOut,
        };
        let portrait = drawn(stream, index);
        let held_out = portrait.held_out_clothing();
        let n_colors = Art::get().colors(Palette::Clothing).len() as u8;
        let color = match self {
            Self::HeldOut => held_out,
            Self::Train => {
                let further =
                    below(stream, index, Purpose::OtherClothingColor, u32::from(n_colors) - 1) as u8;
                (held_out + further) % n_colors + 1
            }
        };
        portrait.with_clothing_color(color)
    }
}

fn drawn(stream: Stream, index: u64) -> Portrait {
    let art = Art::get();
    let mut choices = Choices { parts: [1; 9], ..Choices::default() };
    for layer in Layer::CHOSEN {
        let is_there = art
            .percent(layer)
            .is_none_or(|percent| below(stream, index, Purpose::IsThere(layer), 100) < u32::from(percent));
        choices.parts[layer as usize] = if is_there { drawn_part(art, layer, stream, index) } else { 0 };
    }
    for palette in Palette::ALL {
        let n_colors = art.colors(palette).len() as u32;
        choices.colors[palette as usize] = below(stream, index, Purpose::Color(palette), n_colors) as u8 + 1;
    }
    Portrait::new(choices)
}

/// A part of a layer by its weight.
fn drawn_part(art: &Art, layer: Layer, stream: Stream, index: u64) -> u8 {
    let total = art.parts(layer).iter().map(|part| part.weight).sum();
    let mut left = below(stream, index, Purpose::Part(layer), total);
    for (number, part) in (1..).zip(art.parts(layer)) {
        if left < part.weight {
            return number;
        }
        left -= part.weight;
    }
    unreachable!("what is left is below the sum of the weights")
}

/// A number from 0 to below `n`, uniform but for `n` in 2^64.
fn below(stream: Stream, index: u64, purpose: Purpose, n: u32) -> u32 {
    let of_index = mix(mix(index).wrapping_add(stream as u64));
    let random = mix(of_index.wrapping_add(purpose.number()));
    ((u128::from(random) * u128::from(n)) >> 64) as u32
}

/// One step of SplitMix64: the increment and the finalizer.
fn mix(state: u64) -> u64 {
    let mut value = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the generator with the seed 0, which others publish.
    #[test]
    fn the_numbers_are_those_of_split_mix() {
        let state = |step: u64| step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let outputs = [0, 1, 2].map(|step| mix(state(step)));
        assert_eq!(outputs, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}
