//! Drawn portraits, counted.

use onestep_portraits::{Attribute, Portrait, Split};

const N_DRAWN: u64 = 100_000;

/// How often each value of each attribute is among some portraits.
pub fn counts(portrait: impl Fn(u64) -> Portrait) -> Vec<Vec<u64>> {
    let mut counts: Vec<Vec<u64>> =
        Attribute::ALL.iter().map(|attribute| vec![0; attribute.n_values()]).collect();
    for index in 0..N_DRAWN {
        for (counts, value) in counts.iter_mut().zip(portrait(index).values()) {
            counts[value] += 1;
        }
    }
    counts
}

/// Pearson's statistic, in standard deviations above its mean.
pub fn excess(counts: &[u64], distribution: &[f64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let of_value = |(&count, &chance): (&u64, &f64)| {
        let expected = chance * total as f64;
        (count as f64 - expected).powi(2) / expected
    };
    let statistic: f64 = counts.iter().zip(distribution).map(of_value).sum();
    let freedom = (counts.len() - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn portraits_have_the_distributions_that_are_told() {
    for (attribute, counts) in Attribute::ALL.into_iter().zip(counts(Portrait::at)) {
        let excess = excess(&counts, attribute.distribution());
        assert!(excess < 5.0, "{attribute}: {excess}");
        assert!((attribute.distribution().iter().sum::<f64>() - 1.0).abs() < 1e-9, "{attribute}");
    }
}

#[test]
fn both_sides_of_the_split_have_theirs() {
    for split in Split::ALL {
        for (attribute, counts) in Attribute::ALL.into_iter().zip(counts(|index| split.portrait(index))) {
            let excess = excess(&counts, split.distribution(attribute));
            assert!(excess < 5.0, "{split:?}, {attribute}: {excess}");
        }
    }
}

/// So the test can tell a twentieth more of one color.
#[test]
fn other_distributions_are_told_apart() {
    let counts = counts(Portrait::at);
    let mut skewed = Attribute::ClothingColor.distribution().to_vec();
    skewed[0] *= 1.05;
    skewed[1] *= 0.95;
    assert!(excess(&counts[Attribute::ClothingColor as usize], &skewed) > 5.0);
    let mut without_hats = Attribute::Hat.distribution().to_vec();
    without_hats[0] += 0.02;
    assert!(excess(&counts[Attribute::Hat as usize], &without_hats) > 5.0);
}

#[test]
fn attributes_are_drawn_independently() {
    let pairs = [
        (Attribute::Skin, Attribute::ClothingColor),
        (Attribute::Eyes, Attribute::EyeColor),
        (Attribute::Mouth, Attribute::Clothing),
        (Attribute::Glasses, Attribute::Beard),
        (Attribute::Skin, Attribute::Hair),
    ];
    for (first, second) in pairs {
        let mut counts = vec![0; first.n_values() * second.n_values()];
        for index in 0..N_DRAWN {
            let portrait = Portrait::at(index);
            counts[portrait.value(first) * second.n_values() + portrait.value(second)] += 1;
        }
        let joint = first
            .distribution()
            .iter()
            .flat_map(|&of_first| second.distribution().iter().map(move |&of_second| of_first * of_second));
        let excess = excess(&counts, &joint.collect::<Vec<_>>());
        assert!(excess < 5.0, "{first} and {second}: {excess}");
    }
}
