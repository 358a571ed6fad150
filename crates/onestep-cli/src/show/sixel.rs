//! Sixels: bands of six rows, in which a letter is a column of six pixels of one color.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use onestep::data::Pixels;

/// Colors that every terminal with sixels keeps.
const MOST_COLORS: usize = 256;

/// Levels of red, green and blue where a picture has more colors than that: 252 in all.
const LEVELS: [u32; 3] = [6, 7, 6];

/// The picture as text.
///
/// # Source
///
/// VT330/VT340 Programmer Reference Manual, volume 2, chapter 14.
pub fn text(picture: &Pixels) -> String {
    let picture = picture.clone().into_rgb();
    let shape = picture.shape();
    let exact: Vec<[u8; 3]> =
        picture.bytes().chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let mut colors: BTreeMap<[u8; 3], usize> = exact.iter().map(|&color| (color, 0)).collect();
    let mut pixels = exact;
    if colors.len() > MOST_COLORS {
        pixels.iter_mut().for_each(|pixel| *pixel = reduced(*pixel));
        colors = pixels.iter().map(|&color| (color, 0)).collect();
    }
    colors.values_mut().enumerate().for_each(|(number, color)| *color = number);
    let mut text = format!("\x1bPq\"1;1;{};{}", shape.width, shape.height);
    for (color, number) in &colors {
        let [red, green, blue] = color.map(|value| (u32::from(value) * 100 + 127) / 255);
        let _ = write!(text, "#{number};2;{red};{green};{blue}");
    }
    for band in pixels.chunks(6 * shape.width) {
        let mut masks: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (at, pixel) in band.iter().enumerate() {
            let mask = masks.entry(colors[pixel]).or_insert_with(|| vec![0; shape.width]);
            mask[at % shape.width] |= 1 << (at / shape.width);
        }
        for (number, mask) in masks {
            let _ = write!(text, "#{number}");
            write_runs(&mut text, &mask);
            // Back to the beginning of the band.
            text.push('$');
        }
        text.push('-');
    }
    text.push_str("\x1b\\\n");
    text
}

/// Columns of pixels, equal ones counted.
fn write_runs(text: &mut String, mask: &[u8]) {
    for run in mask.chunk_by(|a, b| a == b) {
        let letter = char::from(b'?' + run[0]);
        match run.len() {
            n @ 4.. => {
                let _ = write!(text, "!{n}{letter}");
            }
            n => text.extend(std::iter::repeat_n(letter, n)),
        }
    }
}

/// The nearest of the colors that are kept.
fn reduced(color: [u8; 3]) -> [u8; 3] {
    let level = |(value, levels): (u8, u32)| {
        let steps = levels - 1;
        let nearest = (u32::from(value) * steps + 127) / 255;
        (nearest * 255 / steps) as u8
    };
    let [red, green, blue] = color;
    [(red, LEVELS[0]), (green, LEVELS[1]), (blue, LEVELS[2])].map(level)
}

#[cfg(test)]
mod tests {
    use onestep::data::ImageShape;

    use super::*;

    /// Reads sixels back: color of each pixel by its number, and the palette in percent.
    fn read(text: &str, width: usize, height: usize) -> (Vec<usize>, BTreeMap<usize, String>) {
        let body = text.strip_prefix("\x1bPq").unwrap().strip_suffix("\x1b\\\n").unwrap();
        let body = body.split_once('#').unwrap().1;
        let (mut pixels, mut palette) = (vec![usize::MAX; width * height], BTreeMap::new());
        let (mut band, mut column, mut color, mut repeat) = (0, 0, 0, 1);
        let mut rest = format!("#{body}").chars().collect::<Vec<_>>().into_iter().peekable();
        let number = |rest: &mut std::iter::Peekable<std::vec::IntoIter<char>>| {
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().unwrap()
        };
        while let Some(letter) = rest.next() {
            match letter {
                '#' => {
                    color = number(&mut rest);
                    let mut told = String::new();
                    while let Some(letter) =
                        rest.next_if(|letter| *letter == ';' || (!told.is_empty() && letter.is_ascii_digit()))
                    {
                        told.push(letter);
                    }
                    if !told.is_empty() {
                        palette.insert(color, told);
                    }
                }
                '!' => repeat = number(&mut rest),
                '$' => column = 0,
                '-' => (band, column) = (band + 1, 0),
                letter => {
                    let mask = letter as u8 - b'?';
                    for _ in 0..repeat {
                        for bit in (0..6).filter(|bit| mask >> bit & 1 == 1) {
                            pixels[(6 * band + bit) * width + column] = color;
                        }
                        column += 1;
                    }
                    repeat = 1;
                }
            }
        }
        (pixels, palette)
    }

    #[test]
    fn every_pixel_has_its_color() {
        let (height, width) = (8, 9);
        let shape = ImageShape { height, width, channels: 3 };
        let pixel = |at: usize| if at % 7 < 4 { [255, 0, 51] } else { [0, 102, 255] };
        let picture = Pixels::new(shape, (0..height * width).flat_map(pixel).collect()).unwrap();
        let (pixels, palette) = read(&text(&picture), width, height);
        for (at, color) in pixels.iter().enumerate() {
            let told = if at % 7 < 4 { ";2;100;0;20" } else { ";2;0;40;100" };
            assert_eq!(palette[color], told, "pixel {at}");
        }
    }

    #[test]
    fn of_many_colors_no_more_are_taken_than_terminals_keep() {
        let (height, width) = (32, 32);
        let shape = ImageShape { height, width, channels: 3 };
        let bytes =
            (0..height * width).flat_map(|at| [(at % 256) as u8, (at / 4) as u8, (at * 7 % 256) as u8]);
        let picture = Pixels::new(shape, bytes.collect()).unwrap();
        let (pixels, palette) = read(&text(&picture), width, height);
        assert!(palette.len() <= MOST_COLORS && pixels.iter().all(|color| palette.contains_key(color)));
    }
}
