//! 1,892 emoji of Noto Emoji at 32x32 pixels on white, in nine classes: the built-in data set of onestep.

#![no_std]

/// All emoji in one PNG of 8-bit RGB pixels: emoji i is in column i mod `cols`, row i / `cols` of [`INDEX`]'s cells.
pub static ATLAS: &[u8] = include_bytes!("../emoji32-atlas.png");

/// The classes and names of the emoji in [`ATLAS`], as JSON: `cell` (pixels of a side), `cols` (emoji in a row),
/// `classes` (their names), and for each emoji a class in `labels` and a name in `names`.
pub static INDEX: &str = include_str!("../emoji32-atlas.json");
