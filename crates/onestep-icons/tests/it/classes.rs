//! Which drawings make up a set, and what they are.

use std::collections::BTreeMap;

use onestep_icons::{Class, IconError, Style, icons, needed};

use super::{of_icons, one, read};

const METADATA: &str = r#"{"categories":{"Flags":["pirate-flag"],"People & Body":["artist","artist-dark","left","blonde"],
    "Travel & Places":["police-car-light"]}}"#;

const CHARS: &str = r#"{"1f9d1-200d-1f3a8":"artist","1f9d1-1f3ff-200d-1f3a8":"artist-dark","1f6a8":"police-car-light",
    "1f448":"left","1f3f4-200d-2620-fe0f":"pirate-flag"}"#;

fn flat(prefix: &str) -> String {
    format!(
        r#"{{"prefix":"{prefix}","width":32,"height":32,
        "icons":{{"artist":{{"body":"1"}},"artist-dark":{{"body":"2"}},"left":{{"body":"3"}},"police-car-light":{{"body":"4"}},
        "pirate-flag":{{"body":"5"}},"old":{{"body":"6","hidden":true}},"lost":{{"body":"<path class=\"a\"/>"}}}},
        "aliases":{{"right":{{"parent":"left","hFlip":true}},"older":{{"parent":"old"}},"painter-dark":{{"parent":"artist-dark"}}}}}}"#
    )
}

#[test]
fn a_package_says_what_its_drawings_are() {
    let collections =
        one(Style::FluentFlat, read(Style::FluentFlat, &flat("fluent-emoji-flat"), METADATA, CHARS).unwrap());
    let of = |skin_tones| icons(&collections, &[Style::FluentFlat], skin_tones).unwrap();
    let listed: Vec<_> = of(false).iter().map(|icon| (icon.name, icon.class, icon.code_points)).collect();
    assert_eq!(
        listed,
        [
            ("artist", Class::PeopleAndBody, Some("1f9d1-200d-1f3a8")),
            ("left", Class::PeopleAndBody, Some("1f448")),
            ("pirate-flag", Class::Flags, Some("1f3f4-200d-2620-fe0f")),
            ("police-car-light", Class::TravelAndPlaces, Some("1f6a8")),
            // What stands for another is of its class, and comes last.
            ("right", Class::PeopleAndBody, None),
        ]
    );
    let names: Vec<_> = of(true).iter().map(|icon| icon.name).collect();
    assert_eq!(
        names,
        ["artist", "artist-dark", "left", "pirate-flag", "police-car-light", "painter-dark", "right"]
    );
}

/// Fluent's own package says nothing of its drawings.
#[test]
fn a_style_is_described_by_another_package() {
    let flat_package = read(Style::FluentFlat, &flat("fluent-emoji-flat"), METADATA, CHARS).unwrap();
    let fluent = read(Style::Fluent, &flat("fluent-emoji"), "{}", "{}").unwrap();
    let alone = one(Style::Fluent, fluent);
    let error = icons(&alone, &[Style::Fluent], false).unwrap_err();
    assert_eq!(error, IconError::Needed { package: "@iconify-json/fluent-emoji-flat@1.2.6".into() });
    let both: BTreeMap<_, _> = alone.into_iter().chain([(Style::FluentFlat, flat_package)]).collect();
    assert!(needed(&[Style::Fluent]).iter().all(|style| both.contains_key(style)));
    let only = icons(&both, &[Style::Fluent], false).unwrap();
    assert_eq!(only.len(), 5);
    assert!(only.iter().all(|icon| icon.style == Style::Fluent));
    let all = icons(&both, &[Style::Fluent, Style::FluentFlat], false).unwrap();
    // In the order of all styles, however they are named.
    assert_eq!(all[0].full_name(), "fluent-flat:artist");
    assert_eq!(all[5].full_name(), "fluent:artist");
    assert_eq!(all[5].class, all[0].class);
}

#[test]
fn what_nothing_is_known_of_is_named() {
    let collections = one(Style::NotoV1, of_icons(Style::NotoV1, r#""blob":{"body":""}"#).unwrap());
    let error = icons(&collections, &[Style::NotoV1], false).unwrap_err().to_string();
    assert_eq!(error, "nothing says what `noto-v1:blob` is; its category is ``");
}

/// FxEmoji has six categories of its own.
#[test]
fn categories_of_another_kind_are_brought_to_classes() {
    let text =
        r#"{"prefix":"fxemoji","icons":{"hammer":{"body":""},"banana":{"body":""},"foxgrin":{"body":""}}}"#;
    let metadata = r#"{"categories":{"Objects":["hammer","banana"],"People":["foxgrin"]}}"#;
    let collections = one(Style::FxEmoji, read(Style::FxEmoji, text, metadata, "{}").unwrap());
    let classes: Vec<_> =
        icons(&collections, &[Style::FxEmoji], false).unwrap().iter().map(|icon| icon.class).collect();
    assert_eq!(classes, [Class::FoodAndDrink, Class::SmileysAndEmotion, Class::Objects]);
}
