//! kitty's protocol: the picture as a PNG between escapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onestep::data::Pixels;
use onestep::data::picture::encode_png;

use crate::failure::Outcome;

/// Letters of a piece, as the protocol has it.
const PIECE: usize = 4096;

/// The picture as text.
///
/// # Source
///
/// Terminal graphics protocol of kitty: `a=T` draws at once, `f=100` is a PNG, `m=1` says that more comes.
pub fn text(picture: &Pixels) -> Outcome<String> {
    let encoded = STANDARD.encode(encode_png(picture, None)?);
    let pieces: Vec<&[u8]> = encoded.as_bytes().chunks(PIECE).collect();
    let mut text = String::new();
    for (number, piece) in pieces.iter().enumerate() {
        let first = if number == 0 { "a=T,f=100," } else { "" };
        let more = u8::from(number + 1 < pieces.len());
        text.push_str(&format!("\x1b_G{first}m={more};"));
        text.extend(piece.iter().map(|&letter| char::from(letter)));
        text.push_str("\x1b\\");
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use onestep::data::ImageShape;

    use super::*;

    #[test]
    fn the_pieces_are_the_picture() {
        let shape = ImageShape { height: 64, width: 64, channels: 3 };
        let mut state = 1u32;
        let noise = (0..shape.n_values()).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let picture = Pixels::new(shape, noise.collect()).unwrap();
        let text = text(&picture).unwrap();
        assert!(text.starts_with("\x1b_Ga=T,f=100,m=1;"));
        let pieces: Vec<&str> = text.trim_end().split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        let (last, others) = pieces.split_last().unwrap();
        assert!(last.starts_with("\x1b_Gm=0;") && others.len() >= 2);
        let encoded: String = pieces.iter().map(|piece| piece.split_once(';').unwrap().1).collect();
        assert_eq!(STANDARD.decode(encoded).unwrap(), encode_png(&picture, None).unwrap());
    }
}
