//! Sums in the order of a tree, of terms that come one after the other.

/// Adds terms as the leaves of a binary tree from left to right: neighbors first, then pairs of pairs. At most one partial sum of each
/// height is kept, so that 2^k terms need memory for k + 1.
///
/// # Examples
///
/// ```
/// use onestep::distributed::TreeSum;
///
/// let mut sum = TreeSum::new(|a: f32, b: f32| a + b);
/// [1e8, 1.0, -1e8, 1.0].into_iter().for_each(|term| sum.add(term));
/// assert_eq!(sum.total(), Some((1e8 + 1.0) + (-1e8 + 1.0)));
/// ```
#[derive(Debug)]
pub struct TreeSum<T, F> {
    add: F,
    /// Sums of the finished parts, from the highest to the lowest, each with its height.
    parts: Vec<(u32, T)>,
}

impl<T, F: Fn(T, T) -> T> TreeSum<T, F> {
    /// No terms yet, to be added two by two by `add`.
    pub fn new(add: F) -> Self {
        Self { add, parts: Vec::new() }
    }

    /// Adds the next term.
    pub fn add(&mut self, term: T) {
        let (mut height, mut sum) = (0, term);
        while let Some((_, left)) = self.parts.pop_if(|(other, _)| *other == height) {
            sum = (self.add)(left, sum);
            height += 1;
        }
        self.parts.push((height, sum));
    }

    /// The sum; none of no terms. Where their number is no power of two, what is left over is added from the right.
    pub fn total(self) -> Option<T> {
        let Self { add, parts } = self;
        parts.into_iter().map(|(_, sum)| sum).rev().reduce(|right, left| add(left, right))
    }
}
