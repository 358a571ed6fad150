//! The styles.

use crate::Package;

/// A style of drawing: one set of emoji, by one hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Style {
    /// Microsoft's Fluent, in flat colors.
    FluentFlat,
    /// The same drawings with light and shade.
    Fluent,
    /// Google's Noto, as today.
    Noto,
    /// Noto as it was until 2017: people are drops without necks.
    NotoV1,
    /// Mozilla's, for Firefox OS.
    FxEmoji,
}

impl Style {
    /// All of them, in the order that a set has them in.
    pub const ALL: [Self; 5] = [Self::FluentFlat, Self::Fluent, Self::Noto, Self::NotoV1, Self::FxEmoji];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::FluentFlat => "fluent-flat",
            Self::Fluent => "fluent",
            Self::Noto => "noto",
            Self::NotoV1 => "noto-v1",
            Self::FxEmoji => "fxemoji",
        }
    }

    /// The style of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|style| style.name() == name)
    }

    /// The package that its drawings are in.
    pub fn package(self) -> &'static Package {
        &Package::ALL[self as usize]
    }

    /// The style whose package knows what the drawings of this one are, by the same names; itself where its own package does.
    pub fn described_by(self) -> Self {
        match self {
            Self::Fluent => Self::FluentFlat,
            other => other,
        }
    }

    /// The licence of its drawings, as catalogues write it.
    ///
    /// # Source
    ///
    /// What the packages say, but for FxEmoji: there it is the licence of its code, and the drawings are under another one
    /// (`LICENSE.md` of github.com/mozilla/fxemoji).
    pub fn licence(self) -> &'static str {
        match self {
            Self::FluentFlat | Self::Fluent => "MIT",
            Self::Noto | Self::NotoV1 => "Apache-2.0",
            Self::FxEmoji => "CC-BY-4.0",
        }
    }

    /// Whose it is.
    pub fn copyright(self) -> &'static str {
        match self {
            Self::FluentFlat | Self::Fluent => "Copyright (c) Microsoft Corporation",
            Self::Noto | Self::NotoV1 => "Copyright Google LLC and the Noto Emoji contributors",
            Self::FxEmoji => "Copyright 2015, Mozilla Foundation",
        }
    }

    /// Where it comes from.
    pub fn source(self) -> &'static str {
        match self {
            Self::FluentFlat | Self::Fluent => "https://github.com/microsoft/fluentui-emoji",
            Self::Noto | Self::NotoV1 => "https://github.com/googlefonts/noto-emoji",
            Self::FxEmoji => "https://github.com/mozilla/fxemoji",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_has_its_package_and_its_name() {
        for style in Style::ALL {
            assert_eq!(Style::of_name(style.name()), Some(style));
            let package = style.package();
            assert_eq!(package.style, style, "{}", package.name);
            assert!(package.prefix().starts_with(&style.name()[..4]), "{}", package.name);
        }
        assert_eq!(Style::of_name("twemoji"), None);
    }
}
