//! TIFF pictures: as cameras, scanners and microscopes write them.

use std::io::Cursor;

use onestep::data::{DataError, ImageShape, Pixels};
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16};
use tiff::encoder::{Compression, TiffEncoder, TiffValue};

use super::{open_path, put, scrambled, story};

const SHAPE: ImageShape = ImageShape { height: 20, width: 33, channels: 3 };

fn tiff<C: ColorType>(values: &[C::Inner], compression: Compression) -> Vec<u8>
where
    [C::Inner]: TiffValue,
{
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap().with_compression(compression);
    encoder.write_image::<C>(SHAPE.width as u32, SHAPE.height as u32, values).unwrap();
    file.into_inner()
}

#[test]
fn tiffs_of_8_and_16_bits_are_read_plain_and_packed() {
    let colors = scrambled(SHAPE.n_values(), 1);
    let greys = scrambled(SHAPE.height * SHAPE.width, 2);
    let wide = |bytes: &[u8]| -> Vec<u16> {
        // Off by what is below one level of 8 bits, both ways.
        bytes
            .iter()
            .enumerate()
            .map(|(i, &byte)| (i32::from(byte) * 257 + [0, 120, -120][i % 3]).clamp(0, 65_535) as u16)
            .collect()
    };
    for packing in [
        Compression::Uncompressed,
        Compression::Lzw,
        Compression::Deflate(Default::default()),
        Compression::Packbits,
    ] {
        for (file, channels, bytes) in [
            (tiff::<RGB8>(&colors, packing), 3, &colors),
            (tiff::<RGB16>(&wide(&colors), packing), 3, &colors),
            (tiff::<Gray8>(&greys, packing), 1, &greys),
            (tiff::<Gray16>(&wide(&greys), packing), 1, &greys),
        ] {
            let decoded = Pixels::decode(&file, "a.tif").unwrap_or_else(|e| panic!("{}", story(&e)));
            assert_eq!(decoded.shape(), ImageShape { channels, ..SHAPE });
            assert_eq!(decoded.bytes(), bytes, "{channels} channels");
        }
    }
}

/// Tiles, in the order of rows, the last of which reach beyond the picture.
#[test]
fn a_tiled_tiff_is_read() {
    let (width, height, tile) = (20u32, 18u32, 16u32);
    let greys = scrambled((width * height) as usize, 3);
    let mut data = Vec::new();
    for (top, left) in [(0, 0), (0, tile), (tile, 0), (tile, tile)] {
        for (row, column) in (0..tile).flat_map(|row| (0..tile).map(move |column| (row + top, column + left)))
        {
            let is_inside = row < height && column < width;
            data.push(if is_inside { greys[(row * width + column) as usize] } else { 99 });
        }
    }
    let n_tile = tile * tile;
    // Tag, type (3 of 16 bits, 4 of 32), count, and the value or where it lies.
    let entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (322, 4, 1, tile),
        (323, 4, 1, tile),
        (324, 4, 4, 8 + 2 + 12 * 10 + 4),
        (325, 4, 4, 8 + 2 + 12 * 10 + 4 + 16),
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([(tag as u16).to_le_bytes(), (kind as u16).to_le_bytes()].concat());
        file.extend([u32::to_le_bytes(count), u32::to_le_bytes(value)].concat());
    }
    file.extend([0; 4]);
    let first = file.len() as u32 + 32;
    file.extend((0..4).flat_map(|i| (first + i * n_tile).to_le_bytes()));
    file.extend((0..4).flat_map(|_| n_tile.to_le_bytes()));
    file.extend(&data);
    let decoded = Pixels::decode(&file, "tiled.tif").unwrap();
    assert_eq!((decoded.shape().width, decoded.shape().height), (20, 18));
    assert_eq!(decoded.bytes(), greys);
}

#[test]
fn a_folder_of_tiffs_is_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let colors = scrambled(SHAPE.n_values(), 1);
    put(folder.path().join("a.tif"), &tiff::<RGB8>(&colors, Compression::Lzw));
    put(folder.path().join("b.TIFF"), &tiff::<RGB8>(&colors, Compression::Uncompressed));
    let set = open_path(folder.path());
    assert_eq!((set.len(), set.shape()), (2, SHAPE));
    assert_eq!(set.sample(0).unwrap(), set.sample(1).unwrap());
}

/// Cameras of 12 bits whose values were put into 16 as they are: nearly black, and no viewer shows it.
#[test]
fn twelve_bits_in_sixteen_are_an_error_that_says_so() {
    let values: Vec<u16> = (0..SHAPE.height * SHAPE.width).map(|i| (i * 6 % 4096) as u16).collect();
    let error = Pixels::decode(&tiff::<Gray16>(&values, Compression::Uncompressed), "scan.tif").unwrap_err();
    let story = story(&error);
    assert!(matches!(error, DataError::Unsupported { .. }), "{story}");
    assert!(story.contains("12 bits") && story.contains("scan.tif"), "{story}");
    // A picture that is all black is that.
    let black = vec![0u16; values.len()];
    assert!(Pixels::decode(&tiff::<Gray16>(&black, Compression::Uncompressed), "black.tif").is_ok());
}
