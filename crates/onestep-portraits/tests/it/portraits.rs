//! Portraits, their attributes and their pictures.

use std::collections::{HashMap, HashSet};

use onestep_portraits::{Attribute, Portrait, PortraitError};

use crate::random::Random;

/// The place of a value by its name.
fn value(attribute: Attribute, name: &str) -> usize {
    attribute.names().iter().position(|known| known == name).unwrap()
}

#[test]
fn a_portrait_is_a_function_of_its_number() {
    // What the first ones show must stay, as whoever trains on them names them by their numbers.
    let names = |index| Attribute::ALL.map(|attribute| Portrait::at(index).name(attribute)).join(" ");
    assert_eq!(names(0), FIRST);
    assert_eq!(names(u64::MAX), LAST);
    let pictures: HashSet<_> = (0..10_000).map(|index| Portrait::at(index).render()).collect();
    assert_eq!(pictures.len(), 10_000);
    assert_eq!(Portrait::n_different(), 4_042_396_780_646_400);
}

const FIRST: &str = "sand long19 chestnut variant06 slate-blue happy03 red variant01 green light01 charcoal none none none none none";
const LAST: &str = "ivory long20 green variant06 slate-blue happy06 red variant13 crimson none none none none none none none";

#[test]
fn twice_as_large_is_four_times_each_pixel() {
    let portrait = Portrait::at(3);
    let (small, large) = (portrait.render(), portrait.render_doubled());
    for row in 0..32 {
        for column in 0..32 {
            let (from, at) = ((row / 2 * 16 + column / 2) * 3, (row * 32 + column) * 3);
            assert_eq!(large[at..at + 3], small[from..from + 3], "row {row}, column {column}");
        }
    }
}

#[test]
fn values_make_the_portrait_again() {
    for index in 0..2000 {
        let portrait = Portrait::at(index);
        assert_eq!(Portrait::from_values(portrait.values()), Ok(portrait));
        for attribute in Attribute::ALL {
            assert_eq!(portrait.name(attribute), attribute.names()[portrait.value(attribute)]);
        }
    }
}

/// All that differ from some portraits in one or two attributes.
#[test]
fn equal_pictures_are_equal_portraits() {
    let mut by_picture = HashMap::new();
    let mut by_portrait = HashMap::new();
    let mut n_settled = 0;
    let mut random = Random::new(1);
    for index in 0..40 {
        let origin = Portrait::at(index).values();
        for attribute in Attribute::ALL {
            for value in 0..attribute.n_values() {
                let mut values = origin;
                values[attribute as usize] = value;
                let other = Attribute::ALL[random.below(16)];
                values[other as usize] = random.below(other.n_values());
                let Ok(portrait) = Portrait::from_values(values) else { continue };
                n_settled += usize::from(portrait.values() != values);
                let picture = portrait.render();
                assert_eq!(*by_picture.entry(picture).or_insert(portrait), portrait, "{values:?}");
                assert_eq!(*by_portrait.entry(portrait).or_insert(picture), picture, "{values:?}");
            }
        }
    }
    assert!(by_picture.len() > 5000 && n_settled > 100, "{} and {n_settled}", by_picture.len());
}

#[test]
fn what_no_portrait_has_is_refused_by_name() {
    let bare = || {
        let mut values = Portrait::at(0).values();
        for attribute in Attribute::ALL.into_iter().filter(|attribute| attribute.may_be_none()) {
            values[attribute as usize] =
                usize::from(matches!(attribute, Attribute::Hair | Attribute::HairColor));
        }
        values
    };
    assert!(Portrait::from_values(bare()).is_ok());
    let refused = |attribute: Attribute, value: usize| {
        let mut values = bare();
        values[attribute as usize] = value;
        Portrait::from_values(values).unwrap_err()
    };
    let error = refused(Attribute::Eyes, 12);
    assert_eq!(error, PortraitError::OutOfRange { attribute: Attribute::Eyes, value: 12 });
    assert_eq!(error.to_string(), "`eyes` has the values 0 to 11, got 12");
    let error = refused(Attribute::Hair, 0);
    assert_eq!(error, PortraitError::Missing { attribute: Attribute::Hair });
    assert!(error.to_string().starts_with("`hair` is seen in this portrait"), "{error}");
    let colors = [
        (Attribute::Hat, Attribute::HatColor),
        (Attribute::Glasses, Attribute::GlassesColor),
        (Attribute::Accessory, Attribute::AccessoryColor),
    ];
    for (part, color) in colors {
        // The hair of number 1 hides no earrings.
        assert_eq!(refused(part, 1), PortraitError::Missing { attribute: color });
    }
    assert_eq!(refused(Attribute::HairColor, 0), PortraitError::Missing { attribute: Attribute::HairColor });
}

#[test]
fn no_hair_is_a_portrait_under_hats_that_can_hide_some() {
    let mut values = Portrait::at(0).values();
    values[Attribute::Hair as usize] = 0;
    values[Attribute::Beard as usize] = 0;
    values[Attribute::HairColor as usize] = 4;
    values[Attribute::HatColor as usize] = 1;
    values[Attribute::Hat as usize] = value(Attribute::Hat, "variant10");
    let portrait = Portrait::from_values(values).unwrap();
    assert_eq!((portrait.name(Attribute::Hair), portrait.name(Attribute::HairColor)), ("none", "none"));
    values[Attribute::Hair as usize] = value(Attribute::Hair, "short23");
    assert_eq!(Portrait::from_values(values), Ok(portrait));
}
