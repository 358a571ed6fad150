//! Random words as a function of their place: a generator without state.

pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub(crate) const ROUNDS: usize = 10;

/// Philox4x32 with ten rounds: four random words for each counter and key.
///
/// # Source
///
/// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; checked against the published known answers.
#[inline]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = next_key(key);
    }
    counter
}

#[inline(always)]
fn next_key(key: [u32; 2]) -> [u32; 2] {
    [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])]
}

/// Blocks of four words that [`philox_words`] draws side by side.
pub(crate) const SIDE_BY_SIDE: usize = 32;
/// Words of them.
pub(crate) const WORDS: usize = 4 * SIDE_BY_SIDE;

/// The words of [`SIDE_BY_SIDE`] counters that follow each other: the lower two words of the counter are the number of the
/// block, from `first` on, the upper two are the same for all.
#[inline(always)]
pub(crate) fn philox_words(first: u64, upper: [u32; 2], mut key: [u32; 2]) -> [u32; WORDS] {
    const LOW: u64 = 0xffff_ffff;
    // Words in 64 bits each, as vectors multiply them.
    let [third, fourth] = upper.map(|word| [u64::from(word); SIDE_BY_SIDE]);
    let blocks: [u64; SIDE_BY_SIDE] = std::array::from_fn(|lane| first.wrapping_add(lane as u64));
    let mut counters = [blocks.map(|block| block & LOW), blocks.map(|block| block >> 32), third, fourth];
    for _ in 0..ROUNDS {
        let [c0, c1, c2, c3] = &mut counters;
        for lane in 0..SIDE_BY_SIDE {
            let a = u64::from(MULTIPLIERS[0]) * (c0[lane] & LOW);
            let b = u64::from(MULTIPLIERS[1]) * (c2[lane] & LOW);
            c0[lane] = (b >> 32) ^ c1[lane] ^ u64::from(key[0]);
            c1[lane] = b & LOW;
            c2[lane] = (a >> 32) ^ c3[lane] ^ u64::from(key[1]);
            c3[lane] = a & LOW;
        }
        key = next_key(key);
    }
    let mut words = [0; WORDS];
    let [c0, c1, c2, c3] = counters;
    for (lane, words) in words.chunks_exact_mut(4).enumerate() {
        words.copy_from_slice(&[c0[lane], c1[lane], c2[lane], c3[lane]].map(|word| word as u32));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the Random123 distribution (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn words_side_by_side_are_those_of_each_block() {
        // Also where the number of the block passes 32 bits, and where it starts over.
        for first in [0, 77, (1 << 32) - 5, u64::MAX - 3] {
            let expected: Vec<u32> = (0..SIDE_BY_SIDE as u64)
                .flat_map(|lane| {
                    let block = first.wrapping_add(lane);
                    philox([block as u32, (block >> 32) as u32, 3, u32::MAX], [0xa409_3822, 7])
                })
                .collect();
            assert_eq!(philox_words(first, [3, u32::MAX], [0xa409_3822, 7])[..], expected, "from {first}");
        }
    }
}
