//! Bytes, values, and what happens to a picture between the file and the set.

use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat};
use onestep::ImageSize;
use onestep::data::image::{bytes_from_values, values_from_bytes};
use onestep::data::{Fit, ImageShape, Pixels, Rounding, flip_horizontal};
use proptest::prelude::*;

use super::{RGB8, picture, story};
use crate::golden::{self, Array};

proptest! {
    #[test]
    fn bytes_survive_becoming_values(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        prop_assert_eq!(bytes_from_values(&values_from_bytes(&bytes), Rounding::Edm), bytes);
    }

    #[test]
    fn flipping_twice_changes_nothing(
        height in 1usize..6, width in 1usize..7, channels in 1usize..4, seed in any::<u32>(),
    ) {
        let shape = ImageShape { height, width, channels };
        let values: Vec<f32> = super::scrambled(shape.n_values(), seed).iter().map(|&b| f32::from(b)).collect();
        let mut flipped = values.clone();
        flip_horizontal(&mut flipped, shape);
        for row in 0..height {
            for column in 0..width {
                for channel in 0..channels {
                    let at = |column: usize| (row * width + column) * channels + channel;
                    prop_assert_eq!(flipped[at(column)], values[at(width - 1 - column)]);
                }
            }
        }
        flip_horizontal(&mut flipped, shape);
        prop_assert_eq!(flipped, values);
    }

    #[test]
    fn any_picture_fits_any_size(
        height in 1usize..40, width in 1usize..40, rows in 1usize..40, columns in 1usize..40, grey in any::<bool>(),
    ) {
        let shape = ImageShape { height, width, channels: if grey { 1 } else { 3 } };
        for fit in [Fit::Crop, Fit::Pad, Fit::Stretch] {
            let fitted = picture(shape, 1).fit(fit, ImageSize { height: rows, width: columns });
            prop_assert_eq!(fitted.shape(), ImageShape { height: rows, width: columns, ..shape });
            let same = picture(shape, 1).fit(fit, ImageSize { height, width });
            prop_assert_eq!(same, picture(shape, 1), "a picture of the size is left as it is");
        }
    }

    /// The middle square, resized: what cropping always was.
    #[test]
    fn a_square_is_the_middle_square(height in 1usize..40, width in 1usize..40, size in 1usize..40) {
        let shape = ImageShape { height, width, channels: 3 };
        let side = height.min(width);
        let square = picture(shape, 1).cropped((height - side) / 2, (width - side) / 2, side, side);
        prop_assert_eq!(picture(shape, 1).fit(Fit::Crop, size.into()), square.resized(size, size));
    }

    #[test]
    fn noise_is_no_picture_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Pixels::decode(&bytes, "noise").is_err());
    }
}

/// Dropping the fraction loses at most one grey level on the way back, as in the references.
#[test]
fn truncation_is_within_one_of_the_byte() {
    for byte in 0..=255u8 {
        let back = bytes_from_values(&values_from_bytes(&[byte]), Rounding::Truncate)[0];
        assert!(back == byte || back + 1 == byte, "{byte} came back as {back}");
    }
}

#[test]
fn values_outside_are_clamped() {
    let wild = [-7.0, 7.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    for rounding in [Rounding::Truncate, Rounding::Edm] {
        assert_eq!(bytes_from_values(&wild, rounding), [0, 255, 255, 0, 0]);
    }
}

/// The bytes that the published samplers write, from their own code.
#[test]
fn golden_bytes() {
    let Some(case) = golden::case("to_uint8") else { return };
    let x = case.array("x");
    for (rounding, key) in [(Rounding::Truncate, "samples_uint8"), (Rounding::Edm, "edm_uint8")] {
        let bytes = bytes_from_values(&x.f32(), rounding);
        let got = Array { shape: x.shape.clone(), values: bytes.into_iter().map(f64::from).collect() };
        case.check(key, &got, case.array(key));
    }
}

#[test]
fn every_kind_of_picture_becomes_grey_or_rgb() {
    let rgb = DynamicImage::ImageRgb8(ImageBuffer::from_fn(4, 3, |x, y| {
        image::Rgb([40 * x as u8, 60 * y as u8, 200])
    }));
    let expected = rgb.to_rgb8().into_raw();
    let shape = ImageShape { height: 3, width: 4, channels: 3 };
    let grey = ImageShape { channels: 1, ..shape };
    for (picture, expected_shape) in [
        (rgb.clone(), shape),
        (DynamicImage::ImageRgba8(rgb.to_rgba8()), shape),
        (DynamicImage::ImageRgb16(rgb.to_rgb16()), shape),
        (DynamicImage::ImageLuma8(rgb.to_luma8()), grey),
        (DynamicImage::ImageLuma16(rgb.to_luma16()), grey),
        (DynamicImage::ImageLumaA8(rgb.to_luma_alpha8()), grey),
    ] {
        let decoded = Pixels::decode(&encoded(&picture, ImageFormat::Png), "test").unwrap();
        assert_eq!(decoded.shape(), expected_shape, "{:?}", picture.color());
        if expected_shape.channels == 3 {
            assert_eq!(decoded.bytes(), expected, "{:?}", picture.color());
        }
    }
    for format in [ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Pnm] {
        let decoded = Pixels::decode(&encoded(&rgb, format), "test").unwrap();
        assert_eq!(decoded.bytes(), expected, "{format:?}");
    }
}

#[test]
fn a_palette_picture_is_read_in_its_colors() {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![10, 20, 30, 200, 100, 50]);
    encoder.write_header().unwrap().write_image_data(&[1, 0]).unwrap();
    let decoded = Pixels::decode(&file, "palette").unwrap();
    assert_eq!(decoded.bytes(), [200, 100, 50, 10, 20, 30]);
}

#[test]
fn transparency_is_laid_on_white() {
    let half = ImageBuffer::from_fn(3, 1, |x, _| image::Rgba([0, 100, 255, [0, 128, 255][x as usize]]));
    let file = encoded(&DynamicImage::ImageRgba8(half), ImageFormat::Png);
    let decoded = Pixels::decode(&file, "alpha").unwrap();
    assert_eq!(decoded.bytes(), [255, 255, 255, 127, 177, 255, 0, 100, 255]);
}

/// "Exif", a little-endian TIFF header, and one tag: the orientation, 6.
const TURNED: &[u8] = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

/// Exif orientation 6 means that the camera was turned: what is stored as the left edge is the top.
#[test]
fn a_turned_jpeg_is_set_upright() {
    let mut plain = Vec::new();
    let dark_left: Vec<u8> = (0..32 * 16).map(|i| if i % 32 < 16 { 0 } else { 255 }).collect();
    jpeg_encoder::Encoder::new(&mut plain, 90)
        .encode(&dark_left, 32, 16, jpeg_encoder::ColorType::Luma)
        .unwrap();
    // An APP1 segment right after the start marker.
    let mut exif = TURNED.to_vec();
    let mut turned = plain[..2].to_vec();
    turned.extend([0xff, 0xe1]);
    turned.extend((exif.len() as u16 + 2).to_be_bytes());
    turned.append(&mut exif);
    turned.extend(&plain[2..]);
    let decoded = Pixels::decode(&turned, "turned.jpg").unwrap();
    let ImageShape { height, width, .. } = decoded.shape();
    assert_eq!((height, width), (32, 16));
    assert!(decoded.bytes()[..16 * 8].iter().all(|&byte| byte < 60), "the top is dark");
    assert!(decoded.bytes()[16 * 24..].iter().all(|&byte| byte > 200), "the bottom is bright");
}

/// Some programs write the prefix of a JPEG's segment into WebP files, others do not.
#[test]
fn a_turned_webp_is_set_upright_with_and_without_the_prefix_of_its_exif_data() {
    for exif in [TURNED, &TURNED[6..]] {
        let dark_left: Vec<u8> = (0..32 * 16).flat_map(|i| [if i % 32 < 16 { 0 } else { 255 }; 3]).collect();
        let mut file = Vec::new();
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut file);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif.to_vec()).unwrap();
        encoder.encode(&dark_left, 32, 16, image::ExtendedColorType::Rgb8).unwrap();
        let decoded = Pixels::decode(&file, "turned.webp").unwrap();
        let ImageShape { height, width, .. } = decoded.shape();
        assert_eq!((height, width), (32, 16));
        let (top, bottom) = decoded.bytes().split_at(3 * 16 * 16);
        assert!(top.iter().all(|&byte| byte == 0) && bottom.iter().all(|&byte| byte == 255));
    }
}

#[test]
fn cropping_takes_the_middle_and_resizing_keeps_flat_areas() {
    let stripes = ImageShape { height: 2, width: 6, channels: 1 };
    let wide = Pixels::new(stripes, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap();
    assert_eq!(wide.fit(Fit::Crop, 2.into()).bytes(), [3, 4, 9, 10]);
    let flat = Pixels::new(RGB8, vec![77; RGB8.n_values()]).unwrap();
    for size in [1, 5, 8, 30] {
        assert!(flat.clone().fit(Fit::Crop, size.into()).bytes().iter().all(|&byte| byte == 77));
    }
}

/// Rows 0 and 3 dark, rows 1 and 2 bright, columns numbered: a picture whose parts are told apart by their bytes.
#[test]
fn a_size_that_is_no_square_is_cropped_to_padded_to_or_stretched_to() {
    let shape = |height, width| ImageShape { height, width, channels: 1 };
    let grid = |rows: u8, columns: u8| {
        let bytes =
            (0..rows).flat_map(|row| (0..columns).map(move |column| 10 * (row + 1) + column)).collect();
        Pixels::new(shape(rows.into(), columns.into()), bytes).unwrap()
    };
    let size = |height, width| ImageSize { height, width };
    // 4x4 to two rows of four: the middle rows, as they are.
    assert_eq!(grid(4, 4).fit(Fit::Crop, size(2, 4)).bytes(), [20, 21, 22, 23, 30, 31, 32, 33]);
    // 3x5 to 3x1: the middle column; to 1x5: the middle row.
    assert_eq!(grid(3, 5).fit(Fit::Crop, size(3, 1)).bytes(), [12, 22, 32]);
    assert_eq!(grid(3, 5).fit(Fit::Crop, size(1, 5)).bytes(), [20, 21, 22, 23, 24]);
    // 1x2 to 3x2: one row of black above and below; to 1x4 one column at either side.
    assert_eq!(grid(1, 2).fit(Fit::Pad, size(3, 2)).bytes(), [0, 0, 10, 11, 0, 0]);
    assert_eq!(grid(1, 2).fit(Fit::Pad, size(1, 4)).bytes(), [0, 10, 11, 0]);
    // Of one color, nothing but the border may differ from it.
    let flat = Pixels::new(shape(30, 90), vec![77; 2700]).unwrap();
    let padded = flat.clone().fit(Fit::Pad, size(20, 20));
    let bright = padded.bytes().iter().filter(|&&byte| byte == 77).count();
    assert_eq!((bright, padded.bytes().iter().filter(|&&byte| byte == 0).count()), (20 * 7, 20 * 13));
    assert!(padded.bytes()[6 * 20..13 * 20].iter().all(|&byte| byte == 77));
    for fit in [Fit::Crop, Fit::Stretch] {
        let fitted = flat.clone().fit(fit, size(20, 7));
        assert_eq!((fitted.shape(), fitted.bytes()), (shape(20, 7), &[77; 140][..]));
    }
    // Stretched, the ends of a row stay the ends.
    let row = Pixels::new(shape(2, 4), vec![0, 0, 255, 255, 0, 0, 255, 255]).unwrap();
    let stretched = row.fit(Fit::Stretch, size(4, 2));
    assert!(stretched.bytes().chunks(2).all(|line| line[0] < 30 && line[1] > 225), "{stretched:?}");
}

/// A picture of a million by one would need 3 TB if it were resized before it is cropped.
#[test]
fn a_sliver_is_cropped_before_it_is_resized() {
    let sliver = ImageShape { height: 1, width: 16_384, channels: 3 };
    assert_eq!(picture(sliver, 3).fit(Fit::Crop, 256.into()).shape().width, 256);
}

#[test]
fn grey_has_the_weights_of_bt_601() {
    let shape = ImageShape { height: 1, width: 4, channels: 3 };
    let colors = Pixels::new(shape, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 90, 90, 90]).unwrap();
    assert_eq!(colors.into_grey().bytes(), [76, 150, 29, 90]);
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused() {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 60_000, 60_000);
    encoder.set_color(png::ColorType::Rgb);
    // The header alone; the pixels never come.
    drop(encoder.write_header().unwrap());
    let error = Pixels::decode(&file, "bomb.png").unwrap_err();
    assert!(story(&error).contains("bomb.png"), "{}", story(&error));
    // Within the sides, but 16,384 x 16,384 x 3 bytes are three quarters of a gigabyte.
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 16_384, 16_384);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 3, 0]).unwrap();
    drop(writer);
    let error = Pixels::decode(&file, "wide.png").unwrap_err();
    assert!(story(&error).contains("wide.png"), "{}", story(&error));
    assert!(story(&error).to_lowercase().contains("memory"), "{}", story(&error));
}

#[test]
fn shapes_that_contradict_the_bytes_are_refused() {
    for (height, width, channels, n_bytes) in
        [(2, 2, 3, 11), (0, 2, 3, 0), (2, 2, 2, 8), (1, 20_000, 1, 20_000)]
    {
        let shape = ImageShape { height, width, channels };
        assert!(Pixels::new(shape, vec![0; n_bytes]).is_err(), "{shape:?}");
    }
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

#[test]
fn an_enlarged_picture_has_squares_for_pixels() {
    let small = Pixels::new(ImageShape { height: 1, width: 2, channels: 3 }, vec![1, 2, 3, 7, 8, 9]).unwrap();
    let large = small.enlarged(2).unwrap();
    let row = [1, 2, 3, 1, 2, 3, 7, 8, 9, 7, 8, 9];
    assert_eq!((large.shape().height, large.shape().width), (2, 4));
    assert_eq!(large.bytes(), [row, row].concat());
    assert_eq!(small.enlarged(1).unwrap(), small);
    assert!(
        small.enlarged(0).is_err() && small.enlarged(8193).is_err() && small.enlarged(usize::MAX).is_err()
    );
}
