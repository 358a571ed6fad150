//! What the pictures of a folder of samples are called.

use std::collections::HashMap;

/// The names of samples by their places: seed, class where there are classes, and a number where both are the same again.
pub(super) struct SampleNames {
    /// How many samples before each one have its seed and class; empty where none has.
    repeats: Vec<u32>,
}

impl SampleNames {
    /// Counts what is repeated.
    pub(super) fn of(seeds: &[u64], classes: Option<&[usize]>) -> Self {
        // The usual case, which takes no memory.
        if seeds.is_sorted_by(|a, b| a < b) {
            return Self { repeats: Vec::new() };
        }
        let mut counts: HashMap<(u64, Option<usize>), u32> = HashMap::new();
        let repeats = (0..seeds.len()).map(|index| {
            let count = counts
                .entry((seeds[index], classes.and_then(|classes| classes.get(index).copied())))
                .or_default();
            *count += 1;
            *count - 1
        });
        Self { repeats: repeats.collect() }
    }

    /// The name of one: `000003.png`, `seed-000003-class-02.png`, and the like with `-2` for the second of the same.
    pub(super) fn name(&self, index: usize, seed: u64, class: Option<usize>) -> String {
        let stem = match class {
            Some(class) => format!("seed-{seed:06}-class-{class:02}"),
            None => format!("{seed:06}"),
        };
        match self.repeats.get(index) {
            None | Some(0) => format!("{stem}.png"),
            Some(repeats) => format!("{stem}-{}.png", repeats + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_name_of_its_own() {
        let names = |seeds: &[u64], classes: Option<&[usize]>| -> Vec<String> {
            let names = SampleNames::of(seeds, classes);
            (0..seeds.len()).map(|i| names.name(i, seeds[i], classes.map(|classes| classes[i]))).collect()
        };
        assert_eq!(names(&[3, 1_234_567], None), ["000003.png", "1234567.png"]);
        assert_eq!(names(&[3, 3, 3], None), ["000003.png", "000003-2.png", "000003-3.png"]);
        assert_eq!(
            names(&[3, 3, 3, 1], Some(&[0, 1, 0, 12])),
            [
                "seed-000003-class-00.png",
                "seed-000003-class-01.png",
                "seed-000003-class-00-2.png",
                "seed-000001-class-12.png"
            ]
        );
    }
}
