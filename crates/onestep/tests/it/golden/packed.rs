//! Safetensors files as the committed set holds them: smaller by a sixth, and the same to the bit.
//!
//! The bytes of a random float are as random, but for its exponent. So a file is taken as little-endian words of 32
//! bits, each word is rotated by one (the sign goes to the low end, the exponent fills the high byte), and the four bytes
//! of the words are stored one plane after the other, each plane deflated for itself: its length in 8 bytes, then the
//! zlib stream. `tests/golden/reduce.py` writes them.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// The bytes of the safetensors file.
pub fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut rest = packed;
    let planes: [Vec<u8>; 4] = std::array::from_fn(|_| {
        let (length, after) = rest.split_at(8);
        let (stream, after) = after.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        rest = after;
        let mut plane = Vec::new();
        ZlibDecoder::new(stream).read_to_end(&mut plane).expect("a zlib stream");
        plane
    });
    assert!(rest.is_empty() && planes.iter().all(|plane| plane.len() == planes[0].len()));
    let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|byte| planes[byte][i])).rotate_right(1);
    (0..planes[0].len()).flat_map(|i| word(i).to_le_bytes()).collect()
}

#[test]
fn packed_words_are_rotated_and_lie_in_planes() {
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;

    // -1.5 is bf c0 00 00: rotated left by one, 7f 80 00 01. 2.0 is 40 00 00 00: 80 00 00 00.
    let mut file = Vec::new();
    for plane in [[0x01, 0x00], [0x00, 0x00], [0x80, 0x00], [0x7f, 0x80]] {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plane).unwrap();
        let stream = encoder.finish().unwrap();
        file.extend((stream.len() as u64).to_le_bytes());
        file.extend(stream);
    }
    let expected = [(-1.5f32).to_le_bytes(), 2.0f32.to_le_bytes()].concat();
    assert_eq!(unpack(&file), expected);
}
