//! What is told of a picture before it is decoded: how large it is, and which way up.

use ::image::metadata::Orientation;

use super::DataError;
use super::image::MAX_SIDE;

/// The most memory one picture may ask its decoder for.
pub(super) const MAX_ALLOC: u64 = 256 << 20;

/// The largest encoded picture that is read.
pub(super) const MAX_ENCODED: u64 = 256 << 20;

/// Refuses a picture that is too large: not every decoder counts the picture itself against its limit.
pub(super) fn check_size(
    [width, height]: [u32; 2],
    bytes_per_pixel: usize,
    name: &str,
) -> Result<(), DataError> {
    let n_bytes = u64::from(width) * u64::from(height) * bytes_per_pixel as u64;
    let too_large = if width.max(height) as usize > MAX_SIDE {
        format!("over {MAX_SIDE} a side")
    } else if n_bytes > MAX_ALLOC {
        format!("which take {} MiB of memory, over {}", n_bytes >> 20, MAX_ALLOC >> 20)
    } else {
        return Ok(());
    };
    Err(DataError::unsupported(
        name,
        format!("this picture has {width}x{height} pixels, {too_large}; shrink it"),
    ))
}

/// So many pixels are decoded whatever the file says.
const ALWAYS_DECODED: u64 = 1 << 24;

/// More pixels than any picture that shows something has for each of its bytes: the best that GIF and PNG do with a blank one is
/// about 3,000 and 8,000.
const MOST_PIXELS_A_BYTE: u64 = 10_000;

/// Refuses a picture that claims to be large and whose file holds next to nothing: what it would take is memory.
pub(super) fn check_density([width, height]: [u32; 2], n_bytes: usize, name: &str) -> Result<(), DataError> {
    let n_pixels = u64::from(width) * u64::from(height);
    if n_pixels <= ALWAYS_DECODED || n_pixels / MOST_PIXELS_A_BYTE <= n_bytes as u64 {
        return Ok(());
    }
    let reason = format!("it claims to have {width}x{height} pixels, in {n_bytes} bytes");
    Err(DataError::damaged(name, reason))
}

/// Refuses a PNG whose palette is no list of colors, which its decoder relies on.
pub(super) fn check_palette(encoded: &[u8], name: &str) -> Result<(), DataError> {
    let Some(mut rest) = encoded.strip_prefix(b"\x89PNG\r\n\x1a\n") else { return Ok(()) };
    // Length, kind, contents and checksum of each part; the palette comes before the pixels.
    while let Some(([length @ .., _, _, _, _], after)) = rest.split_first_chunk::<8>() {
        let kind = &rest[4..8];
        let length = length.iter().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
        match kind {
            b"PLTE" if length == 0 || length % 3 != 0 || length > 3 * 256 => {
                let reason = format!("its palette has {length} bytes, which are not 1 to 256 colors of 3");
                return Err(DataError::damaged(name, reason));
            }
            b"IDAT" => return Ok(()),
            _ => {}
        }
        let Some(next) = after.get(length.saturating_add(4)..) else { return Ok(()) };
        rest = next;
    }
    Ok(())
}

/// How the camera was turned, by the Exif data of a picture.
pub(super) fn exif_orientation(exif: Option<&[u8]>) -> Orientation {
    let oriented = exif.and_then(|exif| {
        // The prefix belongs to JPEG's segments; some programs write it into WebP's chunks too.
        Orientation::from_exif_chunk(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
    });
    oriented.unwrap_or(Orientation::NoTransforms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_is_a_list_of_colors() {
        let png = |parts: &[(&[u8; 4], usize)]| {
            let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
            for (kind, length) in parts {
                bytes.extend((*length as u32).to_be_bytes());
                bytes.extend(*kind);
                bytes.extend(vec![0; length + 4]);
            }
            bytes
        };
        for (length, is_list) in [(3, true), (768, true), (0, false), (28, false), (771, false)] {
            let found = check_palette(&png(&[(b"IHDR", 13), (b"PLTE", length), (b"IDAT", 5)]), "a.png");
            assert_eq!(found.is_ok(), is_list, "{length} bytes");
        }
        // What comes after the pixels is looked at by nobody, and a part that is cut short is the decoder's to tell.
        assert!(check_palette(&png(&[(b"IDAT", 5), (b"PLTE", 28)]), "a.png").is_ok());
        let mut cut = png(&[(b"IHDR", 13)]);
        cut.extend(u32::MAX.to_be_bytes());
        cut.extend(b"tEXt");
        assert!(check_palette(&cut, "a.png").is_ok());
        assert!(check_palette(b"GIF89a", "a.gif").is_ok());
    }

    #[test]
    fn many_pixels_take_some_bytes() {
        assert!(check_density([4096, 4096], 30, "small").is_ok());
        assert!(check_density([12672, 4864], 82, "bomb").unwrap_err().to_string().contains("82 bytes"));
        assert!(check_density([16384, 16384], 30_000, "blank").is_ok());
    }
}
