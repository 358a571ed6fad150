//! The nearest legal portrait.

use onestep_portraits::{Attribute, Portrait, likeliest, nearest};

use crate::random::Random;

type Image = [f32; 768];

fn picture(index: u64) -> Image {
    Portrait::at(index).render().map(f32::from)
}

fn squared_distance(portrait: &Portrait, image: &Image) -> f64 {
    let values = portrait.render().into_iter().zip(image);
    values.map(|(byte, &value)| (f64::from(byte) - f64::from(value)).powi(2)).sum()
}

#[test]
fn legal_portraits_are_found_exactly() {
    for index in 0..400 {
        let portrait = Portrait::at(1_000_000 + index);
        let found = nearest(&portrait.render().map(f32::from));
        assert_eq!(found.portrait, portrait, "{index}");
        assert_eq!(found.picture, portrait.render());
        assert_eq!((found.largest_difference, found.mean_squared_difference), (0.0, 0.0));
    }
}

/// Rich in what is optional, and so in what hides what.
#[test]
fn any_values_of_the_attributes_are_found_exactly() {
    let mut random = Random::new(2);
    let mut n_found = 0;
    while n_found < 400 {
        let values = Attribute::ALL.map(|attribute| random.below(attribute.n_values()));
        let Ok(portrait) = Portrait::from_values(values) else { continue };
        assert_eq!(nearest(&portrait.render().map(f32::from)).portrait, portrait, "{values:?}");
        n_found += 1;
    }
}

#[test]
fn less_than_half_a_level_anywhere_changes_nothing() {
    let mut random = Random::new(3);
    for index in 0..200 {
        let image = picture(index).map(|value| value + 0.98 * (random.uniform() as f32 - 0.5));
        assert_eq!(nearest(&image).portrait, Portrait::at(index), "{index}");
    }
}

/// The share of portraits that are found again in noise, by attribute; where it is `none` its color does not count.
fn found_again(find: impl Fn(&Image) -> Portrait, sigma: f32) -> [f64; 16] {
    let mut random = Random::new(4);
    let mut counts = [(0, 0); 16];
    for index in 0..800 {
        let portrait = Portrait::at(index);
        let found = find(&picture(index).map(|value| value + sigma * random.normal()));
        for (attribute, (same, all)) in Attribute::ALL.into_iter().zip(&mut counts) {
            if !attribute.name().ends_with("color") || portrait.name(attribute) != "none" {
                *all += 1;
                *same += usize::from(found.value(attribute) == portrait.value(attribute));
            }
        }
    }
    counts.map(|(same, all)| same as f64 / all as f64)
}

/// Of noise of ten levels, what is large enough to be told apart in it, and of noise of two, nearly everything.
#[test]
fn what_is_visible_in_noise_is_found() {
    let share_of = |shares: [f64; 16]| move |attribute: Attribute| shares[attribute as usize];
    let strong = share_of(found_again(|image| nearest(image).portrait, 10.0));
    for attribute in [
        Attribute::Skin,
        Attribute::Hair,
        Attribute::Eyes,
        Attribute::MouthColor,
        Attribute::Clothing,
        Attribute::ClothingColor,
        Attribute::Glasses,
        Attribute::GlassesColor,
        Attribute::Hat,
        Attribute::HatColor,
    ] {
        assert!(strong(attribute) > 0.99, "{attribute}: {}", strong(attribute));
    }
    // Some hair, mouths and earrings are four pixels in a color like another.
    for attribute in [Attribute::HairColor, Attribute::Mouth, Attribute::Accessory] {
        assert!(strong(attribute) > 0.96, "{attribute}: {}", strong(attribute));
    }
    let weak = share_of(found_again(|image| nearest(image).portrait, 2.0));
    for attribute in Attribute::ALL {
        assert!(weak(attribute) > 0.95, "{attribute}: {}", weak(attribute));
    }
}

#[test]
fn the_likeliest_sees_fewer_beards_in_noise() {
    let beards = |shares: [f64; 16]| shares[Attribute::Beard as usize];
    let by_squares = beards(found_again(|image| nearest(image).portrait, 10.0));
    let by_odds = beards(found_again(|image| likeliest(image, 10.0).portrait, 10.0));
    assert!(by_squares < 0.96 && by_odds > 0.98, "{by_squares} and {by_odds}");
}

#[test]
fn without_noise_the_likeliest_is_the_nearest() {
    let mut random = Random::new(5);
    for index in 0..10 {
        let image = picture(index).map(|value| value + 30.0 * random.normal());
        for sigma in [0.0, -1.0, f32::NAN] {
            assert_eq!(likeliest(&image, sigma), nearest(&image));
        }
    }
}

/// Goes downhill from a portrait, by one attribute or a part with its color at a time, until nothing is nearer.
fn refined(mut values: [usize; 16], image: &Image) -> f64 {
    let distance =
        |values| Portrait::from_values(values).ok().map(|portrait| squared_distance(&portrait, image));
    let mut best = distance(values).unwrap();
    loop {
        let before = best;
        for (place, attribute) in Attribute::ALL.into_iter().enumerate() {
            // Colors come after their parts; a beard goes with that of the hair.
            let color = match attribute {
                Attribute::Beard => Some(Attribute::HairColor),
                Attribute::Skin => None,
                part => Attribute::ALL
                    .get(place + 1)
                    .copied()
                    .filter(|next| next.name().starts_with(color_of(part))),
            };
            for value in 0..attribute.n_values() {
                for color_value in 0..color.map_or(1, Attribute::n_values) {
                    let mut tried = values;
                    tried[place] = value;
                    if let Some(color) = color {
                        tried[color as usize] = color_value;
                    }
                    if let Some(distance) = distance(tried).filter(|&distance| distance < best) {
                        (best, values) = (distance, tried);
                    }
                }
            }
        }
        if best >= before {
            return best;
        }
    }
}

/// What the name of a part's color begins with.
fn color_of(part: Attribute) -> &'static str {
    match part {
        Attribute::Eyes => "eye_color",
        Attribute::Hair => "hair_color",
        Attribute::Mouth => "mouth_color",
        Attribute::Clothing => "clothing_color",
        Attribute::Glasses => "glasses_color",
        Attribute::Hat => "hat_color",
        Attribute::Accessory => "accessory_color",
        _ => "no color",
    }
}

#[test]
fn no_other_search_finds_a_nearer_one() {
    let mut random = Random::new(6);
    let images: [Image; 4] = [
        // Noise, a portrait in strong noise, two portraits in one, and a portrait with the colors turned around.
        std::array::from_fn(|_| 255.0 * random.uniform() as f32),
        picture(11).map(|value| value + 60.0 * random.normal()),
        std::array::from_fn(|place| (picture(12)[place] + picture(13)[place]) / 2.0),
        picture(14).map(|value| 255.0 - value),
    ];
    for (number, image) in images.iter().enumerate() {
        let found = nearest(image);
        let least = squared_distance(&found.portrait, image);
        assert!((found.mean_squared_difference * 768.0 / least - 1.0).abs() < 1e-4);
        let ends = (0..4).map(|start| refined(Portrait::at(100 + start).values(), image));
        let reached = ends.fold(f64::INFINITY, f64::min);
        assert!(reached >= least * (1.0 - 1e-6), "image {number}: {reached} is less than {least}");
        // Going downhill is no bad search: it comes near, or this would compare with nothing.
        assert!(reached < least * 1.05, "image {number}: {reached} is far from {least}");
        // Nor is there a nearer one beside what was found.
        assert!(refined(found.portrait.values(), image) >= least * (1.0 - 1e-6), "image {number}");
    }
}

#[test]
fn whatever_the_values_there_is_an_answer() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let mut image = picture(5);
        image[400] = value;
        let found = nearest(&image);
        assert!(found.largest_difference > 9000.0 && found.largest_difference.is_finite(), "{value}");
        assert!(found.mean_squared_difference.is_finite());
        assert!(nearest(&[value; 768]).mean_squared_difference.is_finite());
        assert!(likeliest(&image, f32::INFINITY).mean_squared_difference.is_finite());
    }
}
