//! Training and held-out portraits.

use std::collections::HashSet;

use onestep_portraits::{Attribute, Portrait, Split};

const SPLIT_BY: [Attribute; 3] = [Attribute::Skin, Attribute::HairColor, Attribute::ClothingColor];

fn combination(portrait: &Portrait) -> [usize; 3] {
    SPLIT_BY.map(|attribute| portrait.value(attribute))
}

#[test]
fn each_side_draws_its_own_combinations_and_no_other() {
    let drawn = |split: Split| -> HashSet<[usize; 3]> {
        let portraits = (0..40_000).map(|index| split.portrait(index));
        portraits
            .inspect(|portrait| assert_eq!(portrait.split(), split))
            .map(|portrait| combination(&portrait))
            .collect()
    };
    let (train, held_out) = (drawn(Split::Train), drawn(Split::HeldOut));
    assert!(train.is_disjoint(&held_out));
    // One color of clothes for each skin and hair color, none among the latter.
    assert_eq!(held_out.len(), 8 * 12);
    assert_eq!(train.len(), 8 * 12 * 11);
    // No two of the three give a held-out combination away.
    for [skin, hair, clothes] in held_out {
        assert!(train.iter().any(|known| known[0] == skin && known[1] == hair));
        assert!(train.iter().any(|known| known[0] == skin && known[2] == clothes));
        assert!(train.iter().any(|known| known[1] == hair && known[2] == clothes));
    }
}

#[test]
fn a_twelfth_of_all_portraits_is_held_out() {
    let n_drawn = 60_000;
    let is_held_out = |&index: &u64| Portrait::at(index).split() == Split::HeldOut;
    let n_held_out = (0..n_drawn).filter(is_held_out).count() as f64;
    let expected = n_drawn as f64 / 12.0;
    assert!((n_held_out - expected).abs() < 4.0 * (expected * 11.0 / 12.0).sqrt(), "{n_held_out}");
}

#[test]
fn the_sides_have_no_portrait_in_common_beside_the_clothes() {
    let same = |index: &u64| {
        let [train, held_out] = Split::ALL.map(|split| split.portrait(*index).values());
        let n_same = train.iter().zip(held_out).filter(|&(&first, second)| first == second).count();
        n_same >= 15
    };
    assert_eq!((0..2000).filter(same).count(), 0);
}

#[test]
fn only_the_color_of_the_clothes_is_distributed_otherwise_and_hardly_so() {
    for attribute in Attribute::ALL {
        for split in Split::ALL {
            let of_split = split.distribution(attribute);
            let farthest =
                of_split.iter().zip(attribute.distribution()).map(|(own, all)| (own / all - 1.0).abs());
            let farthest = farthest.fold(0.0, f64::max);
            let most = match (attribute, split) {
                (Attribute::ClothingColor, Split::Train) => 0.0085,
                (Attribute::ClothingColor, Split::HeldOut) => 0.095,
                _ => 0.0,
            };
            assert!(farthest <= most && farthest >= most / 2.0, "{split:?}, {attribute}: {farthest}");
        }
    }
}
