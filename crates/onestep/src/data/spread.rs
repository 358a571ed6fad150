//! A part of a set that stands for the whole.

/// The numbers of `n` of `n_of` images, ascending: a fixed choice that follows from the two numbers alone, spread over all of them.
///
/// Sets are sorted by class more often than not, so that their first images are of their first classes; these are of all
/// classes, as many of each as chance has it. All of them where `n` is not less than `n_of`.
///
/// # Randomness
///
/// A sample without replacement by a generator of a fixed seed: Floyd's algorithm over splitmix64.
pub fn spread(n_of: usize, n: usize) -> Vec<usize> {
    if n >= n_of {
        return (0..n_of).collect();
    }
    let mut state = 0u64;
    let mut at_most = |most: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let word = mixed ^ mixed >> 31;
        ((u128::from(word) * (most as u128 + 1)) >> 64) as usize
    };
    let mut chosen = std::collections::BTreeSet::new();
    for last in n_of - n..n_of {
        let number = at_most(last);
        if !chosen.insert(number) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_images_of_every_stretch_in_proportion() {
        let chosen = spread(50_000, 10_000);
        assert_eq!(chosen.len(), 10_000);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        for class in 0..10 {
            let n = chosen.iter().filter(|&&number| number / 5000 == class).count();
            // A binomial's deviation is 28.
            assert!((900..1100).contains(&n), "{n} of class {class}");
        }
        assert_eq!(spread(5, 5), [0, 1, 2, 3, 4]);
        assert_eq!(spread(3, 9), [0, 1, 2]);
        assert_eq!(spread(4, 0), [0; 0]);
        assert_eq!(spread(1000, 10), spread(1000, 10));
    }
}
