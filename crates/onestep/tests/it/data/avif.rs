//! AVIF pictures, made by libavif 1.4.2, as a build with the feature reads them.

use onestep::data::{DataError, ImageShape, Pixels};

use super::{open_path, put, refusal, spec, story};

const RGB: [[u8; 3]; 4] = [[200, 30, 40], [20, 160, 60], [40, 60, 210], [250, 240, 120]];

/// Whether the middles of the four quarters are of these colors, but for what was lost by coding.
fn assert_quarters<const N: usize>(picture: &Pixels, colors: [[u8; N]; 4]) {
    let ImageShape { height, width, channels } = picture.shape();
    assert_eq!(channels, N);
    for (place, color) in colors.into_iter().enumerate() {
        let row = height / 4 + place / 2 * (height / 2);
        let column = width / 4 + place % 2 * (width / 2);
        let found = &picture.bytes()[(row * width + column) * channels..][..channels];
        let is_near = found.iter().zip(color).all(|(&found, color)| found.abs_diff(color) <= 3);
        assert!(is_near, "quarter {place} is {found:?}, not {color:?}");
    }
}

fn decoded(hex: &str) -> Pixels {
    Pixels::decode(&avif(hex), "a.avif").unwrap_or_else(|error| panic!("{}", story(&error)))
}

#[test]
fn an_avif_has_the_colors_that_were_put_in() {
    let picture = decoded(COLORS);
    assert_eq!(picture.shape(), ImageShape { height: 16, width: 24, channels: 3 });
    assert_quarters(&picture, RGB);
    let grey = decoded(GREY);
    assert_eq!(grey.shape(), ImageShape { height: 16, width: 16, channels: 1 });
    assert_quarters(&grey, [[0], [90], [180], [255]]);
}

#[test]
fn a_turned_avif_of_limited_range_is_set_upright() {
    let picture = decoded(TURNED);
    assert_eq!(picture.shape(), ImageShape { height: 23, width: 17, channels: 3 });
    assert_quarters(&picture, [RGB[2], RGB[0], RGB[3], RGB[1]]);
}

#[test]
fn what_is_clear_in_an_avif_is_white() {
    let (picture, alpha) = Pixels::decode_with_alpha(&avif(CLEAR), "a.avif").unwrap();
    let alpha = alpha.expect("it says how opaque it is");
    for (place, expected) in [(4, 255), (12, 128), (12 * 16 + 4, 0), (12 * 16 + 12, 64)] {
        assert!(u8::abs_diff(alpha[place], expected) <= 1, "{place}: {}", alpha[place]);
    }
    let on_white = |color: [u8; 3], part: f32| color.map(|c| (255.0 + (f32::from(c) - 255.0) * part) as u8);
    let expected = [RGB[0], on_white(RGB[1], 0.5), [255; 3], on_white(RGB[3], 0.25)];
    assert_quarters(&picture, expected);
}

/// The size of a set comes from headers alone, and has to be that of its pictures.
#[test]
fn a_folder_of_avifs_is_a_set() {
    for (hex, shape) in [
        (COLORS, ImageShape { height: 16, width: 24, channels: 3 }),
        (TURNED, ImageShape { height: 23, width: 17, channels: 3 }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path().join("a.avif"), &avif(hex));
        put(folder.path().join("without-ending"), &avif(hex));
        let set = open_path(folder.path());
        assert_eq!((set.len(), set.shape()), (2, shape));
        assert_eq!(set.sample(1).unwrap().values, decoded(hex).values());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path().join("a.avif"), &avif(COLORS));
    assert!(refusal(&spec(&path)).1.contains("name the folder it lies in"));
}

#[test]
fn a_cut_avif_is_no_picture() {
    for hex in [COLORS, TURNED, CLEAR, GREY] {
        let file = avif(hex);
        for n in 32..file.len() {
            let error = Pixels::decode(&file[..n], "cut.avif").unwrap_err();
            assert!(matches!(error, DataError::Image { .. }), "{n} of {}: {}", file.len(), story(&error));
        }
    }
}

/// Past its headers, whatever is changed in coded pixels moves the place where they end.
#[test]
fn a_damaged_avif_is_no_picture() {
    let file = avif(COLORS);
    let media_data = file.windows(4).position(|part| part == b"mdat").unwrap() + 4;
    for place in media_data + 20..file.len() {
        let mut damaged = file.clone();
        damaged[place] ^= 0x55;
        let decoded = Pixels::decode(&damaged, "damaged.avif");
        let error = decoded.expect_err("a picture of which a byte is wrong");
        assert!(matches!(error, DataError::Image { .. }), "{place}: {}", story(&error));
    }
}

#[test]
fn an_avif_that_is_too_large_says_what_to_do() {
    let error = Pixels::decode(&avif(WIDE), "wide.avif").unwrap_err();
    assert!(story(&error).contains("16385x1") && story(&error).contains("shrink it"), "{}", story(&error));
}

/// The bytes that a constant below spells.
fn avif(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Four colors, 24x16, 4:4:4.
const COLORS: &str = "\
    00000020667479706176696600000000617669666d6966316d6961664d413141000000eb6d657461000000000000002168646c7200000000\
    0000000070696374000000000000000000000000000000000e7069746d0000000000010000001e696c6f6300000000440000010001000000\
    0100000113000000320000002869696e660000000000010000001a696e6665020000000001000061763031436f6c6f72000000006a697072\
    700000004b6970636f0000001469737065000000000000001800000010000000107069786900000000030808080000000c61763143812000\
    0000000013636f6c726e636c780001000d0006800000001769706d610000000000000001000104010283040000003a6d64617412000a0838\
    10efeda021a0d23224448090d2a0003c800004e48f07187c4eef1b2b6adeeb2516bef9576e03d93eb7ec9a9780";

/// The same colors, 23x17, 4:2:0 of limited range, to be turned by a quarter with the clock.
const TURNED: &str = "\
    00000020667479706176696600000000617669666d6966316d6961664d413142000000f56d657461000000000000002168646c7200000000\
    0000000070696374000000000000000000000000000000000e7069746d0000000000010000001e696c6f6300000000440000010001000000\
    010000011d0000003a0000002869696e660000000000010000001a696e6665020000000001000061763031436f6c6f720000000074697072\
    70000000546970636f0000001469737065000000000000001700000011000000107069786900000000030808080000000c6176314381000c\
    0000000013636f6c726e636c780001000d0006000000000969726f74030000001869706d6100000000000000010001050102830485000000\
    426d64617412000a0918112d06c808683020322b4481fdfdaa400079000008cb0160aabf1e60671612a5172ee1219f138e9250aab8a496e0\
    c1506402a47c40";

/// The same colors, 16x16, opaque, half clear, clear and a quarter opaque.
const CLEAR: &str = "\
    00000020667479706176696600000000617669666d6966316d6961664d413141000001866d657461000000000000002168646c7200000000\
    0000000070696374000000000000000000000000000000000e7069746d0000000000010000002c696c6f6300000000440000020001000000\
    01000001c800000030000200000001000001ae0000001a0000004269696e660000000000020000001a696e66650200000000010000617630\
    31436f6c6f72000000001a696e6665020000000002000061763031416c706861000000001a69726566000000000000000e6175786c000200\
    010001000000c3697072700000009d6970636f00000014697370650000000000000010000000100000001070697869000000000308080800\
    00000c617631438120000000000013636f6c726e636c780001000d0006800000000e706978690000000001080000000c6176314381001c00\
    00000038617578430000000075726e3a6d7065673a6d706567423a636963703a73797374656d733a617578696c696172793a616c70686100\
    0000001e69706d6100000000000000020001040102830400020401058607000000526d64617412000a05180cfff954320f44300000448caa\
    a8552b510a52472012000a08380cffdb404341a43222444088d4a0003c800004a24924d72e29926eac1e2354948c2a384cd069e98f39563a";

/// Four greys, 16x16, without chroma, of limited range.
const GREY: &str = "\
    0000001c667479706176696600000000617669666d6966316d696166000000e96d657461000000000000002168646c720000000000000000\
    70696374000000000000000000000000000000000e7069746d0000000000010000001e696c6f630000000044000001000100000001000001\
    0d000000220000002869696e660000000000010000001a696e6665020000000001000061763031436f6c6f72000000006869707270000000\
    496970636f00000014697370650000000000000010000000100000000e706978690000000001080000000c6176314381001c000000001363\
    6f6c726e636c780001000d0006000000001769706d610000000000000001000104010283040000002a6d64617412000a08180cffdb6021a0\
    c432144481aa4000790020a24bfbade5e0077fdc71aa60";

/// One row of 16,385 greys.
const WIDE: &str = "\
    0000001c667479706176696600000000617669666d6966316d696166000000e96d657461000000000000002168646c720000000000000000\
    70696374000000000000000000000000000000000e7069746d0000000000010000001e696c6f630000000044000001000100000001000001\
    0d000000960000002869696e660000000000010000001a696e6665020000000001000061763031436f6c6f72000000006869707270000000\
    496970636f00000014697370650000000000004001000000010000000e706978690000000001080000000c61763143811f1c000000001363\
    6f6c726e636c780001000d0006800000001769706d610000000000000001000104010283040000009e6d64617412000a091ff820001b6021\
    a0d4328601103fd4570000b002000eac43ede7adf68de2850dd8765445a80eac43ede7adf68de2850dd8765445a80eac43ede7adf68de285\
    0dd8765445a80eac43ede7adf68de2850dd8765445a80eac43ede7adf68de2850dd8765445a80eac43ede7adf68de2850dd8765445a80eac\
    43ede7adf68de2850dd8765445a8ac43ede7adf68de2850dd876ce";
