//! The permutations of numpy's old generator, which published metrics draw their subsets and splits with.
//!
//! Nothing else here is random: where a metric depends on which images it looks at together, it takes those that the
//! published code takes, so that both print the same number.

const N: usize = 624;
const M: usize = 397;

/// A sequence of permutations: `numpy.random.RandomState(seed).permutation(n)`, again and again.
///
/// # Source
///
/// Matsumoto and Nishimura 1998, MT19937 with its 32-bit seeding; the shuffle runs from the last place to the first and
/// draws each place by masked rejection, as numpy's legacy generator does. Checked against numpy 2.
#[derive(Debug, Clone)]
pub struct Permutations {
    state: [u32; N],
    used: usize,
}

impl Permutations {
    /// The sequence of a seed.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for place in 1..N {
            let before = state[place - 1];
            state[place] = (before ^ before >> 30).wrapping_mul(1_812_433_253).wrapping_add(place as u32);
        }
        Self { state, used: N }
    }

    /// The next permutation of `0..n`.
    pub fn next(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.at_most(last as u32) as usize);
        }
        order
    }

    fn at_most(&mut self, largest: u32) -> u32 {
        let mask = u32::MAX >> largest.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= largest {
                return value;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.used == N {
            self.turn();
            self.used = 0;
        }
        let mut word = self.state[self.used];
        self.used += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn turn(&mut self) {
        for place in 0..N {
            let joined = self.state[place] & 0x8000_0000 | self.state[(place + 1) % N] & 0x7fff_ffff;
            let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[place] = self.state[(place + M) % N] ^ joined >> 1 ^ twist;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r = numpy.random.RandomState(2020); r.permutation(10); r.permutation(7); r.choice(1000, 5, replace=False)`.
    #[test]
    fn permutations_are_those_of_numpy() {
        let mut permutations = Permutations::new(2020);
        assert_eq!(permutations.next(10), [2, 4, 9, 1, 5, 7, 6, 3, 8, 0]);
        assert_eq!(permutations.next(7), [4, 3, 1, 2, 5, 6, 0]);
        assert_eq!(permutations.next(1000)[..5], [137, 472, 829, 133, 288]);
        assert_eq!(permutations.next(0), [0; 0]);
        assert_eq!(permutations.next(1), [0]);
    }
}
