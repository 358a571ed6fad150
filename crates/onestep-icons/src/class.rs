//! The classes.

/// A class of emoji: a group of Unicode, without the one of components (skin tones and hair).
///
/// Names and numbers are those of the built-in set of emoji, so that a model of one can be judged beside the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Faces, hearts, bubbles.
    SmileysAndEmotion,
    /// Hands, persons, families.
    PeopleAndBody,
    /// Animals and plants.
    AnimalsAndNature,
    /// Food, drink, dishes.
    FoodAndDrink,
    /// Places, vehicles, clocks, sky and weather.
    TravelAndPlaces,
    /// Events, sports, games, arts.
    Activities,
    /// Clothing, sound, tools, office, household.
    Objects,
    /// Signs, arrows, geometric shapes.
    Symbols,
    /// Flags, but for those of countries, which few of the packages have.
    Flags,
}

impl Class {
    /// All of them, in the order of Unicode.
    pub const ALL: [Self; 9] = [
        Self::SmileysAndEmotion,
        Self::PeopleAndBody,
        Self::AnimalsAndNature,
        Self::FoodAndDrink,
        Self::TravelAndPlaces,
        Self::Activities,
        Self::Objects,
        Self::Symbols,
        Self::Flags,
    ];

    /// Its name, as Unicode writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmileysAndEmotion => "Smileys & Emotion",
            Self::PeopleAndBody => "People & Body",
            Self::AnimalsAndNature => "Animals & Nature",
            Self::FoodAndDrink => "Food & Drink",
            Self::TravelAndPlaces => "Travel & Places",
            Self::Activities => "Activities",
            Self::Objects => "Objects",
            Self::Symbols => "Symbols",
            Self::Flags => "Flags",
        }
    }

    /// Its number, from 0: the place in [`Class::ALL`].
    pub fn number(self) -> usize {
        self as usize
    }

    /// The class of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_and_names_are_found_again() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.number(), place);
            assert_eq!(Class::of_name(class.name()), Some(class));
        }
        assert_eq!(Class::of_name("Component"), None);
    }
}
