//! What a stop of the tour tells: a title, some sentences, pictures with what stands under them.

use onestep::data::Pixels;

/// A part of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What is said first, a paragraph each, as plain text.
    pub paragraphs: Vec<String>,
    /// Its pictures, side by side where there is room.
    pub figures: Vec<Figure>,
}

/// A picture with what stands above and under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The picture.
    pub art: Art,
    /// Its name.
    pub title: String,
    /// What it shows and what it cost, as plain text.
    pub caption: String,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Art {
    /// Small pixels, to be shown large.
    Pixels(Pixels),
    /// A picture that is shown as it is.
    Smooth(Pixels),
    /// A drawing.
    Svg(String),
}

/// How long something took, for people.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        ..0.001 => format!("{:.2} ms", seconds * 1e3),
        ..0.1 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        ..10.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// `1 evaluation`, `35 evaluations`.
pub(crate) fn evaluations(n: usize) -> String {
    format!("{n} evaluation{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_or_three_digits() {
        let told = [0.00012, 0.0123, 0.456, 3.21, 45.6].map(seconds);
        assert_eq!(told, ["0.12 ms", "12.3 ms", "456 ms", "3.2 s", "46 s"]);
    }
}
