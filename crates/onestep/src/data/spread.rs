//! Many items cut into runs of equal length, and some of them that stand for all.

use std::ops::Range;

/// Which `n` of `n_of` items stand for all of them: a fixed choice, spread over the whole, in ascending order.
///
/// Collections are sorted, by class more often than not, and their first items are its first classes. So the items are cut
/// into `n` runs of equal length, to within one, and one of each run is taken: every class that fills two runs is
/// represented, and each by about its share. All are taken where there are not more than `n`.
///
/// # Randomness
///
/// Which one of a run is pseudo-random, a function of `n_of`, `n` and the run alone: the same numbers give the same choice,
/// on every machine, and no period of the collection is met.
///
/// # Examples
///
/// ```
/// use onestep::data::spread;
/// let chosen = spread(1000, 10);
/// assert!(chosen.iter().enumerate().all(|(run, &item)| item / 100 == run));
/// assert_eq!(spread(3, 10), [0, 1, 2]);
/// ```
pub fn spread(n_of: usize, n: usize) -> Vec<usize> {
    if n >= n_of {
        return (0..n_of).collect();
    }
    let key = split_mix(split_mix(n_of as u64) ^ n as u64);
    let one = |run: usize| {
        let items = run_of(n_of, run, n);
        items.start + (split_mix(key ^ run as u64) % items.len() as u64) as usize
    };
    (0..n).map(one).collect()
}

/// Run number `run`, from 0, of `n` that so many items are cut into: of equal length, to within one.
pub(crate) fn run_of(n_of: usize, run: usize, n: usize) -> Range<usize> {
    let start = |run: usize| (run as u128 * n_of as u128 / n.max(1) as u128) as usize;
    start(run)..start(run + 1)
}

/// The bits of a counter, mixed.
///
/// # Source
///
/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
pub(super) fn split_mix(counter: u64) -> u64 {
    let mut bits = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_of_the_whole_has_one_and_none_is_favoured() {
        for (n_of, n) in [(1, 1), (10, 3), (1000, 999), (50_000, 128), (7, 7), (0, 5), (5, 0)] {
            let chosen = spread(n_of, n);
            assert_eq!(chosen.len(), n.min(n_of));
            assert!(
                chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen.iter().all(|&item| item < n_of)
            );
            assert_eq!(chosen, spread(n_of, n));
        }
        // Where in its run an item lies is even: of 2000 runs of 10, each place gets 200, give or take 4 deviations of 13.4.
        let mut places = [0; 10];
        spread(20_000, 2000).iter().enumerate().for_each(|(run, item)| places[item - 10 * run] += 1);
        assert!(places.iter().all(|count| (146..=254).contains(count)), "{places:?}");
        assert_ne!(spread(20_000, 2000)[..50], spread(20_001, 2000)[..50]);
    }
}
