//! Which drawings make up the set, and what each of them is.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use crate::collection::Drawing;
use crate::{Class, Collection, IconError, Style, fxemoji};

/// A drawing of the set.
#[derive(Debug, Clone, Copy)]
pub struct Icon<'a> {
    /// How it is drawn.
    pub style: Style,
    /// What its package calls it.
    pub name: &'a str,
    /// What it shows.
    pub class: Class,
    /// The characters that it stands for, in hexadecimal with dashes between them, where its package says.
    pub code_points: Option<&'a str>,
    pub(crate) drawing: Drawing<'a>,
}

impl Icon<'_> {
    /// Style and name.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.style.name(), self.name)
    }

    /// The drawing as a file of SVG, which is a square.
    pub fn svg(&self) -> String {
        self.drawing.frame.svg(self.drawing.body)
    }
}

/// What is held back from learning: of the names of a set, in the order of their letters, every so many-th. Styles call the same thing
/// by the same name, so it is held back in all of them.
pub fn held_out<'a>(names: &BTreeSet<&'a str>, every: NonZeroUsize) -> BTreeSet<&'a str> {
    let every = every.get();
    names.iter().copied().skip(every - 1).step_by(every).collect()
}

/// The styles whose packages have to be read for these styles: their own, and those that know what the drawings are.
pub fn needed(styles: &[Style]) -> BTreeSet<Style> {
    styles.iter().flat_map(|&style| [style, style.described_by()]).collect()
}

/// The drawings of some styles: in the order of [`Style::ALL`], and within a style by name.
///
/// Hidden drawings are left out: their packages keep them for old users. So are those whose colors are in a stylesheet that was lost
/// when they were packed: they would be black; and the swatches of skin
/// tones, which no group has. Variants by skin tone are left out unless they are asked for:
/// five more of one drawing that differ in one color would be nearly half of the set, and the twins of what is held back from training
/// would be trained on.
///
/// # Errors
///
/// - [`IconError::Needed`] if a package of [`needed`] is not among them.
/// - [`IconError::Unclassed`] if nothing says what a drawing is.
pub fn icons<'a>(
    collections: &'a BTreeMap<Style, Collection>,
    styles: &[Style],
    skin_tones: bool,
) -> Result<Vec<Icon<'a>>, IconError> {
    let collection = |style: Style| {
        collections.get(&style).ok_or_else(|| IconError::Needed { package: style.package().full_name() })
    };
    let mut icons = Vec::new();
    for style in Style::ALL.into_iter().filter(|style| styles.contains(style)) {
        let (drawn, described) = (collection(style)?, collection(style.described_by())?);
        for name in drawn.names() {
            let drawing = drawn.drawing(name).map_err(|reason| IconError::Content {
                package: style.package().full_name(),
                file: "icons.json",
                reason: format!("`{name}` {reason}"),
            })?;
            if lacks_colors(drawing.body) || is_swatch(name) {
                continue;
            }
            let names = [name, drawing.original];
            if !skin_tones && names.iter().any(|name| has_skin_tone(name, described.code_points(name))) {
                continue;
            }
            let category = names.iter().find_map(|name| described.category(name)).unwrap_or_default();
            let class = match style {
                Style::FxEmoji => fxemoji::class(drawing.original, category),
                _ => Class::of_name(category),
            };
            let class = class.ok_or_else(|| IconError::Unclassed {
                icon: format!("{}:{name}", style.name()),
                category: category.to_owned(),
            })?;
            icons.push(Icon { style, name, class, code_points: described.code_points(name), drawing });
        }
    }
    Ok(icons)
}

/// Whether a drawing refers to classes of a stylesheet that it does not have.
fn lacks_colors(body: &str) -> bool {
    body.contains(" class=\"") && !body.contains("<style")
}

/// Whether a drawing is a skin tone itself, and of nothing else.
fn is_swatch(name: &str) -> bool {
    let tone = name.strip_suffix("-skin-tone");
    tone.is_some_and(|tone| ["light", "medium-light", "medium", "medium-dark", "dark"].contains(&tone))
}

/// Whether a drawing is one of a skin tone: its characters have a modifier behind another, or, where they are not known, its name says so.
fn has_skin_tone(name: &str, code_points: Option<&str>) -> bool {
    const MODIFIERS: [&str; 5] = ["1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"];
    let mut modifying = code_points.unwrap_or_default().split('-').skip(1);
    name.contains("-skin-tone") || modifying.any(|code_point| MODIFIERS.contains(&code_point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skin_tones_are_told_from_lights() {
        assert!(has_skin_tone("artist-dark", Some("1f9d1-1f3ff-200d-1f3a8")));
        assert!(has_skin_tone("baby-medium-light-skin-tone", None));
        assert!(!has_skin_tone("police-car-light", Some("1f6a8")));
        assert!(is_swatch("medium-dark-skin-tone") && !is_swatch("baby-dark-skin-tone"));
        assert!(!has_skin_tone("artist", Some("1f9d1-200d-1f3a8")));
    }

    #[test]
    fn what_describes_a_style_is_needed_too() {
        assert_eq!(needed(&[Style::Fluent]), BTreeSet::from([Style::FluentFlat, Style::Fluent]));
        assert_eq!(needed(&[Style::Noto]), BTreeSet::from([Style::Noto]));
    }

    #[test]
    fn every_so_many_th_name_is_held_back() {
        let names = BTreeSet::from(["f", "a", "e", "c", "b", "d"]);
        let held = |every| held_out(&names, NonZeroUsize::new(every).unwrap());
        assert_eq!(held(2), BTreeSet::from(["b", "d", "f"]));
        assert_eq!(held(4), BTreeSet::from(["d"]));
        assert_eq!(held(7), BTreeSet::new());
    }
}
