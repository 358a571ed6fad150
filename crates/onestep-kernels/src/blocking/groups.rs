//! Long sums cut into groups that are summed side by side.

use std::ops::Range;

/// Groups of strips, each with a sum of its own, which are added up in order: by shapes alone, so that the number of threads changes
/// no bit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups {
    /// At least one, and none without a strip.
    pub count: usize,
    strips: usize,
}

impl Groups {
    /// Up to 16 groups of `least` strips or more, fewer where their sums of `result` numbers would take more than 16 MB.
    ///
    /// There is a strip.
    pub(crate) fn new(strips: usize, least: usize, result: usize) -> Self {
        assert!(strips > 0);
        let count = (strips / least.max(1)).min(4 * 1024 * 1024 / result.max(1)).clamp(1, 16);
        Self { count, strips }
    }

    /// The strips of a group.
    pub(crate) fn strips(&self, group: usize) -> Range<usize> {
        group * self.strips / self.count..(group + 1) * self.strips / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn groups_are_all_strips_in_order_and_none_is_empty() {
        for strips in [1, 2, 7, 8, 100, 128, 1000] {
            for (least, result) in [(0, 0), (1, 1), (8, 100), (4, 1 << 20), (3, 1 << 23)] {
                let groups = Groups::new(strips, least, result);
                assert!((1..=16).contains(&groups.count));
                let all: Vec<usize> = (0..groups.count).flat_map(|group| groups.strips(group)).collect();
                assert_eq!(all, (0..strips).collect::<Vec<_>>());
                assert!((0..groups.count).all(|group| !groups.strips(group).is_empty()), "{groups:?}");
            }
        }
    }
}
