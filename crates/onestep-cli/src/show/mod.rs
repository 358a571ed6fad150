//! Pictures in a terminal: by kitty's protocol or in sixels where it has them, else in half blocks.

mod blocks;
mod kitty;
mod sixel;

use std::env;
use std::io::IsTerminal;

use clap::ValueEnum;
use console::Term;
use onestep::data::Pixels;
use onestep::data::picture::Grid;

use crate::failure::Outcome;
use crate::print::{answer_text, say};

/// Pictures that are shown at most; files have them all.
pub const MOST: usize = 64;

/// Columns of a terminal that does not tell how wide it is.
const USUAL_COLUMNS: usize = 80;

/// Small pictures are enlarged to about this many pixels a side where every pixel can be drawn.
const VISIBLE: usize = 64;

/// How pictures are drawn in a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowName {
    /// The best that this terminal is known to draw.
    Auto,
    /// The protocol of kitty, which Ghostty and WezTerm speak as well.
    Kitty,
    /// Sixels: foot, mlterm, xterm where it was told to.
    Sixel,
    /// Two pixels a letter, in every terminal with colors.
    Blocks,
}

impl ShowName {
    /// What it comes to here.
    fn here(self) -> Self {
        match self {
            Self::Auto => best(|name| env::var(name).unwrap_or_default(), std::io::stdout().is_terminal()),
            named => named,
        }
    }

    /// Prints pictures of one size, as many as go, of the `n` that were made; the others are in files.
    ///
    /// # Errors
    ///
    /// As [`Grid::arrange`].
    pub fn print(self, pictures: &[Pixels], n: usize, quiet: bool) -> Outcome {
        let n_shown = pictures.len().min(MOST);
        self.print_in(&pictures[..n_shown], None)?;
        if n > n_shown && n_shown > 0 && !quiet {
            say!("{n_shown} of {n} are shown");
        }
        Ok(())
    }

    /// Prints them in so many columns, or about in a square, where there is room for it.
    fn print_in(self, pictures: &[Pixels], wanted: Option<usize>) -> Outcome {
        let Some(first) = pictures.first() else { return Ok(()) };
        let wanted = wanted.unwrap_or_else(|| Grid::square_columns(pictures.len()));
        let (form, width) = (self.here(), first.shape().width);
        let grid = match form {
            Self::Kitty | Self::Sixel => {
                let scale = (VISIBLE / width.max(1)).clamp(1, 8);
                Grid { columns: wanted, scale }.arrange(pictures)?
            }
            Self::Auto | Self::Blocks => in_columns(pictures, wanted, columns())?,
        };
        let text = match form {
            Self::Kitty => kitty::text(&grid)?,
            Self::Sixel => sixel::text(&grid),
            Self::Auto | Self::Blocks => blocks::text(&grid, has_all_colors()),
        };
        answer_text!("{text}");
        Ok(())
    }
}

/// Rows of pictures that a preview has.
const PREVIEW_ROWS: usize = 2;

impl ShowName {
    /// How many pictures of this width a preview shows: two rows of them.
    fn previewed(self, width: usize) -> usize {
        let in_a_row = match self.here() {
            Self::Kitty | Self::Sixel => 8,
            Self::Auto | Self::Blocks => (columns().saturating_sub(2) / (width + 2)).clamp(1, 8),
        };
        PREVIEW_ROWS * in_a_row
    }

    /// Prints the first of some pictures of one size, as few as leave what else is told in sight.
    ///
    /// # Errors
    ///
    /// As [`Grid::arrange`].
    pub fn print_preview(self, pictures: &[Pixels]) -> Outcome {
        let n =
            pictures.first().map_or(0, |picture| self.previewed(picture.shape().width)).min(pictures.len());
        self.print_in(&pictures[..n], Some(n.div_ceil(PREVIEW_ROWS)))
    }
}

/// The pictures in as many columns as are wanted and a terminal of this width has room for, a letter a pixel; a single one that is
/// wider is shrunk.
fn in_columns(pictures: &[Pixels], wanted: usize, columns: usize) -> Outcome<Pixels> {
    let width = pictures.first().map_or(1, |picture| picture.shape().width);
    // Two pixels stand between pictures and around them.
    let fit = columns.saturating_sub(2) / (width + 2);
    let grid = Grid { columns: fit.clamp(1, wanted.max(1)), scale: 1 }.arrange(pictures)?;
    let shape = grid.shape();
    Ok(if shape.width > columns {
        grid.resized((shape.height * columns / shape.width).max(1), columns)
    } else {
        grid
    })
}

/// What a terminal draws best, by the names that it gives itself.
fn best(variable: impl Fn(&str) -> String, is_terminal: bool) -> ShowName {
    // What goes into a file or a pager is text.
    if !is_terminal || !variable("TMUX").is_empty() {
        return ShowName::Blocks;
    }
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM").to_lowercase());
    let is_kitty = ["kitty", "ghostty"].iter().any(|name| term.contains(name));
    if is_kitty || ["ghostty", "wezterm"].contains(&&*program) || !variable("KITTY_WINDOW_ID").is_empty() {
        ShowName::Kitty
    } else if ["foot", "mlterm", "sixel", "yaft", "contour"].iter().any(|name| term.contains(name)) {
        ShowName::Sixel
    } else {
        ShowName::Blocks
    }
}

/// Columns of the terminal.
fn columns() -> usize {
    let told = || env::var("COLUMNS").ok()?.parse().ok();
    Term::stdout()
        .size_checked()
        .map(|(_, columns)| usize::from(columns))
        .or_else(told)
        .unwrap_or(USUAL_COLUMNS)
}

/// Whether the terminal says that it draws all colors, and not 256 alone.
fn has_all_colors() -> bool {
    let told = env::var("COLORTERM").unwrap_or_default();
    told == "truecolor" || told == "24bit" || cfg!(windows)
}

#[cfg(test)]
mod tests {
    use onestep::data::ImageShape;

    use super::*;

    fn best_of(settings: &[(&str, &str)], is_terminal: bool) -> ShowName {
        let variable = |name: &str| {
            settings
                .iter()
                .find(|(key, _)| *key == name)
                .map_or_else(String::new, |(_, value)| (*value).to_owned())
        };
        best(variable, is_terminal)
    }

    #[test]
    fn a_terminal_is_known_by_its_names() {
        for (settings, form) in [
            (&[("TERM", "xterm-kitty")][..], ShowName::Kitty),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], ShowName::Kitty),
            (&[("TERM", "foot")], ShowName::Sixel),
            (&[("TERM", "xterm-256color")], ShowName::Blocks),
            (&[("TERM", "xterm-kitty"), ("TMUX", "default,1,0")], ShowName::Blocks),
            (&[], ShowName::Blocks),
        ] {
            assert_eq!(best_of(settings, true), form, "{settings:?}");
            assert_eq!(best_of(settings, false), ShowName::Blocks);
        }
    }

    #[test]
    fn as_many_stand_in_a_row_as_there_is_room_for() {
        let shape = ImageShape { height: 4, width: 16, channels: 3 };
        let pictures = vec![Pixels::new(shape, vec![7; shape.n_values()]).unwrap(); 9];
        let width = |columns| in_columns(&pictures, 3, columns).unwrap().shape().width;
        assert_eq!(width(200), 3 * 18 + 2);
        assert_eq!(width(40), 2 * 18 + 2);
        assert_eq!(width(10), 10);
    }
}
