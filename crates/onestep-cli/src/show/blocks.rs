//! Half blocks: a letter is two pixels, the upper one in the color of the letter, the lower one in that of its ground.

use std::fmt::Write as _;

use onestep::data::Pixels;

/// The picture as text, in all colors or in the 256 that nearly every terminal has.
pub fn text(picture: &Pixels, has_all_colors: bool) -> String {
    let picture = picture.clone().into_rgb();
    let shape = picture.shape();
    let color = |row: usize, column: usize| {
        let at = (row * shape.width + column) * 3;
        let rgb = [0, 1, 2].map(|channel| picture.bytes()[at + channel]);
        if has_all_colors {
            let [red, green, blue] = rgb;
            format!("2;{red};{green};{blue}")
        } else {
            format!("5;{}", of_256(rgb))
        }
    };
    let mut text = String::new();
    for row in (0..shape.height).step_by(2) {
        let mut before = (String::new(), String::new());
        for column in 0..shape.width {
            let upper = color(row, column);
            let lower = if row + 1 < shape.height { color(row + 1, column) } else { upper.clone() };
            // A color holds until another one is named.
            if before.0 != upper {
                let _ = write!(text, "\x1b[38;{upper}m");
            }
            if before.1 != lower {
                let _ = write!(text, "\x1b[48;{lower}m");
            }
            text.push('▀');
            before = (upper, lower);
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// The nearest of the 256 colors: of the cube of 6x6x6, or of the 24 grays.
fn of_256(rgb: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |a: [u8; 3]| a.iter().zip(rgb).map(|(&a, b)| i32::from(a.abs_diff(b)).pow(2)).sum::<i32>();
    let nearest = |value: u8| (0..6).min_by_key(|&level: &usize| LEVELS[level].abs_diff(value)).unwrap_or(0);
    let cube = rgb.map(nearest);
    let mean = rgb.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let gray = ((mean.saturating_sub(3)) / 10).min(23) as u8;
    let of_gray = [8 + 10 * gray; 3];
    if distance(of_gray) < distance(cube.map(|level| LEVELS[level])) {
        232 + gray
    } else {
        (16 + 36 * cube[0] + 6 * cube[1] + cube[2]) as u8
    }
}

#[cfg(test)]
mod tests {
    use onestep::data::ImageShape;

    use super::*;

    #[test]
    fn two_rows_are_one_line_and_a_color_is_named_once() {
        let shape = ImageShape { height: 3, width: 2, channels: 3 };
        let red = [255, 0, 0];
        let picture = Pixels::new(shape, red.repeat(6)).unwrap();
        let line = "\x1b[38;2;255;0;0m\x1b[48;2;255;0;0m▀▀\x1b[0m\n";
        assert_eq!(text(&picture, true), line.repeat(2));
    }

    #[test]
    fn of_256_colors_the_nearest_is_taken() {
        for (rgb, number) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([128, 128, 128], 244),
            ([95, 135, 175], 67),
        ] {
            assert_eq!(of_256(rgb), number, "{rgb:?}");
        }
    }
}
