//! Portraits drawn by rule: 4 · 10^15 different pixel-art faces of 16x16 pixels, each with all that can be said about it.
//!
//! The parts (45 hairs, 23 mouths, 22 clothes, 14 glasses, 12 eyes, 10 hats, 8 beards, 4 earrings, in palettes of 4 to 12
//! colors) are those of Pixel Art by DiceBear, which are in the public domain (CC0 1.0). Pictures are drawn by code of its own,
//! equal to the byte to what the original renderer makes of them. What it is good for:
//!
//! 1. As a data set without end: [`Portrait::at`] is a function of a number, and [`Portrait::render`] its picture.
//! 2. As conditions and prompts: a portrait has 16 [`Attribute`]s, each with its values and their exact probabilities.
//! 3. As a test of what a model has understood: a [`Split`] holds combinations out, none of which is ever drawn for training.
//! 4. As an exact measure of generated images: [`nearest()`] finds the legal portrait that is nearest, among all there are. So one
//!    can say which share of the images is legal within so many levels, and how the attributes are distributed in the rest
//!    ([`likeliest`] where images are noisy).
//!
//! # Background
//!
//! The parts come without one; here it is white. All other built-in images lie on white, and of all colors
//! only a pale gold of earrings comes near it. White is also what the lenses of glasses and the whites of the eyes are made of, so the picture
//! has one lightest color and not two.
//!
//! # How it is built
//!
//! `parts.txt` is the table of the parts, made by `parts.mjs`. `path` and `paint` fill paths, `table` makes `art` of them, `choices` says
//! what of a portrait is seen, `color_name` has words for colors, `census` counts all portraits, `draw` and `split` choose them, and `nearest` finds them again.

mod art;
mod attribute;
mod census;
mod choices;
mod color_name;
mod draw;
#[cfg(test)]
mod golden;
mod nearest;
mod paint;
mod path;
mod pixels;
mod portrait;
mod split;
mod table;

pub use attribute::Attribute;
pub use nearest::{Nearest, likeliest, nearest};
pub use portrait::{Portrait, PortraitError};
pub use split::Split;
